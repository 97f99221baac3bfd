// Reductions along axes.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/reduce.h>

namespace gradus {
namespace {

template <class Call> Samples reduced_over(Call call) {
  return {sample("all", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{}); }),
          sample("rows", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{1}); }),
          sample("columns", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{0}); }),
          sample("two of three", {sample_values({3, 4, 2})},
                 [call](auto& x) {
                   return call(x[0], std::vector<int>{0, -1});
                 }),
          sample("transposed", {sample_values({3, 4})},
                 [call](auto& x) { return call(transpose(x[0], 0, 1), std::vector<int>{0}); })};
}

struct Sum {
  static constexpr const char* name = "sum";
  struct Saved {
    Shape from;
    std::uint32_t axes;
  };
  static OpOptions options(const Saved& s) {
    OpOptions options{{"axes", {}}};
    for (int i = 0; i < s.from.rank(); ++i)
      if (s.axes >> i & 1) options[0].second.push_back(i);
    return options;
  }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Tensor& g = b.grad();
      if (g.size() == 1 && !b.graph() && s.from.size() <= 4096)  // one dense fill, cheaper than a view
        return Tensor(std::in_place, [&] { return Array::full(s.from, g.item(), g.dtype()); });
      return expand(reshape(g, reduced_shape(s.from, s.axes, true)), s.from);
    });
  }
  static Samples samples() {
    auto all = reduced_over([](const Tensor& x, const std::vector<int>& axes) { return sum(x, axes); });
    all.push_back(
        sample("integers stay out", {sample_values({2})}, [](auto& x) { return x[0] * sum(arange(3)).to(x[0].dtype()); }));
    return all;
  }
};

struct SumTo {
  static constexpr const char* name = "sum_to";
  struct Saved {
    Shape from;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return expand(b.grad(), s.from); });
  }
  static Samples samples() {
    return {sample("row", {sample_values({3, 4})}, [](auto& x) { return sum_to(x[0], {x[0].dim(1)}); }),
            sample("column", {sample_values({3, 4})}, [](auto& x) {
              return sum_to(x[0], {x[0].dim(0), 1});
            })};
  }
};

/// The largest or smallest element: the gradient goes to its index.
struct Extremum {
  static constexpr const char* name = "extremum";
  struct Saved {
    Shape from;
    int axis;
    Array index;
  };
  static OpOptions options(const Saved& s) { return {{"axis", {double(s.axis)}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return scatter_add(reshape(b.grad(), s.index.shape()), s.axis, Tensor(s.index), s.from); });
  }
  static Samples samples() {
    return {sample("max of rows", {sample_values({3, 5})}, [](auto& x) { return max(x[0], 1); }),
            sample("min of columns, kept", {sample_values({3, 5})}, [](auto& x) { return min(x[0], 0, true); }),
            sample("max of all", {sample_values({3, 5})}, [](auto& x) { return max(x[0]); })};
  }
};

Tensor extremum(const char* op, const Tensor& x, Axis along, bool keep, bool largest) {
  if (x.rank() == 0) return reshape(extremum(op, reshape(x, {1}), along, false, largest), {});
  if (along.given < -x.rank() || along.given >= x.rank())  // otherwise a number was probably meant
    throw IndexError(op,
                     join("axis ", along.given, " is out of range for ", describe(x), "; it must lie in [", -x.rank(), ", ",
                          x.rank() - 1, "]"),
                     join("of each element and a number: ", largest ? "maximum" : "minimum", "(x, ", along.given, ")"));
  Extreme e = extreme_axis(op, x.array(), along, largest);
  const int axis = normal_axis(op, along, x.shape());
  Array y = keep ? e.value : e.value.reshape(x.shape().erase(axis));
  if (!is_real(x.dtype())) return Tensor(y);
  return primitive<Extremum>(
      y,
      [&] {
        return Extremum::Saved{x.shape(), axis, e.index};
      },
      x);
}

Tensor index_of_extremum(const char* op, const Tensor& x, Axis axis, bool keep, bool largest) {
  if (x.rank() == 0) return index_of_extremum(op, reshape(x, {1}), axis, false, largest);
  const Extreme e = extreme_axis(op, x.array(), axis, largest);
  return Tensor(keep ? e.index : e.index.reshape(x.shape().erase(normal_axis(op, axis, x.shape()))));
}

int64_t count(const Tensor& x, std::uint32_t axes) {
  int64_t n = 1;
  for (int i = 0; i < x.rank(); ++i)
    if (axes >> i & 1) n *= x.shape()[i];
  return n;
}

}  // namespace

Tensor sum(const Tensor& x) {
  if (!is_real(x.dtype())) return sum(x, std::vector<int>());
  Tensor y(std::in_place, [&] { return sum_all(x.array()); });
  if (recorded(x))
    y.set_history(Ref<Node>(record<Sum, Sum::Saved, &primitive_backward<Sum>>(
        [&] {
          return Sum::Saved{x.shape(), (1u << x.rank()) - 1};
        },
        x)));
  if (op_observer) [[unlikely]]
    notify_observer(Sum::name, y, x);
  return y;
}

Tensor sum(const Tensor& x, const Axes& axes, bool keep) {
  const std::uint32_t mask = axes_mask("sum", axes, x.shape());
  Array y = sum_axes(x.array(), mask);
  if (!keep) y = y.reshape(reduced_shape(x.shape(), mask, false));
  return primitive<Sum>(
      y,
      [&] {
        return Sum::Saved{x.shape(), mask};
      },
      x);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  return primitive<SumTo>(
      sum_to(x.array(), shape), [&] { return SumTo::Saved{x.shape()}; }, x);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keep) {
  if (!is_real(x.dtype()))
    throw DtypeError("mean", join("the mean of integers is seldom an integer, got ", describe(x)), "mean(x.to(f32))");
  return sum(x, axes, keep) / static_cast<double>(count(x, axes_mask("mean", axes, x.shape())));
}

Tensor max(const Tensor& x, int64_t axis, bool keep) { return extremum("max", x, axis, keep, true); }
Tensor min(const Tensor& x, int64_t axis, bool keep) { return extremum("min", x, axis, keep, false); }
Tensor max(const Tensor& x) { return max(flatten(x), 0); }
Tensor min(const Tensor& x) { return min(flatten(x), 0); }
Tensor argmax(const Tensor& x, Axis axis, bool keep) { return index_of_extremum("argmax", x, axis, keep, true); }
Tensor argmin(const Tensor& x, Axis axis, bool keep) { return index_of_extremum("argmin", x, axis, keep, false); }

}  // namespace gradus
