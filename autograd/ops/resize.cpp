// Resampling: every result along an axis is a weighted sum of a few elements of that axis. Nearest, linear and cubic
// interpolation and adaptive averages are tables of such weights, one for each axis; the backward pass is the table
// transposed.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/resample.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace gradus {
namespace {

using Table = std::shared_ptr<const RowWeights>;

struct Resample {
  static constexpr const char* name = "resample";
  struct Saved {
    int axis;
    Table table;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return resample(b.grad(), s.axis, std::make_shared<RowWeights>(s.table->transposed())); });
  }
  static Samples samples() {
    const auto table = [](int64_t n) {
      auto w = std::make_shared<RowWeights>();
      w->columns = n;
      for (int64_t i = 0; i < n; ++i) w->add(i, 0.5), w->add(n - 1, 2.0), w->end_row(), w->end_row();  // and an empty row
      return w;
    };
    return {sample("last axis", {sample_values({2, 3})}, [=](auto& x) { return resample(x[0], 1, table(x[0].dim(1))); }),
            sample("first axis", {sample_values({3, 4})}, [=](auto& x) { return resample(x[0], 0, table(x[0].dim(0))); })};
  }
};

}  // namespace

Tensor resample(const Tensor& x, int axis, const std::shared_ptr<const RowWeights>& table) {
  const Array from = x.array().contiguous();
  Shape shape = x.shape();
  shape[axis] = table->rows();
  Array y(shape, x.dtype());
  const AroundAxis in(x.shape(), axis);
  visit_real(x.dtype(), [&]<class T>() {
    const RowWeights& t = *table;
    const std::vector<T> weight(t.weight.begin(), t.weight.end());
    const T* source = from.data<T>();
    T* out = y.uninitialized<T>();
    const int64_t rows = t.rows();
    parallel_ranges(in.outer * rows, std::max<int64_t>(1, grain_elements / 4 / std::max<int64_t>(1, in.inner)),
                    [&](int64_t begin, int64_t end) {
                      int64_t o = begin / rows, r = begin % rows;
                      for (int64_t job = begin; job < end; ++job) {
                        T* to = out + job * in.inner;
                        std::fill_n(to, in.inner, T(0));
                        const auto first = static_cast<std::size_t>(t.start[static_cast<std::size_t>(r)]);
                        const auto last = static_cast<std::size_t>(t.start[static_cast<std::size_t>(r) + 1]);
                        for (std::size_t k = first; k < last; ++k) {
                          const T w = weight[k];
                          const T* row = source + (o * in.length + t.column[k]) * in.inner;
                          for (int64_t i = 0; i < in.inner; ++i) to[i] += w * row[i];
                        }
                        if (++r == rows) r = 0, ++o;
                      }
                    });
  });
  return primitive<Resample>(
      y,
      [&] {
        return Resample::Saved{axis, table};
      },
      x);
}

