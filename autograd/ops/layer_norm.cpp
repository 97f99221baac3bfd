// Normalisation of rows: layer norm (Ba, Kiros and Hinton, 2016), RMS norm (Zhang and Sennrich, 2019); group norm (Wu and
// He, 2018) and instance norm (Ulyanov, Vedaldi and Lempitsky, 2016) are layer norms of other rows.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/centred.h>
#include <gradus/core/simd/softmax_rows.h>
#include <gradus/core/simd/wide_sum.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

inline int64_t rows_grain(int64_t n) { return std::max<int64_t>(1, grain_elements / 4 / std::max<int64_t>(1, n)); }

/// Normalises one row in a wider type: slow, but accurate at any magnitude.
template <class T, bool centred> void rows_forward_wider(int64_t n, const T* x, double eps, T* y, double* scale) {
  using Wide = Wider<T>;
  Wide mean = 0, square = 0;
  for (int round = 0; centred && round < 2; ++round) {  // the second round finds what the first rounded away
    Wide rest = 0;
    for (int64_t i = 0; i < n; ++i) rest += (x[i] - mean) / static_cast<Wide>(n);
    mean += rest;
  }
  for (int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean) / static_cast<Wide>(n);
  const Wide s = 1 / std::sqrt(square + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>((x[i] - mean) * s);
  *scale = static_cast<double>(s);
}

template <class T, bool centred> void rows_backward_wider(int64_t n, const T* g, const T* y, double scale, T* dx) {
  using Wide = Wider<T>;
  Wide mean = 0, slope = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (centred) mean += static_cast<Wide>(g[i]) / static_cast<Wide>(n);
    slope += static_cast<Wide>(g[i]) * static_cast<Wide>(y[i]) / static_cast<Wide>(n);
  }
  for (int64_t i = 0; i < n; ++i) dx[i] = static_cast<T>(scale * (g[i] - mean - y[i] * slope));
}

/// y = (x - mean) scale, mean being 0 unless `centred`; scale = 1 / sqrt(mean square of that + eps). The subtracted mean is
/// near the true one; the mean of the deviations is the rest, so that small deviations are accurate.
template <class T, bool centred> void rows_forward(int64_t rows, int64_t n, const T* x, double eps, T* y, double* scale) {
  using P = pack<T>;
  parallel_ranges(rows, rows_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* in = x + r * n;
      T* out = y + r * n;
      const auto count = static_cast<double>(n);
      double near = 0;
      if constexpr (centred) {
        WideSums<T> rough;
        rough.add_row(0, n, [in](int64_t i, const Lanes<T>& lanes, auto) {
          const P v = lanes.load(in + i);
          return Terms<T>{v, v};
        });
        near = TwoParts<T>(rough.sum.total().over(count), 0).high;
      }
      WideSums<T> distances;
      distances.add_row(0, n, [in, middle = P(near)](int64_t i, const Lanes<T>& lanes, auto valid) {
        const P v = lanes.load(in + i), d = centred ? first_lanes(v - middle, P(0), valid) : v;
        return Terms<T>{d, d};
      });
      const double rest = centred ? distances.sum.total().over(count) : 0;
      scale[r] = 1 / std::sqrt(mean_square_less(distances.product.total().over(count), rest) + eps);
      if (!ordinary_scale<T>(scale[r])) [[unlikely]] {
        rows_forward_wider<T, centred>(n, in, eps, out, scale + r);
        continue;
      }
      const TwoParts<T> mean(near, rest);
      const P high(mean.high), level(-mean.low * scale[r]), s(scale[r]);
      for_packs<T>(n, [&](int64_t i, const auto& lanes, int) {
        const P v = lanes.load(in + i);
        lanes.store(out + i, centred ? fma(v - high, s, level) : v * s);
      });
    }
  });
}

/// dx = scale (g - mean(g) - y mean(g y)), without mean(g) unless `centred`.
template <class T, bool centred>
void rows_backward(int64_t rows, int64_t n, const T* g, const T* y, const double* scale, T* dx) {
  using P = pack<T>;
  parallel_ranges(rows, rows_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T *u = g + r * n, *v = y + r * n;
      T* out = dx + r * n;
      const auto count = static_cast<double>(n);
      WideSums<T, true> sums;
      sums.add_row(0, n, [=](int64_t i, const Lanes<T>& lanes, auto) {
        return Terms<T>{lanes.load(u + i), lanes.load(v + i)};
      });
      const double mean = centred ? sums.sum.total().over(count) : 0, slope = sums.product.total().over(count);
      if (!ordinary_scale<T>(scale[r]) || !std::isfinite(mean) || !std::isfinite(slope)) [[unlikely]] {
        rows_backward_wider<T, centred>(n, u, v, scale[r], out);
        continue;
      }
      const P level(mean), tilt(slope), s(scale[r]);
      for_packs<T>(n, [&](int64_t i, const auto& lanes, int) {
        lanes.store(out + i, s * (lanes.load(u + i) - level - lanes.load(v + i) * tilt));
      });
    }
  });
}

