// Statistics along axes: means, variances, logsumexp.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/centred.h>
#include <gradus/autograd/ops/internal/softmax.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus {
namespace {

using OverAxes = std::function<Tensor(const Tensor&, const std::vector<int>&, bool)>;
Samples over_axes(const OverAxes& call) {
  return {
      sample("all", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{}, false); }),
      sample("rows", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{1}, false); }),
      sample("columns, kept", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{0}, true); }),
      sample("two of three", {sample_values({3, 4, 2})},
             [call](auto& x) {
               return call(x[0], std::vector<int>{0, -1}, false);
             }),
      sample("transposed", {sample_values({3, 4})},
             [call](auto& x) { return call(transpose(x[0], 0, 1), std::vector<int>{0}, false); })};
}

struct Mean {
  static constexpr const char* name = "mean";
  static Samples samples() {
    return over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return mean(x, axes, keep); });
  }
};
/// x - mean(x), which is linear, and its own transpose.
struct Centred {
  static constexpr const char* name = "centred";
  struct Saved {
    std::vector<int> axes;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return centred(b.grad(), s.axes); });
  }
  static Samples samples() {
    return over_axes([](const Tensor& x, const std::vector<int>& axes, bool) { return centred(x, axes); });
  }
};

/// x with the masked axes merged into the last one.
Tensor masked_last(const Tensor& x, std::uint32_t axes, std::vector<int>& order) {
  for (int pass = 0; pass < 2; ++pass)
    for (int i = 0; i < x.rank(); ++i)
      if (static_cast<int>(axes >> i & 1) == pass) order.push_back(i);
  Shape shape = reduced_shape(x.shape(), axes, false);
  shape.push_back(x.size() / std::max<int64_t>(1, shape.size()));
  return reshape(permute(x, order), shape);
}

/// logsumexp, whose gradient is softmax. x is not empty.
struct LogSumExp {
  static constexpr const char* name = "logsumexp";
  struct Saved {
    Array x;
    std::uint32_t axes;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor x = b.input(0, s.x);
    b.accumulate(0, [&] {
      std::vector<int> order, back(static_cast<std::size_t>(x.rank()));
      const Tensor share = softmax_shares(masked_last(x, s.axes, order));
      Shape moved;
      for (std::size_t i = 0; i < order.size(); ++i) {
        moved.push_back(x.shape()[order[i]]);
        back[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
      }
      return permute(reshape(share, moved), back) * b.grad();
    });
  }
  static Samples samples() {
    Samples all =
        over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return logsumexp(x, axes, keep); });
    all.push_back(sample("far from zero", {sample_values({2, 3}, 700, 704)}, [](auto& x) { return logsumexp(x[0], 1); }));
    return all;
  }
};

[[maybe_unused]] const bool statistics_composites = register_composites<Mean>();

int64_t count_of(const Tensor& x, std::uint32_t axes) {
  int64_t n = 1;
  for (int i = 0; i < x.rank(); ++i)
    if (axes >> i & 1) n *= x.shape()[i];
  return n;
}

/// The divisor of a sum of squared distances; 0 if there are too few elements, giving NaN or infinity, as PyTorch.
double degrees(const char* op, const Tensor& x, const std::vector<int>& axes, int correction) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  return static_cast<double>(std::max<int64_t>(count_of(x, axes_mask(op, axes, x.shape())) - correction, 0));
}

/// The mean. Where the sum overflows, halved elements are summed; rounding may carry that over half of the largest number.
Array mean_of(const Array& x, std::uint32_t axes, double n) {
  const Array mean = map([n](auto s) { return s / n; }, sum_axes(x, axes));
  if (all_finite(mean)) return mean;
  const double most = (x.dtype() == f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max()) / 2;
  const auto or_doubled = [most](auto m, auto half) {
    const auto size = abs(half);
    const auto bounded = select((size > most) & (size - size == 0), copysign(decltype(m)(most), half), half);
    return select(m - m == 0, m, bounded * 2);
  };
  return map(or_doubled, mean, sum_axes(map([n](auto v) { return v / (2 * n); }, x), axes));
}

