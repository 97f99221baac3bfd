// Pooling ops, linear once the positions chosen by max_pool2d are known: each has its transpose as its backward pass.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>
#include <gradus/core/kernels/window.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

Shape with_plane(Shape s, int64_t h, int64_t w) {
  s[2] = h, s[3] = w;
  return s;
}

/// Values that are all different, so that a small step changes no choice. At most 101 elements.
Array distinct(const Shape& shape) {
  Array a(shape, f64);
  for (int64_t i = 0; i < a.size(); ++i) a.uninitialized<double>()[i] = static_cast<double>(i * 37 % 101) * 0.04 - 2;
  return a;
}

template <class Call> Samples windows(Call call, bool dilated) {
  struct Case {
    const char* label;
    Shape shape;
    Pair kernel;
    PoolOptions options;
  };
  std::vector<Case> cases = {{"2 by 2", {2, 2, 4, 6}, 2, {}},
                             {"2 by 2, odd sides", {1, 2, 5, 7}, 2, {}},
                             {"overlapping, padded", {2, 1, 5, 6}, 3, {.stride = 2, .padding = 1}},
                             {"not square", {1, 2, 5, 7}, {2, 3}, {.stride = {1, 2}, .padding = {1, 0}}},
                             {"windows with gaps", {1, 1, 7, 8}, 2, {.stride = 3}},
                             {"no images", {0, 2, 4, 4}, 2, {}}};
  if (dilated) cases.push_back({"dilated", {1, 2, 6, 6}, {2, 3}, {.stride = 1, .padding = 1, .dilation = 2}});
  Samples all;
  for (const Case& c : cases)
    all.push_back(
        sample(c.label, {distinct(c.shape)}, [call, k = c.kernel, o = c.options](auto& x) { return call(x[0], k, o); }));
  all.push_back(sample("transposed image", {distinct({1, 2, 4, 6})},
                       [call](auto& x) { return call(transpose(x[0], 2, 3), 2, PoolOptions{}); }));
  return all;
}

// ---- max ------------------------------------------------------------------------------------------------------------

Tensor unpool_max(const Tensor& dy, const PoolGeometry& g, const Array& where);

OpOptions window_options(const PoolGeometry& g) {
  const auto pair = [](int64_t h, int64_t w) { return std::vector<double>{double(h), double(w)}; };
  return {{"kernel", pair(g.kh, g.kw)},
          {"stride", pair(g.stride_h, g.stride_w)},
          {"padding", pair(g.pad_h, g.pad_w)},
          {"dilation", pair(g.dil_h, g.dil_w)}};
}

struct MaxPool {
  static constexpr const char* name = "max_pool2d";
  struct Saved {
    PoolGeometry g;
    Array where;
  };
  static OpOptions options(const Saved& s) { return window_options(s.g); }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return unpool_max(b.grad(), s.g, s.where); });
  }
  static Samples samples() { return windows(max_pool2d, true); }
};

/// Checks the shape that the backward pass relies on. Errors: ShapeError.
void check_pooled(const char* op, const Tensor& y, const PoolGeometry& g) {
  if (y.rank() != 4 || y.dim(0) * y.dim(1) != g.planes || y.dim(2) != g.out_h() || y.dim(3) != g.out_w())
    throw ShapeError(
        op, join("the gradient is ", describe(y), "; it must be ", g.planes, " planes of ", g.out_h(), " by ", g.out_w()));
}
/// A sample's geometry for a result of another size.
PoolGeometry for_result(PoolGeometry g, const Tensor& y) {
  if (y.rank() != 4) throw ShapeError("pooling", join("a result has four axes, got ", describe(y)));
  g.planes = y.dim(0) * y.dim(1);
  g.h = (y.dim(2) - 1) * g.stride_h + g.kh - 2 * g.pad_h;
  g.w = (y.dim(3) - 1) * g.stride_w + g.kw - 2 * g.pad_w;
  return g;
}

/// Calls f(where) with the positions in their own type.
template <class F> void visit_positions(const Array& where, F f) {
  if (where.dtype() == u8) f(where.data<std::uint8_t>());
  else f(where.data<int64_t>());
}

