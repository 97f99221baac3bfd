// Transposed convolutions, which are the gradient of a convolution to its input, and both kinds along one axis, as images
// one pixel high.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/convolution.h>
#include <gradus/autograd/ops/internal/operands.h>
#include <gradus/autograd/ops/internal/sizes.h>

namespace gradus {
namespace {

/// y [N,C,..] + bias [C]. An op of its own, because its gradient is summed over the dense one, in one order.
struct AddBias {
  static constexpr const char* name = "add_bias";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] { return b.grad(); });
    b.accumulate(1, [&] { return sum(contiguous(b.grad()), {0, 2, 3}); });
  }
  static Samples samples();
};

Tensor add_bias(const Tensor& y, const Tensor& bias) {
  if (y.rank() != 4 || !(bias.shape() == Shape{y.shape()[1]}))
    throw ShapeError("add_bias",
                     join("y is ", describe(y), ", the bias ", describe(bias), "; they must be [N,C,H,W] and [C]"));
  const Array spread = bias.array().reshape({1, bias.size(), 1, 1}).expand(y.shape());
  return primitive<AddBias>(
      map([](auto a, auto b) { return a + b; }, y.array(), spread), [] { return AddBias::Saved{}; }, y, bias);
}

Samples AddBias::samples() {
  return {
      sample("images", {sample_values({2, 3, 2, 4}), sample_values({3}, -2, 2, 2)},
             [](auto& x) { return add_bias(x[0], x[1]); }),
      sample("no images", {sample_values({0, 3, 2, 2}), sample_values({3})}, [](auto& x) { return add_bias(x[0], x[1]); })};
}

struct Conv1d {
  static constexpr const char* name = "conv1d";
  static Samples samples() {
    const Array w = sample_values({4, 2, 3}, -2, 2, 2), bias = sample_values({4}, -2, 2, 3);
    return {
        sample("with bias", {sample_values({2, 2, 7}), w, bias}, [](auto& x) { return conv1d(x[0], x[1], x[2]); }),
        sample("strided, padded", {sample_values({1, 2, 8}), w},
               [](auto& x) { return conv1d(x[0], x[1], {}, {.stride = 2, .padding = 1}); }),
        sample("dilated", {sample_values({1, 2, 9}), w},
               [](auto& x) { return conv1d(x[0], x[1], {}, {.padding = 2, .dilation = 3}); }),
        sample("two groups", {sample_values({2, 4, 5}), w}, [](auto& x) { return conv1d(x[0], x[1], {}, {.groups = 2}); })};
  }
};

struct ConvTranspose1d {
  static constexpr const char* name = "conv_transpose1d";
  static Samples samples() {
    const Array w = sample_values({2, 3, 3}, -2, 2, 2), bias = sample_values({3}, -2, 2, 3);
    return {
        sample("with bias", {sample_values({2, 2, 5}), w, bias}, [](auto& x) { return conv_transpose1d(x[0], x[1], x[2]); }),
        sample("strided", {sample_values({1, 2, 4}), w},
               [](auto& x) { return conv_transpose1d(x[0], x[1], {}, {.stride = 2, .padding = 1, .output_padding = 1}); })};
  }
};

struct ConvTranspose2d {
  static constexpr const char* name = "conv_transpose2d";
  static Samples samples() {
    const Array w = sample_values({2, 3, 3, 2}, -2, 2, 2), bias = sample_values({3}, -2, 2, 3);
    return {
        sample("with bias", {sample_values({2, 2, 3, 4}), w, bias},
               [](auto& x) { return conv_transpose2d(x[0], x[1], x[2]); }),
        sample("strided, padded", {sample_values({1, 2, 3, 2}), w},
               [](auto& x) {
                 return conv_transpose2d(x[0], x[1], {}, {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}});
               }),
        sample("dilated", {sample_values({1, 2, 3, 3}), w},
               [](auto& x) {
                 return conv_transpose2d(x[0], x[1], {}, {.dilation = {2, 3}});
               }),
        sample("two groups", {sample_values({1, 4, 3, 3}), sample_values({4, 2, 2, 2}, -2, 2, 2), sample_values({4})},
               [](auto& x) { return conv_transpose2d(x[0], x[1], x[2], {.stride = 2, .groups = 2}); })};
  }
};

