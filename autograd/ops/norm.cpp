// Batch normalisation: Ioffe and Szegedy, "Batch normalization", 2015. One task does one channel, which stays in cache from
// its mean to its result.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/centred.h>
#include <gradus/core/simd/softmax_rows.h>
#include <gradus/core/simd/wide_sum.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus {
namespace {

/// The layout of dense x as [n, channels, plane].
struct Planes {
  int64_t n, channels, plane;
  explicit Planes(const Shape& s) : n(s[0]), channels(s[1]), plane(1) {
    for (int i = 2; i < s.rank(); ++i) plane *= s[i];
  }
  int64_t per_channel() const { return n * plane; }
};

/// The work of one task: the elements of one channel, in packs; or, for [n, channels], a pack of neighbouring channels.
template <class T, bool side_by_side> struct Group {
  using P = pack<T>;
  static constexpr int w = P::width;
  Planes planes;
  int64_t first;
  int channels;

  /// The values of this group's channels, each in the lanes of its channel.
  P spread(const double* numbers) const {
    P p(numbers[0]);
    if constexpr (side_by_side)
      for (int i = 1; i < channels; ++i) p.r[i] = static_cast<T>(numbers[i]);
    return p;
  }

  /// Calls f(offset, lanes, valid) for every pack of elements.
  template <class F> GRADUS_INLINE void each(F f) const {
    if constexpr (side_by_side) {
      const Lanes<T> lanes(channels);
      for (int64_t i = 0; i < planes.n; ++i) f(i * planes.channels + first, lanes, std::integral_constant<int, w>());
    } else {
      for (int64_t i = 0; i < planes.n; ++i) {
        const int64_t start = (i * planes.channels + first) * planes.plane;
        for_packs<T>(planes.plane, [&](int64_t at, const auto& lanes, auto valid) { f(start + at, lanes, valid); });
      }
    }
  }

  /// The sums over the packs of this group: along planes; where these are short, from plane to plane.
  template <bool exactly = false, class Term> GRADUS_INLINE WideSums<T, exactly> sums(Term term) const {
    const int64_t step = planes.channels * planes.plane, start = first * planes.plane;
    WideSums<T, exactly> all;
    if constexpr (side_by_side) {
      all.add(first, planes.n, step, Lanes<T>(channels), std::integral_constant<int, w>(), term);
    } else if (planes.plane >= 8 * w) {
      for (int64_t i = 0; i < planes.n; ++i) all.add_row(start + i * step, planes.plane, term);
    } else {
      for (int64_t j = 0; j < planes.plane; j += w) {
        const int valid = static_cast<int>(std::min<int64_t>(w, planes.plane - j));
        all.add(start + j, planes.n, step, Lanes<T>(valid), valid, term);
      }
    }
    return all;
  }
  /// The sum of channel i of this group.
  static ExactSum of_channel(const WideSum<T>& sum, int i) { return side_by_side ? sum.lane(i) : sum.total(); }
};

template <class T, class F> void each_group(const Planes& p, F f) {
  constexpr int w = pack<T>::width;
  if (p.plane == 1) {
    parallel_ranges((p.channels + w - 1) / w, std::max<int64_t>(1, grain_elements / 4 / (p.n * w)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t s = begin; s < end; ++s)
                        f(Group<T, true>{p, s * w, static_cast<int>(std::min<int64_t>(w, p.channels - s * w))});
                    });
  } else {
    parallel_ranges(p.channels, std::max<int64_t>(1, grain_elements / 4 / p.per_channel()), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) f(Group<T, false>{p, c, 1});
    });
  }
}

/// The values of a batch norm, one for each channel, in double whatever the dtype of x.
struct Channels {
  Array weight, bias, mean, variance, scale;  // f64[C]; the variance biased, scale = 1 / sqrt(variance + eps)
};

/// True if channel i need not be computed in a wider type.
template <class T> bool ordinary(const Channels& c, int64_t i) {
  const double scale = c.scale.data<double>()[i], slope = scale * c.weight.data<double>()[i];
  return ordinary_scale<T>(scale) && !(std::fabs(slope) > std::numeric_limits<T>::max());
}

