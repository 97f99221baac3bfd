// Running sums and products along an axis. Their gradients are scans too: for a sum the sum from the other end, for a
// product a linear recurrence, which needs no division and so is exact where elements are zero.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

/// r = p r + q, in double for floats; doubles keep the rounding errors of r in `lost`, so that long sums and products lose
/// no digits.
template <class T> GRADUS_INLINE T go_on(double& r, double& lost, T p, T q) {
  const double before = r, product = static_cast<double>(p) * before, next = product + static_cast<double>(q);
  r = next;
  if constexpr (sizeof(T) == 8) {
    const double took = next - product, sum_lost = (product - (next - took)) + (q - took);
    const double all_lost = p * lost + (std::fma(p, before, -product) + sum_lost);
    lost = all_lost == all_lost ? all_lost : 0;  // NaN where r is infinite
  }
  return static_cast<T>(lost == 0 ? r : r + lost);  // keeps -0
}

/// Scans all lanes of the axis, in order: out[i] = p(i) out[i - 1] + q(i), the first being start(i).
template <class T, class Start, class Factor, class Term>
void each_lane_of(const AroundAxis& a, bool reverse, T* out, Start start, Factor p, Term q) {
  constexpr int64_t strip = 64;  // neighbouring lanes
  if (a.length == 0 || a.inner == 0) return;
  const int64_t strips = (a.inner + strip - 1) / strip, step = reverse ? -a.inner : a.inner;
  const auto run = [&](int64_t at, auto columns) {
    double r[strip], lost[strip] = {};
    for (int64_t i = 0; i < columns; ++i) r[i] = static_cast<double>(out[at + i] = start(at + i));
    for (int64_t k = 1; k < a.length; ++k) {
      at += step;
      for (int64_t i = 0; i < columns; ++i) out[at + i] = go_on<T>(r[i], lost[i], p(at + i), q(at + i));
    }
  };
  parallel_ranges(a.outer * strips, std::max<int64_t>(1, grain_elements / (a.length * std::min(strip, a.inner))),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t job = begin; job < end; ++job) {
                      const int64_t first = job % strips * strip, row = reverse ? a.length - 1 : 0;
                      const int64_t at = (job / strips * a.length + row) * a.inner + first;
                      if (a.inner == 1) run(at, std::integral_constant<int64_t, 1>());
                      else run(at, std::min(strip, a.inner - first));
                    }
                  });
}

Tensor running_sum(const Tensor& x, int axis, bool reverse);

struct CumSum {
  static constexpr const char* name = "cumsum";
  struct Saved {
    int axis;
    bool reverse;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return running_sum(b.grad(), s.axis, !s.reverse); });
  }
  static Samples samples() {
    return {sample("rows", {sample_values({3, 5})}, [](auto& x) { return cumsum(x[0], 1); }),
            sample("columns", {sample_values({4, 3})}, [](auto& x) { return cumsum(x[0], 0); }),
            sample("middle axis", {sample_values({2, 3, 2})}, [](auto& x) { return cumsum(x[0], -2); }),
            sample("transposed", {sample_values({3, 4})}, [](auto& x) { return cumsum(transpose(x[0], 0, 1), 1); }),
            sample("empty", {sample_values({3, 0})}, [](auto& x) { return cumsum(x[0], 1); })};
  }
};

Tensor running_sum(const Tensor& x, int axis, bool reverse) {
  const Array from = x.array().contiguous();
  Array y = Array::like(from);
  visit_real(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    const auto term = [in](int64_t at) { return in[at]; };
    each_lane_of<T>(
        AroundAxis(x.shape(), axis), reverse, out, term, [](int64_t) { return T(1); }, term);
  });
  return primitive<CumSum>(
      y,
      [&] {
        return CumSum::Saved{axis, reverse};
      },
      x);
}

/// The sequence first, x_0, x_1, ...: shifted by one, from the end that is not read.
Tensor shifted(const Tensor& x, int axis, double first) {
  Shape one = x.shape();
  one[axis] = 1;
  return cat({full(one, first, x.dtype()), slice(x, axis, 0, x.shape()[axis] - 1)}, axis);
}

/// The linear recurrence r. With u the incoming gradient, v_i = u_i + a_{i+1} v_{i+1} is that of b, and v_i r_{i-1} that of
/// a.
struct LinearScan {
  static constexpr const char* name = "linear_scan";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "products of factors overflow on their way, also where they meet 0", 1e20},
      {EdgeRule::digits, 1, "products of factors overflow on their way, also where they meet 0", EdgeException::largest}};
  struct Saved {
    Array a, r;
    int axis;
  };
  static void backward(BackwardContext& back, const Saved& s) {
    const Tensor a = back.input(0, s.a), r = back.output(s.r);
    if (r.size() == 0) {
      back.accumulate(0, [&] { return back.grad(); });
      back.accumulate(1, [&] { return back.grad(); });
      return;
    }
    const std::vector<int> along{s.axis};
    const Tensor v = flip(linear_scan(shifted(flip(a, along), s.axis, 0), flip(back.grad(), along), s.axis), along);
    back.accumulate(0, [&] { return v * shifted(r, s.axis, 0); });
    back.accumulate(1, [&] { return v; });
  }
  static Samples samples() {
    const auto at = [](int axis) { return [axis](auto& x) { return linear_scan(x[0], x[1], axis); }; };
    return {sample("rows", {sample_values({2, 5}), sample_values({2, 5}, -2, 2, 2)}, at(1)),
            sample("columns", {sample_values({4, 3}), sample_values({4, 3}, -2, 2, 2)}, at(0)),
            sample("one step", {sample_values({3, 1}), sample_values({3, 1}, -2, 2, 2)}, at(-1)),
            sample("empty", {sample_values({0, 2}), sample_values({0, 2})}, at(0))};
  }
};