/// Adds every element to the position that its window chose.
struct MaxUnpool {
  static constexpr const char* name = "max_unpool2d";
  struct Saved {
    PoolGeometry g;
    Array where;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      Array indices({s.g.planes, s.g.out_h() * s.g.out_w()}, i64);
      visit_positions(s.where, [&](auto* where) { max_pool2d_places(s.g, where, indices.uninitialized<int64_t>()); });
      const Tensor nowhere = Tensor(indices.copy()) < Tensor(Array::zeros({}, i64));
      std::replace(indices.uninitialized<int64_t>(), indices.uninitialized<int64_t>() + indices.size(), int64_t(-1),
                   int64_t(0));
      const Tensor there = gather(reshape(b.grad(), {s.g.planes, s.g.h * s.g.w}), 1, Tensor(indices));
      return reshape(where(nowhere, Tensor(0.0), there), s.where.shape());
    });
  }
  static Samples samples() {
    return {sample("indices chosen twice", {sample_values({1, 2, 2, 3})}, [](auto& x) {
      const PoolGeometry g = for_result({.planes = 2, .h = 3, .w = 4, .kh = 2, .kw = 2}, x[0]);
      Array where(x[0].shape(), u8);
      for (int64_t i = 0; i < where.size(); ++i)
        where.uninitialized<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * i % 4);
      return unpool_max(x[0], g, where);
    })};
  }
};

Tensor unpool_max(const Tensor& dy, const PoolGeometry& g, const Array& where) {
  check_pooled("max_unpool2d", dy, g);
  const Array from = dy.array().contiguous();
  Array dx(with_plane(dy.shape(), g.h, g.w), dy.dtype());
  visit_real(dy.dtype(), [&]<class T>() {
    visit_positions(where,
                    [&](auto* positions) { max_pool2d_backward(g, from.data<T>(), positions, dx.uninitialized<T>()); });
  });
  return primitive<MaxUnpool>(
      dx,
      [&] {
        return MaxUnpool::Saved{g, where};
      },
      dy);
}

// ---- average --------------------------------------------------------------------------------------------------------

Tensor average(const Tensor& x, const PoolGeometry& g);
Tensor unaverage(const Tensor& dy, const PoolGeometry& g);

struct AvgPool {
  static constexpr const char* name = "avg_pool2d";
  struct Saved {
    PoolGeometry g;
  };
  static OpOptions options(const Saved& s) { return window_options(s.g); }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return unaverage(b.grad(), s.g); });
  }
  static Samples samples() { return windows(avg_pool2d, false); }
};

struct AvgUnpool {
  static constexpr const char* name = "avg_unpool2d";
  struct Saved {
    PoolGeometry g;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return average(b.grad(), s.g); });
  }
  static Samples samples() {
    const PoolGeometry g{.planes = 2, .h = 4, .w = 5, .kh = 3, .kw = 2, .stride_w = 2, .pad_h = 1};
    return {
        sample("overlapping", {sample_values({1, 2, 4, 2})}, [g](auto& x) { return unaverage(x[0], for_result(g, x[0])); })};
  }
};

Tensor average(const Tensor& x, const PoolGeometry& g) {
  const Array in = x.array().contiguous();
  Array y(with_plane(x.shape(), g.out_h(), g.out_w()), x.dtype());
  visit_real(x.dtype(), [&]<class T>() { avg_pool2d_forward<T>(g, true, in.data<T>(), y.uninitialized<T>()); });
  return primitive<AvgPool>(
      y, [&] { return AvgPool::Saved{g}; }, x);
}

Tensor unaverage(const Tensor& dy, const PoolGeometry& g) {
  check_pooled("avg_unpool2d", dy, g);
  const Array from = dy.array().contiguous();
  Array dx(with_plane(dy.shape(), g.h, g.w), dy.dtype());
  visit_real(dy.dtype(), [&]<class T>() { avg_pool2d_backward<T>(g, true, from.data<T>(), dx.uninitialized<T>()); });
  return primitive<AvgUnpool>(
      dx, [&] { return AvgUnpool::Saved{g}; }, dy);
}

// ---- checks ---------------------------------------------------------------------------------------------------------

std::string by(Pair p) { return join(p.h, " by ", p.w); }

/// The geometry of checked options. Errors: DtypeError, ShapeError naming `op`.
PoolGeometry window_geometry(const char* op, const Tensor& x, Pair kernel, const PoolOptions& o) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  const Shape& s = x.shape();
  if (x.rank() != 4)
    throw ShapeError(op, join("the input must be [N,C,H,W], got ", describe(x)),
                     x.rank() == 3 ? join("x.reshape({1, ", s[0], ", ", s[1], ", ", s[2], "})") : "");
  check_option(op, "kernel", kernel, 1), check_option(op, "stride", o.stride, 0),
      check_option(op, "dilation", o.dilation, 1);
  if (o.padding.h < 0 || o.padding.w < 0 || o.padding.h > kernel.h / 2 || o.padding.w > kernel.w / 2)
    throw ShapeError(op, join("the padding is ", by(o.padding), "; for a kernel of ", by(kernel),
                              " it must lie between 0 and half the kernel, ", by({kernel.h / 2, kernel.w / 2})));
  const PoolGeometry g{.planes = s[0] * s[1],
                       .h = s[2],
                       .w = s[3],
                       .kh = kernel.h,
                       .kw = kernel.w,
                       .stride_h = o.stride.h ? o.stride.h : kernel.h,
                       .stride_w = o.stride.w ? o.stride.w : kernel.w,
                       .pad_h = o.padding.h,
                       .pad_w = o.padding.w,
                       .dil_h = o.dilation.h,
                       .dil_w = o.dilation.w};
  if (!Window1d{g.kh, g.stride_h, g.pad_h, g.dil_h}.fits(g.h) || !Window1d{g.kw, g.stride_w, g.pad_w, g.dil_w}.fits(g.w))
    throw ShapeError(op, join("the window of ", by(kernel), " (dilation ", by(o.dilation), ") is larger than the input ",
                              describe(x), " with its padding ", by(o.padding)));
  if (g.rows().count() > largest_option / std::max<int64_t>(1, g.columns().count()))
    throw ResourceError(
        op, join("a window of ", by(kernel), " on ", describe(x), " has more than ", largest_option, " elements"));
  return g;
}