/// x - mean - rest along axes, and the sum of their squares. The mean is rounded: where it is far from 0 that matters, and
/// `rest` is the mean of the distances; elsewhere it is absent.
struct Distances {
  Array mean, rest, squares;
  Array of(const Array& x) const {
    const auto less = [](auto v, auto m) { return v - m; };
    const Array d = map(less, x, mean.expand(x.shape()));
    return rest.defined() ? map_over("var", true, less, d, rest.expand(x.shape())) : d;
  }
  Distances(const Array& x, std::uint32_t axes, double n) : mean(mean_of(x, axes, n)) {
    const auto sum_squares = [&](const Array& d) {  // overwrites d
      return sum_axes(map_over(
                          "var", true, [](auto v) { return v * v; }, d),
                      axes);
    };
    squares = sum_squares(of(x));
    if (!mean_is_far(n)) return;
    rest = mean_of(of(x), axes, n);
    squares = sum_squares(of(x));
  }

 private:
  bool mean_is_far(double n) const {
    bool far = false;
    visit_real(mean.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < mean.size(); ++i) {
        const double m = mean.data<T>()[i], all = squares.data<T>()[i];
        far = far || 16 * all < n * m * m;
      }
    });
    return far;
  }
};

Tensor var_of_centred(const Tensor& x, const std::vector<int>& axes, double n, bool keep) {
  return sum(square(centred(x, axes)), axes, keep) / n;
}
Tensor std_of_centred(const Tensor& x, const std::vector<int>& axes, double n, bool keep) {
  const Tensor d = centred(x, axes), y = norm(d, 2, axes, keep) / std::sqrt(n);  // the gradient at 0 is 0, as PyTorch's
  if (all_finite(y.array())) return y;
  const Tensor finite = y.detach() - y.detach() == 0.0;  // the norm of d may overflow where y does not
  return where(finite, y, norm(d / std::sqrt(n), 2, axes, keep));
}

/// var and std, whose kernels keep x and its means, and compute the distances again.
template <bool root> struct Spread {
  struct Saved {
    Array x, y;  // y with the axes kept
    Distances distances;
    std::vector<int> axes;
    double n;
    bool keep;
  };
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Array d = s.distances.of(b.checked(s.x));
      const Array g = b.grad().array().reshape(s.y.shape());
      const Array factor = map([k = (root ? 1 : 2) / s.n](auto v) { return k * v; }, g).expand(d.shape());
      if constexpr (root) {
        const Array unit = map([](auto y) { return 1.0 / y; }, b.checked(s.y)).expand(d.shape());
        return Tensor(map_over(
            "std", true, [](auto v, auto u, auto f) { return v * u * f; }, d, unit, factor));
      } else {
        return Tensor(map_over(
            "var", true, [](auto v, auto f) { return v * f; }, d, factor));
      }
    });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.x)}; }
  static Tensor reference(const std::vector<Tensor>& in, const Saved& s) {
    return (root ? std_of_centred : var_of_centred)(in[0], s.axes, s.n, s.keep);
  }
};
struct Var : Spread<false> {
  static constexpr const char* name = "var";
  static Samples samples() {
    Samples all = over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return var(x, axes, 1, keep); });
    all.push_back(sample("biased", {sample_values({3, 4})}, [](auto& x) { return var(x[0], {1}, 0); }));
    return all;
  }
};
struct Std : Spread<true> {
  static constexpr const char* name = "std";
  static Samples samples() {
    Samples all = over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return std(x, axes, 1, keep); });
    all.push_back(sample("of equal numbers", {sample_values({1, 4})}, [](auto& x) {
      return std(expand(x[0], {4, x[0].dim(1)}), {0}) + std(x[0], {1});
    }));
    return all;
  }
};