constexpr EdgeException exceptions_of_one[] = {
    {EdgeRule::digits, 1, "g - y mean(g y) of a row of one is a difference that only eps keeps from 0"}};

/// The normalisation of each row of x [rows, n]. The result is kept beside x.
template <bool centred> struct Rows {
  static constexpr const char* name = centred ? "normalize_rows" : "rms_rows";
  static constexpr auto exceptions = std::span<const EdgeException>(exceptions_of_one).first(centred ? 0 : 1);
  struct Saved {
    Array x, y, scale;
    double eps;
  };
  static OpOptions options(const Saved& s) { return {{"eps", {s.eps}}}; }
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Array g = b.grad().array().contiguous();
      const Array& y = b.checked(s.y);
      const double* scale = s.scale.template data<double>();
      Array dx = Array::like(y);
      visit_real(y.dtype(), [&]<class T>() {
        if (dx.size() > 0)
          rows_backward<T, centred>(dx.shape()[0], dx.shape()[1], g.data<T>(), y.data<T>(), scale, dx.uninitialized<T>());
      });
      return Tensor(dx);
    });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.x)}; }
  static Tensor reference(const std::vector<Tensor>& in, const Saved& s) {
    const Array unit = unit_near(s.scale.unsqueeze(1), in[0].dtype());
    const Tensor eps(map([e = s.eps](auto u) { return e * u * u; }, unit).to(in[0].dtype()));
    const auto less = [](const Tensor& x) { return centred ? gradus::centred(x, {1}) : x; };
    const Tensor d = times_unit(in[0], Tensor(unit.to(in[0].dtype())), less);
    return d / sqrt(mean(square(d), {1}, true) + eps);
  }
  static Samples samples();
};

template <bool centred> Tensor normalize_rows(const Tensor& x, double eps) {
  if (x.rank() != 2) throw ShapeError(Rows<centred>::name, join("rows are wanted, got ", describe(x)));
  const Array in = x.array().contiguous();
  Array y = Array::like(in), scale({in.shape()[0]}, f64);
  visit_real(x.dtype(), [&]<class T>() {
    if (y.size() > 0)
      rows_forward<T, centred>(in.shape()[0], in.shape()[1], in.data<T>(), eps, y.uninitialized<T>(),
                               scale.uninitialized<double>());
  });
  return fused<Rows<centred>>(
      y,
      [&] {
        return typename Rows<centred>::Saved{kept(in), kept(y), scale, eps};
      },
      x);
}

template <bool centred> Samples Rows<centred>::samples() {
  const auto call = [](double eps) { return [eps](auto& x) { return normalize_rows<centred>(x[0], eps); }; };
  return {sample("rows", {sample_values({3, 5})}, call(1e-5)),
          sample("rows longer than a pack", {sample_values({2, 19})}, call(1e-5)),
          sample("large eps", {sample_values({4, 3})}, call(0.7)),
          sample("transposed", {sample_values({4, 3})},
                 [](auto& x) { return normalize_rows<centred>(transpose(x[0], 0, 1), 1e-3); }),
          sample("no rows", {sample_values({0, 3})}, call(1e-5))};
}

// ---- checks ---------------------------------------------------------------------------------------------------------

void check_eps(const char* op, double eps) {
  if (!(eps >= 0)) throw Error(op, join("eps must be at least 0, got ", text(eps)));
}

void check_weights(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, const Shape& wanted,
                   const char* why) {
  for (const Tensor* t : {&weight, &bias}) {
    if (!t->defined()) continue;
    const char* which = t == &weight ? "weight" : "bias";
    if (t->dtype() != x.dtype())
      throw DtypeError(op,
                       join("the input is ", describe(x), ", the ", which, " ", describe(*t), "; they must have one dtype"),
                       join("x.to(", t->dtype(), ")"));
    if (!(t->shape() == wanted))
      throw ShapeError(op, join("the ", which, " is ", describe(*t), ", the input ", describe(x), "; the ", which,
                                " must be ", wanted, ", ", why));
  }
}

Tensor affine(const Tensor& y, const Tensor& weight, const Tensor& bias, const Shape& as) {
  const Tensor scaled = weight.defined() ? y * reshape(weight, as) : y;
  return bias.defined() ? scaled + reshape(bias, as) : scaled;
}

/// x as [rows, n], the last axes of lengths `shape` being one row.
Tensor rows_along(const char* op, const Tensor& x, const Shape& shape) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  bool fits = shape.rank() >= 1 && shape.rank() <= x.rank() && shape.size() > 0;
  for (int i = 0; fits && i < shape.rank(); ++i) fits = shape[i] == x.shape()[x.rank() - shape.rank() + i];
  if (!fits)
    throw ShapeError(op, join("the input is ", describe(x), ", the shape to normalise ", shape,
                              "; it must be the input's last lengths, none of them 0"));
  return reshape(x, {x.size() / shape.size(), shape.size()});
}

// ---- composites -----------------------------------------------------------------------------------------------------