/// Calls f(offset) for every element of channel c.
template <class F> void each_of_channel(const Planes& p, int64_t c, F f) {
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.plane; ++j) f((i * p.channels + c) * p.plane + j);
}

/// Normalises channel c in a wider type: slow, but accurate at any magnitude.
template <class T> void batch_norm_forward_wider(const Planes& p, int64_t c, const T* x, Channels& all, double eps, T* y) {
  using Wide = Wider<T>;
  const auto n = static_cast<Wide>(p.per_channel());
  Wide mean = 0, variance = 0;
  for (int round = 0; round < 2; ++round) {  // the second round finds what the first rounded away
    Wide rest = 0;
    each_of_channel(p, c, [&](int64_t at) { rest += (x[at] - mean) / n; });
    mean += rest;
  }
  each_of_channel(p, c, [&](int64_t at) { variance += (x[at] - mean) * (x[at] - mean) / n; });
  const Wide scale = 1 / std::sqrt(variance + eps), weight = all.weight.data<double>()[c], bias = all.bias.data<double>()[c];
  each_of_channel(p, c, [&](int64_t at) { y[at] = static_cast<T>((x[at] - mean) * scale * weight + bias); });
  all.mean.uninitialized<double>()[c] = static_cast<double>(mean);
  all.variance.uninitialized<double>()[c] = static_cast<double>(variance);
  all.scale.uninitialized<double>()[c] = static_cast<double>(scale);
}
template <class T>
void batch_norm_backward_wider(const Planes& p, int64_t c, const T* x, const T* g, const Channels& all, double* dweight,
                               double* dbias, T* dx) {
  using Wide = Wider<T>;
  const Wide mean = all.mean.data<double>()[c], scale = all.scale.data<double>()[c];
  const Wide slope = all.weight.data<double>()[c] * scale, n = static_cast<Wide>(p.per_channel());
  Wide sum = 0, product = 0;
  each_of_channel(p, c, [&](int64_t at) { sum += g[at], product += g[at] * ((x[at] - mean) * scale); });
  dbias[c] = static_cast<double>(sum), dweight[c] = static_cast<double>(product);
  if (dx)
    each_of_channel(p, c, [&](int64_t at) {
      dx[at] = static_cast<T>(slope * (g[at] - sum / n - (x[at] - mean) * scale * (product / n)));
    });
}

template <class T> void batch_norm_forward(const Planes& p, const T* x, Channels& c, double eps, T* y) {
  using P = pack<T>;
  const auto n = static_cast<double>(p.per_channel());
  const double *weight = c.weight.data<double>(), *bias = c.bias.data<double>();
  double *mean = c.mean.uninitialized<double>(), *variance = c.variance.uninitialized<double>(),
         *scale = c.scale.uninitialized<double>();
  each_group<T>(p, [=, &c](const auto& group) {
    const int64_t first = group.first;
    double middle[P::width] = {}, factor[P::width] = {}, added[P::width] = {};
    const WideSums<T> rough = group.sums([&](int64_t at, const Lanes<T>& lanes, auto) {
      const P v = lanes.load(x + at);
      return Terms<T>{v, v};
    });
    for (int i = 0; i < group.channels; ++i) middle[i] = TwoParts<T>(group.of_channel(rough.sum, i).over(n), 0).high;
    const P near = group.spread(middle);
    const WideSums<T> distances = group.sums([&](int64_t at, const Lanes<T>& lanes, auto valid) {
      const P d = first_lanes(lanes.load(x + at) - near, P(0), valid);
      return Terms<T>{d, d};
    });
    for (int i = 0; i < group.channels; ++i) {
      const double rest = group.of_channel(distances.sum, i).over(n);
      const TwoParts<T> parts(middle[i], rest);
      middle[i] = parts.high;
      mean[first + i] = parts.high + parts.low;
      variance[first + i] = mean_square_less(group.of_channel(distances.product, i).over(n), rest);
      scale[first + i] = 1 / std::sqrt(variance[first + i] + eps);
      factor[i] = scale[first + i] * weight[first + i];
      added[i] = bias[first + i] - parts.low * factor[i];
    }
    const P high = group.spread(middle), slope = group.spread(factor), offset = group.spread(added);
    group.each(
        [&](int64_t at, const auto& lanes, int) { lanes.store(y + at, fma(lanes.load(x + at) - high, slope, offset)); });
    for (int i = 0; i < group.channels; ++i)
      if (!ordinary<T>(c, first + i)) [[unlikely]]
        batch_norm_forward_wider<T>(p, first + i, x, c, eps, y);
  });
}