/// The running product y_i = x_0 ... x_i. With r_i = g_i + x_{i+1} r_{i+1} the gradient is r_i y_{i-1}.
struct CumProd {
  static constexpr const char* name = "cumprod";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::form, 0, "a product of some factors that is subnormal has few digits", EdgeException::subnormal},
      {EdgeRule::form, 0, "a product that overflows on its way stays infinite, as PyTorch's", EdgeException::largest}};
  struct Saved {
    Array x, y;
    int axis;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor x = b.input(0, s.x), y = b.output(s.y), &g = b.grad();
    b.accumulate(0, [&] {
      if (g.size() == 0) return g;
      const std::vector<int> along{s.axis};
      return flip(linear_scan(shifted(flip(x, along), s.axis, 0), flip(g, along), s.axis), along) * shifted(y, s.axis, 1);
    });
  }
  static Samples samples() {
    Array zeros = sample_values({3, 4});
    for (const int64_t k : {1, 6, 7}) zeros.uninitialized<double>()[k] = 0;
    return {sample("rows", {sample_values({3, 5})}, [](auto& x) { return cumprod(x[0], 1); }),
            sample("columns", {sample_values({4, 3})}, [](auto& x) { return cumprod(x[0], 0); }),
            sample("zeros among them", {zeros}, [](auto& x) { return cumprod(x[0], 1); }),
            sample("empty", {sample_values({2, 0})}, [](auto& x) { return cumprod(x[0], 1); })};
  }
};

struct Prod {
  static constexpr const char* name = "prod";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::form, 0, "a product of some factors that is subnormal has few digits", EdgeException::subnormal},
      {EdgeRule::form, 0, "a product that overflows on its way stays infinite, as PyTorch's", EdgeException::largest}};
  static Samples samples() {
    Array zeros = sample_values({3, 4});
    for (const int64_t k : {1, 6, 7}) zeros.uninitialized<double>()[k] = 0;
    return {sample("all", {sample_values({2, 3})}, [](auto& x) { return prod(x[0]); }),
            sample("rows", {sample_values({3, 4})}, [](auto& x) { return prod(x[0], 1); }),
            sample("columns, kept", {sample_values({3, 4})}, [](auto& x) { return prod(x[0], 0, true); }),
            sample("one zero, two zeros", {zeros}, [](auto& x) { return prod(x[0], 1); }),
            sample("of nothing", {sample_values({2, 0})}, [](auto& x) { return prod(x[0], 1); })};
  }
};

[[maybe_unused]] const bool scan_composites = register_composites<Prod>();

}  // namespace

Tensor cumsum(const Tensor& x, Axis along) {
  if (x.rank() == 0) return reshape(cumsum(reshape(x, {1}), along), {});
  const int axis = normal_axis("cumsum", along, x.shape());
  if (!is_real(x.dtype())) return integer_scan(x, axis, false);
  return running_sum(x, axis, false);
}

Tensor cumprod(const Tensor& x, Axis along) {
  if (x.rank() == 0) return reshape(cumprod(reshape(x, {1}), along), {});
  const int axis = normal_axis("cumprod", along, x.shape());
  if (!is_real(x.dtype())) return integer_scan(x, axis, true);
  const Array from = x.array().contiguous();
  Array y = Array::like(from);
  visit_real(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    const auto factor = [in](int64_t at) { return in[at]; };
    each_lane_of<T>(AroundAxis(x.shape(), axis), false, out, factor, factor, [](int64_t) { return T(-0.0); });
  });
  return primitive<CumProd>(
      y,
      [&] {
        return CumProd::Saved{kept(x.array()), kept(y), axis};
      },
      x);
}

Tensor linear_scan(const Tensor& a, const Tensor& b, Axis along) {
  if (!is_real(a.dtype())) throw_dtype("linear_scan", a);
  if (a.dtype() != b.dtype())
    throw DtypeError("linear_scan", join(describe(a), " and ", describe(b), " do not mix"), join("b.to(", a.dtype(), ")"));
  if (!(a.shape() == b.shape()))
    throw ShapeError("linear_scan",
                     join("the factors are ", describe(a), ", the terms ", describe(b), "; the shapes must be equal"));
  if (a.rank() == 0) return reshape(linear_scan(reshape(a, {1}), reshape(b, {1}), along), {});
  const int axis = normal_axis("linear_scan", along, a.shape());
  const Array factors = a.array().contiguous(), terms = b.array().contiguous();
  Array r = Array::like(terms);
  visit_real(a.dtype(), [&]<class T>() {
    const T *p = factors.data<T>(), *q = terms.data<T>();
    T* out = r.uninitialized<T>();
    const auto term = [q](int64_t at) { return q[at]; };
    each_lane_of<T>(
        AroundAxis(a.shape(), axis), false, out, term, [p](int64_t at) { return p[at]; }, term);
  });
  return primitive<LinearScan>(
      r,
      [&] {
        return LinearScan::Saved{kept(a.array()), kept(r), axis};
      },
      a, b);
}

Tensor prod(const Tensor& x, Axis along, bool keep) {
  if (x.rank() == 0) return prod(reshape(x, {1}), along, false);
  const int axis = normal_axis("prod", along, x.shape());
  if (x.shape()[axis] == 0) {
    Shape shape = x.shape();
    shape[axis] = 1;
    return ones(keep ? shape : shape.erase(axis), is_real(x.dtype()) ? x.dtype() : i64);
  }
  const Tensor y = slice(cumprod(x, axis), axis, x.shape()[axis] - 1, x.shape()[axis]);
  return keep ? y : squeeze(y, axis);
}
Tensor prod(const Tensor& x) { return prod(reshape(x, {x.size()}), 0); }

}  // namespace gradus
