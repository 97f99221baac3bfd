// Patches of images as columns (im2col), and columns added back to images (col2im): each is the other's gradient.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>

namespace gradus {
namespace {

/// The geometry of windows over the planes of an image.
struct Patches {
  int64_t images, channels, h, w;
  Pair kernel;
  UnfoldOptions options;

  Window1d down() const { return {kernel.h, options.stride.h, options.padding.h, options.dilation.h}; }
  Window1d across() const { return {kernel.w, options.stride.w, options.padding.w, options.dilation.w}; }
  Shape image_shape() const { return {images, channels, h, w}; }
  Shape column_shape() const { return {images, channels * kernel.h * kernel.w, down().results(h) * across().results(w)}; }
  OpOptions to_options() const {
    const auto pair = [](Pair p) { return std::vector<double>{double(p.h), double(p.w)}; };
    return {{"kernel", pair(kernel)},
            {"stride", pair(options.stride)},
            {"padding", pair(options.padding)},
            {"dilation", pair(options.dilation)}};
  }
};

/// Calls f(index in the image, index among the columns) for every element of a window outside the padding, plane by plane,
/// so that each plane belongs to one thread.
template <class F> void each_patch_number(const Patches& p, F f) {
  const int64_t out_h = p.down().results(p.h), out_w = p.across().results(p.w), positions = p.kernel.h * p.kernel.w;
  const int64_t work = std::max<int64_t>(1, positions * out_h * out_w);
  parallel_ranges(p.images * p.channels, std::max<int64_t>(1, grain_elements / work), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t k = 0; k < positions; ++k)
        for (int64_t i = 0; i < out_h; ++i) {
          const int64_t y = i * p.options.stride.h - p.options.padding.h + k / p.kernel.w * p.options.dilation.h;
          if (y < 0 || y >= p.h) continue;
          const int64_t row = (plane * p.h + y) * p.w, to = ((plane * positions + k) * out_h + i) * out_w;
          int64_t x = k % p.kernel.w * p.options.dilation.w - p.options.padding.w;
          for (int64_t j = 0; j < out_w; ++j, x += p.options.stride.w)
            if (x >= 0 && x < p.w) f(row + x, to + j);
        }
  });
}

Tensor unfolded(const Tensor& x, const Patches& p);
Tensor folded(const Tensor& columns, const Patches& p);

struct Unfold {
  static constexpr const char* name = "unfold";
  using Saved = Patches;
  static OpOptions options(const Saved& s) { return s.to_options(); }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return folded(b.grad(), s); });
  }
  static Samples samples() {
    return {sample("2 by 2", {sample_values({2, 2, 3, 4})}, [](auto& x) { return unfold(x[0], 2); }),
            sample("all options", {sample_values({1, 2, 5, 6})},
                   [](auto& x) {
                     return unfold(x[0], {2, 3}, {.dilation = {2, 1}, .padding = {1, 2}, .stride = {1, 3}});
                   }),
            sample("transposed", {sample_values({1, 1, 3, 4})}, [](auto& x) { return unfold(transpose(x[0], 2, 3), 2); })};
  }
};

struct Fold {
  static constexpr const char* name = "fold";
  using Saved = Patches;
  static OpOptions options(const Saved& s) { return s.to_options(); }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return unfolded(b.grad(), s); });
  }
  static Samples samples() {
    return {sample("2 by 2", {sample_values({2, 8, 6})},
                   [](auto& x) {
                     return fold(x[0], {3, 4}, 2);
                   }),
            sample("all options", {sample_values({1, 6, 15})}, [](auto& x) {
              return fold(x[0], {5, 6}, {2, 3}, {.dilation = {2, 1}, .padding = {1, 2}, .stride = {1, 3}});
            })};
  }
};

Tensor unfolded(const Tensor& x, const Patches& p) {
  const Array from = x.array().contiguous();
  Array y = Array::zeros(p.column_shape(), x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    each_patch_number(p, [=](int64_t at, int64_t to) { out[to] = in[at]; });
  });
  return primitive<Unfold>(
      y, [&] { return p; }, x);
}

Tensor folded(const Tensor& columns, const Patches& p) {
  const Array from = columns.array().contiguous();
  Array y = Array::zeros(p.image_shape(), columns.dtype());
  visit_real(columns.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    each_patch_number(p, [=](int64_t at, int64_t to) { out[at] += in[to]; });
  });
  return primitive<Fold>(
      y, [&] { return p; }, columns);
}

void check_patches(const char* op, const Patches& p) {
  const UnfoldOptions& o = p.options;
  check_option(op, "kernel", p.kernel, 1), check_option(op, "stride", o.stride, 1);
  check_option(op, "padding", o.padding, 0), check_option(op, "dilation", o.dilation, 1);
  if (!p.down().fits(p.h) || !p.across().fits(p.w))
    throw ShapeError(
        op, join("the window of ", text_of(p.kernel), " (dilation ", text_of(o.dilation), ") is larger than the image of ",
                 text_of({p.h, p.w}), " with its padding ", text_of(o.padding)));
  const int64_t windows = gradus::product(op, p.down().results(p.h), p.across().results(p.w));
  (void)gradus::product(
      op, gradus::product(op, gradus::product(op, p.kernel.h, p.kernel.w), std::max<int64_t>(1, p.images * p.channels)),
      windows);
}

}  // namespace

Tensor unfold(const Tensor& x, Pair kernel, const UnfoldOptions& options) {
  if (!is_real(x.dtype())) throw_dtype("unfold", x);
  if (x.rank() != 4) throw ShapeError("unfold", join("the input must be [N,C,H,W], got ", describe(x)));
  const Patches p{x.dim(0), x.dim(1), x.dim(2), x.dim(3), kernel, options};
  check_patches("unfold", p);
  return unfolded(x, p);
}

Tensor fold(const Tensor& x, Pair size, Pair kernel, const UnfoldOptions& options) {
  if (!is_real(x.dtype())) throw_dtype("fold", x);
  if (x.rank() != 3) throw ShapeError("fold", join("the input must be [N, C KH KW, L], got ", describe(x)));
  check_option("fold", "size", size, 1);
  Patches p{x.dim(0), 1, size.h, size.w, kernel, options};
  check_patches("fold", p);
  const int64_t positions = kernel.h * kernel.w;
  p.channels = x.dim(1) / positions;
  if (!(x.shape() == p.column_shape()))
    throw ShapeError("fold", join("the input is ", describe(x), "; axis 1 must be a multiple of the kernel's ", positions,
                                  " elements, axis 2 ", p.column_shape()[2], ", one for each window over ", text_of(size)));
  (void)product("fold", product("fold", size.h, size.w), std::max<int64_t>(1, p.images * p.channels));
  return folded(x, p);
}

}  // namespace gradus