/// The gradients, with d = x - mean and n elements a channel: dbias = sum g, dweight = scale sum g d, and dx = weight scale
/// (g - sum g / n - d scale^2 sum(g d) / n). dx may be null.
template <class T>
void batch_norm_backward(const Planes& p, const T* x, const T* g, const Channels& c, double* dweight, double* dbias, T* dx) {
  using P = pack<T>;
  const auto n = static_cast<double>(p.per_channel());
  const double *weight = c.weight.data<double>(), *mean = c.mean.data<double>(), *scale = c.scale.data<double>();
  each_group<T>(p, [=, &c](const auto& group) {
    const int64_t first = group.first;
    double large[P::width] = {}, small[P::width] = {}, slope[P::width] = {}, level[P::width] = {}, tilt[P::width] = {};
    bool ordinary_sums[P::width] = {};
    for (int i = 0; i < group.channels; ++i) {
      const TwoParts<T> parts(mean[first + i], 0);
      large[i] = parts.high, small[i] = -parts.low * scale[first + i];
    }
    const P high = group.spread(large), low = group.spread(small), unit = group.spread(scale + first);
    const auto sums = group.template sums<true>([&](int64_t at, const Lanes<T>& lanes, auto) {
      return Terms<T>{lanes.load(g + at), fma(lanes.load(x + at) - high, unit, low)};  // 0 behind the last element of g
    });
    for (int i = 0; i < group.channels; ++i) {
      const ExactSum sum = group.of_channel(sums.sum, i), product = group.of_channel(sums.product, i);
      const double s = scale[first + i];
      ordinary_sums[i] = ordinary<T>(c, first + i) && std::isfinite(sum.value()) && std::isfinite(product.value());
      dbias[first + i] = sum.value();
      dweight[first + i] = product.value();
      slope[i] = weight[first + i] * s;
      tilt[i] = -s * product.over(n);
      level[i] = sum.over(n) + small[i] * product.over(n);
    }
    const P k = group.spread(slope), a = group.spread(level), b = group.spread(tilt);
    if (dx)
      group.each([&](int64_t at, const auto& lanes, int) {
        lanes.store(dx + at, k * fma(lanes.load(x + at) - high, b, lanes.load(g + at) - a));
      });
    for (int i = 0; i < group.channels; ++i)
      if (!ordinary_sums[i]) [[unlikely]]
        batch_norm_backward_wider<T>(p, first + i, x, g, c, dweight, dbias, dx);
  });
}

Tensor per_channel(const Tensor& t, int rank) {
  Shape s{1, t.size()};
  while (s.rank() < rank) s.push_back(1);
  return reshape(t, s);
}