/// With ceil_mode, how far the last window of `length` elements reaches over end and padding; it must begin before.
int64_t beyond(int64_t length, const Window1d& w) {
  const int64_t whole = length + 2 * w.padding - w.dilation * (w.kernel - 1) - 1;
  int64_t count = (whole + w.stride - 1) / w.stride + 1;
  if ((count - 1) * w.stride >= length + w.padding) --count;
  return std::max<int64_t>(0, (count - 1) * w.stride - whole);
}

/// x extended behind its ends as far as windows of ceil_mode reach.
Tensor with_ends(const Tensor& x, const PoolGeometry& g, double value) {
  const int64_t h = beyond(g.h, {g.kh, g.stride_h, g.pad_h, g.dil_h}), w = beyond(g.w, {g.kw, g.stride_w, g.pad_w, g.dil_w});
  return h + w == 0 ? x : pad(x, {0, w, 0, h}, Padding::constant, value);
}

/// For each of `count` windows, the number of its elements before the end of the padding.
std::vector<double> counts_before_end(int64_t count, int64_t length, const Window1d& w) {
  std::vector<double> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(static_cast<double>(std::min(i * w.stride + w.kernel, length + 2 * w.padding) - i * w.stride));
  return all;
}

/// Averages over the elements before the end, where `average` has divided by the whole kernel.
Tensor average_before_end(const Tensor& x, const PoolGeometry& g, Pair kernel, PoolOptions o) {
  o.ceil_mode = false;
  const Tensor y = avg_pool2d(with_ends(x, g, 0), kernel, o);
  const int64_t h = y.dim(2), w = y.dim(3);
  const Tensor rows = tensor({h, 1}, counts_before_end(h, g.h, {g.kh, g.stride_h, g.pad_h, g.dil_h})).to(x.dtype());
  const Tensor columns = tensor({1, w}, counts_before_end(w, g.w, {g.kw, g.stride_w, g.pad_w, g.dil_w})).to(x.dtype());
  return y * (static_cast<double>(kernel.h * kernel.w) / (rows * columns));
}

}  // namespace

Tensor max_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options) {
  if (options.ceil_mode) {
    PoolOptions whole = options;
    whole.ceil_mode = false;
    const double lowest = -std::numeric_limits<double>::infinity();
    return max_pool2d(with_ends(x, window_geometry("max_pool2d", x, kernel, options), lowest), kernel, whole);
  }
  const PoolGeometry g = window_geometry("max_pool2d", x, kernel, options);
  const Array in = x.array().contiguous();
  const Shape shape = with_plane(x.shape(), g.out_h(), g.out_w());
  Array y(shape, x.dtype());
  const bool bytes = fits_a_byte(g);
  Array where = recorded(x) ? Array(shape, bytes ? u8 : i64) : Array();
  visit_real(x.dtype(), [&]<class T>() {
    const auto run = [&](auto* positions) { max_pool2d_forward(g, in.data<T>(), y.uninitialized<T>(), positions); };
    if (bytes) run(where.defined() ? where.uninitialized<std::uint8_t>() : nullptr);
    else run(where.defined() ? where.uninitialized<int64_t>() : nullptr);
  });
  return primitive<MaxPool>(
      y,
      [&] {
        return MaxPool::Saved{g, where};
      },
      x);
}

Tensor avg_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options) {
  const PoolGeometry g = window_geometry("avg_pool2d", x, kernel, options);
  if (options.dilation.h != 1 || options.dilation.w != 1)
    throw ShapeError("avg_pool2d",
                     join("the dilation is ", by(options.dilation), "; only max_pool2d has one, here it must be 1"));
  if (options.ceil_mode) return average_before_end(x, g, kernel, options);
  return average(x, g);
}

}  // namespace gradus