[[maybe_unused]] const bool transposed_conv_composites = register_composites<Conv1d, ConvTranspose1d, ConvTranspose2d>();

void check_dtypes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  check_same_dtype(op, x, "weight", weight);
  check_same_dtype(op, x, "bias", bias);
}

void check_bias(const char* op, const Tensor& bias, int64_t channels, const Tensor& weight) {
  if (bias.defined() && !(bias.shape() == Shape{channels}))
    throw ShapeError(op, join("the bias is ", describe(bias), ", it must be [", channels,
                              "], one for each output channel of ", describe(weight)));
}

/// [N,C,L] as an image [N,C,1,L], and back.
Tensor as_image(const Tensor& x) { return unsqueeze(x, 2); }
Tensor as_text(const Tensor& x) { return squeeze(x, 2); }

void check_line(const char* op, const char* weight_axes, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_dtypes(op, x, weight, bias);
  if (x.rank() != 3)
    throw ShapeError(op, join("the input must be [N,C,L], got ", describe(x)),
                     x.rank() == 2 ? join("x.reshape({1, ", x.shape()[0], ", ", x.shape()[1], "})") : "");
  if (weight.rank() != 3 || weight.size() == 0)
    throw ShapeError(op, join("the weight must be ", weight_axes, " with no length 0, got ", describe(weight)));
}

void check_transposed(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const ConvTransposeOptions& o) {
  check_option(op, "kernel", {weight.shape()[2], weight.shape()[3]}, 1), check_option(op, "stride", o.stride, 1);
  check_option(op, "padding", o.padding, 0), check_option(op, "dilation", o.dilation, 1);
  check_option(op, "number of groups", o.groups, 1), check_option(op, "output_padding", o.output_padding, 0);
  if (weight.shape()[0] % o.groups != 0)
    throw ShapeError(op, join("the weight's ", weight.shape()[0], " input channels cannot be shared out among ", o.groups,
                              " groups: weight ", describe(weight)));
  if (x.shape()[1] != weight.shape()[0])
    throw ShapeError(op, join("the input has ", x.shape()[1], " channels (axis 1), the weight wants ", weight.shape()[0],
                              " (its axis 0): input ", describe(x), ", weight ", describe(weight)));
  if (o.output_padding.h >= std::max(o.stride.h, o.dilation.h) || o.output_padding.w >= std::max(o.stride.w, o.dilation.w))
    throw ShapeError(op, join("output_padding is ", o.output_padding.h, " by ", o.output_padding.w,
                              "; it must be smaller than the stride (", o.stride.h, " by ", o.stride.w,
                              ") or the dilation (", o.dilation.h, " by ", o.dilation.w, ")"));
  check_bias(op, bias, weight.shape()[1] * o.groups, weight);
}