namespace {

// ---- tables ---------------------------------------------------------------------------------------------------------

/// The begin of window i of an adaptive pooling of n to m: floor(i n / m) up to ceil((i + 1) n / m).
int64_t window_begin(int64_t i, int64_t n, int64_t m) { return i * n / m; }
int64_t window_end(int64_t i, int64_t n, int64_t m) { return ((i + 1) * n + m - 1) / m; }

Table averages(int64_t n, int64_t m) {
  auto t = std::make_shared<RowWeights>();
  t->columns = n;
  for (int64_t i = 0; i < m; ++i, t->end_row()) {
    const int64_t begin = window_begin(i, n, m), end = window_end(i, n, m);
    for (int64_t k = begin; k < end; ++k) t->add(k, 1.0 / static_cast<double>(end - begin));
  }
  return t;
}

/// The cubic kernel. Keys, "Cubic convolution interpolation for digital image processing", 1981, with PyTorch's a = -3/4.
double cubic(double d) {
  constexpr double a = -0.75;
  d = std::fabs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/// The position of result i among n elements: corners on corners, or each pixel's middle at its proportion.
double place(int64_t i, int64_t n, int64_t m, bool align_corners) {
  if (align_corners) return m > 1 ? static_cast<double>(i) * static_cast<double>(n - 1) / static_cast<double>(m - 1) : 0;
  return (static_cast<double>(i) + 0.5) * static_cast<double>(n) / static_cast<double>(m) - 0.5;
}

Table interpolation(int64_t n, int64_t m, Interpolation mode, bool align_corners) {
  auto t = std::make_shared<RowWeights>();
  t->columns = n;
  for (int64_t i = 0; i < m; ++i, t->end_row()) {
    if (mode == Interpolation::nearest) {
      t->add(std::min(i * n / m, n - 1), 1);
      continue;
    }
    double at = place(i, n, m, align_corners);
    if (mode == Interpolation::bilinear) at = std::max(at, 0.0);
    const auto low = static_cast<int64_t>(std::floor(at));
    const double rest = at - static_cast<double>(low);
    if (mode == Interpolation::bilinear) {
      t->add(std::min(low, n - 1), 1 - rest);
      if (rest > 0) t->add(std::min(low + 1, n - 1), rest);
    } else {
      for (int64_t k = -1; k <= 2; ++k) t->add(std::clamp<int64_t>(low + k, 0, n - 1), cubic(rest - static_cast<double>(k)));
    }
  }
  return t;
}

// ---- composites -----------------------------------------------------------------------------------------------------

template <class Call> Samples sizes(Call call) {
  return {sample("larger", {sample_values({1, 2, 3, 4})}, [call](auto& x) { return call(x[0], Pair(7, 6)); }),
          sample("smaller", {sample_values({2, 1, 5, 6})}, [call](auto& x) { return call(x[0], Pair(2, 4)); }),
          sample("to one", {sample_values({1, 2, 3, 3})}, [call](auto& x) { return call(x[0], Pair(1)); }),
          sample("same size", {sample_values({1, 1, 3, 2})}, [call](auto& x) { return call(x[0], Pair(3, 2)); })};
}

struct Interpolate {
  static constexpr const char* name = "interpolate";
  static Samples samples() {
    Samples all;
    const auto add = [&all](const char* label, Interpolation mode, bool corners) {
      for (Sample& s : sizes([mode, corners](const Tensor&x, Pair p) { return interpolate(x, p, mode, corners); }))
        all.push_back({join(label, ", ", s.label), s.inputs, s.call});
    };
    add("nearest", Interpolation::nearest, false);
    add("bilinear", Interpolation::bilinear, false);
    add("bilinear on corners", Interpolation::bilinear, true);
    add("bicubic", Interpolation::bicubic, false);
    add("bicubic on corners", Interpolation::bicubic, true);
    return all;
  }
};

struct AdaptiveAvg {
  static constexpr const char* name = "adaptive_avg_pool2d";
  static Samples samples() { return sizes(adaptive_avg_pool2d); }
};

struct AdaptiveMax {
  static constexpr const char* name = "adaptive_max_pool2d";
  static Samples samples() { return sizes(adaptive_max_pool2d); }
};

[[maybe_unused]] const bool resize_composites = register_composites<Interpolate, AdaptiveAvg, AdaptiveMax>();

void check_resize(const char* op, const Tensor& x, Pair size) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  const Shape& s = x.shape();
  if (x.rank() != 4)
    throw ShapeError(op, join("the input must be [N,C,H,W], got ", describe(x)),
                     x.rank() == 3 ? join("x.reshape({1, ", s[0], ", ", s[1], ", ", s[2], "})") : "");
  if (size.h < 1 || size.w < 1)
    throw ShapeError(op, join("the result must be at least 1 by 1, got ", size.h, " by ", size.w));
  constexpr int64_t longest = int64_t(1) << 26;  // the tables have a few entries for each row and column
  if (size.h > longest || size.w > longest)
    throw ResourceError(
        op, join("a result of ", size.h, " by ", size.w, " was asked for; at most ", longest, " by ", longest, " is made"));
  if (s[2] < 1 || s[3] < 1)
    throw ShapeError(op, join("the images of ", describe(x), " are empty; they must be at least 1 by 1"));
}

}  // namespace

Tensor interpolate(const Tensor& x, Pair size, Interpolation mode, bool align_corners) {
  check_resize("interpolate", x, size);
  if (align_corners && mode == Interpolation::nearest)
    throw Error("interpolate",
                "align_corners has no meaning for nearest; it must be false, or the mode bilinear or bicubic");
  const Tensor y = resample(x, 2, interpolation(x.shape()[2], size.h, mode, align_corners));
  return resample(y, 3, interpolation(x.shape()[3], size.w, mode, align_corners));
}

Tensor adaptive_avg_pool2d(const Tensor& x, Pair size) {
  check_resize("adaptive_avg_pool2d", x, size);
  return resample(resample(x, 2, averages(x.shape()[2], size.h)), 3, averages(x.shape()[3], size.w));
}

Tensor adaptive_max_pool2d(const Tensor& x, Pair size) {
  check_resize("adaptive_max_pool2d", x, size);
  const int64_t planes = x.shape()[0] * x.shape()[1], h = x.shape()[2], w = x.shape()[3];
  Array indices({planes, size.h * size.w}, i64);
  const Array from = x.array().contiguous();
  visit_real(x.dtype(), [&]<class T>() {
    int64_t* out = indices.uninitialized<int64_t>();
    for (int64_t p = 0; p < planes; ++p)
      for (int64_t i = 0; i < size.h; ++i)
        for (int64_t j = 0; j < size.w; ++j) {
          const T* plane = from.data<T>() + p * h * w;
          int64_t best = window_begin(i, h, size.h) * w + window_begin(j, w, size.w);
          for (int64_t a = window_begin(i, h, size.h); a < window_end(i, h, size.h); ++a)
            for (int64_t b = window_begin(j, w, size.w); b < window_end(j, w, size.w); ++b)
              if (plane[a * w + b] > plane[best] || std::isnan(plane[a * w + b])) best = a * w + b;
          *out++ = best;
        }
  });
  return reshape(gather(reshape(x, {planes, h * w}), 1, Tensor(indices)), {x.shape()[0], x.shape()[1], size.h, size.w});
}

}  // namespace gradus