struct BatchNorm {
  static constexpr const char* name = "batch_norm";
  struct Saved {
    Array x, weight, bias;
    Channels channels;
    double eps;
  };
  static void kernel(BackwardContext& b, const Saved& s) {
    const Array &x = b.checked(s.x), g = b.grad().array().contiguous();
    (void)b.checked(s.weight);  // in f64 channels.weight has the same elements
    Array dweight(s.weight.shape(), f64), dbias(s.weight.shape(), f64), dx = b.wants(0) ? Array::like(x) : Array();
    visit_real(x.dtype(), [&]<class T>() {
      batch_norm_backward<T>(Planes(x.shape()), x.data<T>(), g.data<T>(), s.channels, dweight.uninitialized<double>(),
                             dbias.uninitialized<double>(), dx.defined() ? dx.uninitialized<T>() : nullptr);
    });
    b.accumulate(0, [&] { return Tensor(dx); });
    b.accumulate(1, [&] { return Tensor(dweight.to(x.dtype())); });
    b.accumulate(2, [&] { return Tensor(dbias.to(x.dtype())); });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) {
    return {b.input(0, s.x), b.input(1, s.weight), b.input(2, s.bias)};
  }
  static Tensor reference(const std::vector<Tensor>& in, const Saved& s) {
    const Tensor& x = in[0];
    std::vector<int> axes{0};
    for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
    const Array unit = unit_near(s.channels.scale, x.dtype()), small = map([e = s.eps](auto u) { return e * u * u; }, unit);
    const auto of_channels = [&](const Array& a) { return per_channel(Tensor(a.to(x.dtype())), x.rank()); };
    const Tensor d = times_unit(x, of_channels(unit), [&](const Tensor& t) { return centred(t, axes); });
    return d / sqrt(mean(square(d), axes, true) + of_channels(small)) * per_channel(in[1], x.rank()) +
           per_channel(in[2], x.rank());
  }
  static Samples samples() {
    const auto call = [](auto& x) { return batch_norm(x[0], x[1], x[2]).y; };
    const auto weight = [](int64_t c) { return sample_values({c}, 0.5, 2, 2); };
    const auto bias = [](int64_t c) { return sample_values({c}, -2, 2, 3); };
    return {sample("images", {sample_values({2, 3, 2, 3}), weight(3), bias(3)}, call),
            sample("planes longer than a pack", {sample_values({2, 2, 19}), weight(2), bias(2)}, call),
            sample("rows", {sample_values({5, 3}), weight(3), bias(3)}, call),
            sample("more channels than a pack", {sample_values({3, 18}), weight(18), bias(18)}, call),
            sample("one image", {sample_values({1, 2, 2, 2}), weight(2), bias(2)}, call),
            sample("transposed", {sample_values({3, 6}), weight(3), bias(3)},
                   [](auto& x) { return batch_norm(transpose(x[0], 0, 1), x[1], x[2]).y; }),
            sample("large eps", {sample_values({4, 2}), weight(2), bias(2)},
                   [](auto& x) { return batch_norm(x[0], x[1], x[2], 0.7).y; })};
  }
};

void check(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!is_real(x.dtype())) throw_dtype("batch_norm", x);
  if (x.rank() < 2) throw ShapeError("batch_norm", join("the input must be [N,C] or [N,C,...], got ", describe(x)));
  const int64_t channels = x.shape()[1];
  for (const Tensor* t : {&weight, &bias}) {
    const char* which = t == &weight ? "weight" : "bias";
    if (t->dtype() != x.dtype())
      throw DtypeError("batch_norm",
                       join("the input is ", describe(x), ", the ", which, " ", describe(*t), "; they must have one dtype"),
                       join("x.to(", t->dtype(), ")"));
    if (!(t->shape() == Shape{channels}))
      throw ShapeError("batch_norm",
                       join("the input has ", channels, channels == 1 ? " channel" : " channels", " (axis 1), the ", which,
                            " is ", describe(*t), ": input ", describe(x), "; the ", which, " must be [", channels, "]"));
  }
  if (Planes(x.shape()).per_channel() < 2)
    throw ShapeError(
        "batch_norm", join("training needs more than one value for each channel, the input is ", describe(x)),
        x.shape()[0] == 1 ? "DataLoader with .drop_last = true if the last batch holds 1 sample, or model.eval()" : "");
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
  const auto or_all = [&x](const Tensor& t, double number) {
    return t.defined() || x.rank() < 2 ? t : full({x.shape()[1]}, number, x.dtype());
  };
  const Tensor weight = or_all(w, 1), bias = or_all(b, 0);
  check(x, weight, bias);
  const Array in = x.array().contiguous();
  const Shape c{x.shape()[1]};
  Channels channels{weight.array().to(f64).contiguous(), bias.array().to(f64).contiguous(), Array(c, f64), Array(c, f64),
                    Array(c, f64)};
  Array y = Array::like(in);
  const Planes planes(x.shape());
  visit_real(x.dtype(),
             [&]<class T>() { batch_norm_forward<T>(planes, in.data<T>(), channels, eps, y.uninitialized<T>()); });
  const auto n = static_cast<double>(planes.per_channel());
  const Array unbiased = map([k = n / (n - 1)](auto v) { return k * v; }, channels.variance);
  const auto saved = [&] { return BatchNorm::Saved{kept(in), kept(weight.array()), kept(bias.array()), channels, eps}; };
  return {fused<BatchNorm>(y, saved, x, weight, bias), channels.mean.to(x.dtype()), unbiased.to(x.dtype())};
}

}  // namespace gradus