struct LayerNorm {
  static constexpr const char* name = "layer_norm";
  static Samples samples() {
    const Array w = sample_values({4}, 0.5, 2, 2), b = sample_values({4}, -2, 2, 3);
    return {
        sample("last axis", {sample_values({3, 4}), w, b},
               [](auto& x) { return layer_norm(x[0], {x[0].dim(-1)}, x[1], x[2]); }),
        sample("three axes", {sample_values({2, 3, 4}), w, b}, [](auto& x) { return layer_norm(x[0], {4}, x[1], x[2]); }),
        sample("two axes a row", {sample_values({2, 3, 2}), sample_values({3, 2}, 0.5, 2, 2)},
               [](auto& x) {
                 return layer_norm(x[0], {3, 2}, x[1]);
               }),
        sample("without weights", {sample_values({3, 4})}, [](auto& x) { return layer_norm(x[0], {4}); })};
  }
};

struct RmsNorm {
  static constexpr const char* name = "rms_norm";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "g - y mean(g y) of a row of one is a difference that only eps keeps from 0"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest}};
  static Samples samples() {
    const Array w = sample_values({4}, 0.5, 2, 2);
    return {sample("last axis", {sample_values({3, 4}), w}, [](auto& x) { return rms_norm(x[0], {x[0].dim(-1)}, x[1]); }),
            sample("three axes", {sample_values({2, 3, 4}), w}, [](auto& x) { return rms_norm(x[0], {4}, x[1], 1e-3); }),
            sample("one element a row", {sample_values({3, 1}), sample_values({1}, 0.5, 2, 3)},
                   [](auto& x) { return rms_norm(x[0], {1}, x[1], 0.5); })};
  }
};

struct GroupNorm {
  static constexpr const char* name = "group_norm";
  static Samples samples() {
    const Array w = sample_values({4}, 0.5, 2, 2), b = sample_values({4}, -2, 2, 3);
    return {sample("two groups of two", {sample_values({2, 4, 2, 3}), w, b},
                   [](auto& x) { return group_norm(x[0], 2, x[1], x[2]); }),
            sample("one group", {sample_values({3, 4}), w, b}, [](auto& x) { return group_norm(x[0], 1, x[1], x[2]); }),
            sample("without weights", {sample_values({2, 4, 3})}, [](auto& x) { return group_norm(x[0], 2); })};
  }
};

struct InstanceNorm {
  static constexpr const char* name = "instance_norm";
  static Samples samples() {
    const Array w = sample_values({2}, 0.5, 2, 2), b = sample_values({2}, -2, 2, 3);
    return {sample("images", {sample_values({2, 2, 2, 3}), w, b}, [](auto& x) { return instance_norm(x[0], x[1], x[2]); }),
            sample("sequences", {sample_values({2, 2, 5})}, [](auto& x) { return instance_norm(x[0]); })};
  }
};

[[maybe_unused]] const bool layer_norm_composites = register_composites<LayerNorm, RmsNorm, GroupNorm, InstanceNorm>();

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& shape, const Tensor& weight, const Tensor& bias, double eps) {
  const Tensor rows = rows_along("layer_norm", x, shape);
  check_weights("layer_norm", x, weight, bias, shape, "the shape to normalise");
  check_eps("layer_norm", eps);
  return affine(reshape(normalize_rows<true>(rows, eps), x.shape()), weight, bias, shape);
}

Tensor rms_norm(const Tensor& x, const Shape& shape, const Tensor& weight, double eps) {
  const Tensor rows = rows_along("rms_norm", x, shape);
  check_weights("rms_norm", x, weight, {}, shape, "the shape to normalise");
  check_eps("rms_norm", eps);
  return affine(reshape(normalize_rows<false>(rows, eps), x.shape()), weight, {}, shape);
}

namespace {

Tensor grouped(const char* op, const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  if (x.rank() < 2) throw ShapeError(op, join("the input must be [N,C] or [N,C,...], got ", describe(x)));
  const int64_t n = x.shape()[0], channels = x.shape()[1];
  if (groups < 1 || channels < 1 || channels % groups != 0)
    throw ShapeError(
        op, join(channels, " channels (axis 1 of ", describe(x), ") cannot be shared out among ", groups, " groups"));
  check_weights(op, x, weight, bias, {channels}, "one number for each channel");
  check_eps(op, eps);
  int64_t group = channels / groups;
  Shape per_channel{1, channels};
  for (int i = 2; i < x.rank(); ++i) group *= x.shape()[i], per_channel.push_back(1);
  if (group == 0)
    throw ShapeError(op, join("the groups of ", describe(x), " are empty; each must have at least one element"));
  const Tensor rows = reshape(x, {n * groups, group});
  return affine(reshape(normalize_rows<true>(rows, eps), x.shape()), weight, bias, per_channel);
}

}  // namespace

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  return grouped("group_norm", x, groups, weight, bias, eps);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  if (x.rank() < 3) throw ShapeError("instance_norm", join("the input must be [N,C,L] or [N,C,H,W], got ", describe(x)));
  return grouped("instance_norm", x, x.shape()[1], weight, bias, eps);
}

}  // namespace gradus