Tensor transposed(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeOptions& o) {
  check_transposed(op, x, weight, bias, o);
  const Shape &s = x.shape(), &k = weight.shape();
  const Window1d rows{k[2], o.stride.h, o.padding.h, o.dilation.h}, columns{k[3], o.stride.w, o.padding.w, o.dilation.w};
  const int64_t h = rows.transposed(op, s[2], o.output_padding.h), w = columns.transposed(op, s[3], o.output_padding.w);
  // A whole stride of output_padding is one more row of zeros in the input.
  const int64_t zero_rows = o.output_padding.h / o.stride.h, zero_columns = o.output_padding.w / o.stride.w;
  const Tensor dy = zero_rows + zero_columns > 0 ? pad(x, {0, zero_columns, 0, zero_rows}) : x;
  const Conv2dGeometry g{.n = s[0],
                         .c_in = k[1] * o.groups,
                         .h = h,
                         .w = w,
                         .c_out = s[1],
                         .kh = k[2],
                         .kw = k[3],
                         .stride_h = o.stride.h,
                         .stride_w = o.stride.w,
                         .pad_h = o.padding.h,
                         .pad_w = o.padding.w,
                         .dil_h = o.dilation.h,
                         .dil_w = o.dilation.w,
                         .groups = o.groups};
  const Tensor y = convolution::conv2d_input(dy, weight, g);
  return bias.defined() ? add_bias(y, bias) : y;
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& o) {
  check_line("conv1d", "[O,C/groups,K]", x, weight, bias);
  check_option("conv1d", "kernel", weight.shape()[2], 1), check_option("conv1d", "stride", o.stride, 1);
  check_option("conv1d", "padding", o.padding, 0), check_option("conv1d", "dilation", o.dilation, 1);
  check_option("conv1d", "number of groups", o.groups, 1);
  const Shape &s = x.shape(), &k = weight.shape();
  if (k[0] % o.groups != 0)
    throw ShapeError("conv1d", join("the weight's ", k[0], " output channels cannot be shared out among ", o.groups,
                                    " groups: weight ", describe(weight)));
  if (s[1] != k[1] * o.groups)
    throw ShapeError("conv1d",
                     join("the input has ", s[1], " channels (axis 1), the weight wants ", k[1] * o.groups, ": input ",
                          describe(x), ", weight ", describe(weight), "; the layout is [N,C,L]"),
                     s[2] == k[1] * o.groups ? "transpose(x, 1, 2)" : "");
  check_bias("conv1d", bias, k[0], weight);
  const Window1d window{k[2], o.stride, o.padding, o.dilation};
  if (!window.fits(s[2]))
    throw ShapeError("conv1d",
                     join("the kernel is longer than the padded input: kernel ", k[2], ", dilation ", o.dilation,
                          ", padding ", o.padding, " on ", describe(x)),
                     join(".padding = ", (window.extent() - s[2] + 1) / 2, ", or a smaller kernel"));
  const Conv2dGeometry g{.n = s[0],
                         .c_in = s[1],
                         .h = 1,
                         .w = s[2],
                         .c_out = k[0],
                         .kh = 1,
                         .kw = k[2],
                         .stride_w = o.stride,
                         .pad_w = o.padding,
                         .dil_w = o.dilation,
                         .groups = o.groups};
  return as_text(convolution::correlate(as_image(x), as_image(weight), bias, g));
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose1dOptions& o) {
  check_line("conv_transpose1d", "[C,O/groups,K]", x, weight, bias);
  if (x.shape()[2] < 1)
    throw ShapeError("conv_transpose1d", join("the lines of ", describe(x), " are empty; they must be at least 1 long"));
  return as_text(transposed("conv_transpose1d", as_image(x), as_image(weight), bias,
                            {.stride = {1, o.stride},
                             .padding = {0, o.padding},
                             .output_padding = {0, o.output_padding},
                             .dilation = {1, o.dilation},
                             .groups = o.groups}));
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeOptions& options) {
  check_dtypes("conv_transpose2d", x, weight, bias);
  const Shape& s = x.shape();
  if (x.rank() != 4)
    throw ShapeError("conv_transpose2d", join("the input must be [N,C,H,W], got ", describe(x)),
                     x.rank() == 3 ? join("x.reshape({1, ", s[0], ", ", s[1], ", ", s[2], "})") : "");
  if (weight.rank() != 4 || weight.size() == 0)
    throw ShapeError("conv_transpose2d",
                     join("the weight must be [C,O/groups,KH,KW] with no length 0, got ", describe(weight)));
  if (s[2] < 1 || s[3] < 1)
    throw ShapeError("conv_transpose2d", join("the images of ", describe(x), " are empty; they must be at least 1 by 1"));
  return transposed("conv_transpose2d", x, weight, bias, options);
}

}  // namespace gradus