/// True if the root of these sums of squares is accurate, and its reciprocal finite. Squares alone are never NaN.
template <class T> bool roots_suffice(const Array& squares) {
  constexpr T low = sizeof(T) == 4 ? T(0x1p-80) : T(0x1p-900), high = sizeof(T) == 4 ? T(0x1p120) : T(0x1p1000);
  const T* from = squares.data<T>();
  return std::none_of(from, from + squares.size(), [](T v) { return v < low || v > high; });
}

}  // namespace

Array unit_near(const Array& scale, Dtype dtype) {
  constexpr int smallest = -126, largest = 126;
  Array unit = Array::ones(scale.shape(), f64);
  for (int64_t i = 0; i < scale.size(); ++i)
    if (const double s = scale.element(i); s > 0 && std::isfinite(s))
      unit.uninitialized<double>()[i] =
          std::ldexp(1.0, dtype == f32 ? std::clamp(std::ilogb(s), smallest, largest) : std::ilogb(s));
  return unit;
}

Tensor centred(const Tensor& x, const std::vector<int>& axes) {
  const std::uint32_t mask = axes_mask("centred", axes, x.shape());
  const auto n = static_cast<double>(count_of(x, mask));
  const auto less = [&](bool overwrite, const Array& a) {
    return map_over(
        "centred", overwrite, [](auto v, auto m) { return v - m; }, a, mean_of(a, mask, n).expand(a.shape()));
  };
  return primitive<Centred>(
      less(true, less(false, x.array())), [&] { return Centred::Saved{axes}; }, x);
}

Tensor var(const Tensor& x, const Axes& axes, int correction, bool keep) {
  const double n = degrees("var", x, axes, correction);
  const std::uint32_t mask = axes_mask("var", axes, x.shape());
  const Distances distances(x.array(), mask, static_cast<double>(count_of(x, mask)));
  const Array y = map([n](auto s) { return s / n; }, distances.squares);
  return fused<Var>(
      y.reshape(reduced_shape(x.shape(), mask, keep)),
      [&] { return Var::Saved{kept(x.array()), y, distances, axes, n, keep}; }, x);
}
Tensor std(const Tensor& x, const Axes& axes, int correction, bool keep) {
  const double n = degrees("std", x, axes, correction);
  const std::uint32_t mask = axes_mask("std", axes, x.shape());
  const Distances distances(x.array(), mask, static_cast<double>(count_of(x, mask)));
  bool suffice = false;
  visit_real(x.dtype(), [&]<class T>() { suffice = n > 0 && roots_suffice<T>(distances.squares); });
  if (!suffice) return std_of_centred(x, axes, n, keep);
  const Array y = map([n](auto s) { return sqrt(s / n); }, distances.squares);
  return fused<Std>(
      y.reshape(reduced_shape(x.shape(), mask, keep)),
      [&] { return Std::Saved{kept(x.array()), kept(y), distances, axes, n, keep}; }, x);
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep) {
  if (!is_real(x.dtype())) throw_dtype("logsumexp", x);
  const std::uint32_t mask = axes_mask("logsumexp", axes, x.shape());
  if (x.size() == 0) return log(sum(exp(x), axes, keep));  // log 0 for an empty x
  Array largest = x.array();
  for (int i = 0; i < x.rank(); ++i)
    if (mask >> i & 1) largest = extreme_axis("logsumexp", largest, i, true).value;
  // The largest has distance 0 from itself also where it is infinite.
  const Array terms = map([](auto v, auto top) { return exp(select(v == top, decltype(v)(0), v - top)); }, x.array(),
                          largest.expand(x.shape()));
  const Array y = map([](auto total, auto top) { return log(total) + top; }, sum_axes(terms, mask), largest);
  const Tensor t = primitive<LogSumExp>(
      y,
      [&] {
        return LogSumExp::Saved{kept(x.array()), mask};
      },
      x);
  return keep ? t : reshape(t, reduced_shape(x.shape(), mask, false));
}

}  // namespace gradus
