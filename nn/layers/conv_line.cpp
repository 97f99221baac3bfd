#include <gradus/nn/layers/conv_line.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

void check_channel_counts(const char* layer, int64_t in, int64_t out, int64_t groups) {
  check_positive(layer, "in_channels", in);
  check_positive(layer, "out_channels", out);
  check_positive(layer, "groups", groups);
  if (in % groups != 0 || out % groups != 0)
    throw ShapeError(layer, join(in, " input and ", out, " output channels do not divide into ", groups, " groups"));
}

/// ", padding 1", or nothing where that is the usual value.
std::string if_not(int64_t usual, const char* name, Pair value) {
  return is(value, usual) ? "" : join(", ", name, " ", code(value));
}

template <class Layer>
std::string conv_text(const Layer& layer, const std::string& kernel, Pair stride, Pair padding, Pair output_padding,
                      Pair dilation) {
  return join(layer.type_name(), "(", layer.in_channels, " -> ", layer.out_channels, ", ", kernel,
              if_not(1, "stride", stride), if_not(0, "padding", padding), if_not(0, "output_padding", output_padding),
              if_not(1, "dilation", dilation), layer.options.groups == 1 ? "" : join(", groups ", layer.options.groups),
              layer.bias.defined() ? ")" : ", no bias)");
}

}  // namespace

Conv1d::Conv1d(int64_t in, int64_t out, int64_t size, Conv1dOptions o)
    : in_channels(in), out_channels(out), kernel(size), options(o) {
  check_channel_counts("Conv1d", in, out, o.groups);
  check_positive("Conv1d", "the kernel", size);
  if (o.padding.same && o.stride != 1)
    throw ShapeError("Conv1d", join("padding \"same\" needs a stride of 1, got ", o.stride));
  const int64_t fan_in = in / o.groups * size;
  weight = Parameter(init::fan_in_uniform({out, in / o.groups, size}, fan_in));
  if (o.bias) bias = Parameter(init::fan_in_uniform({out}, fan_in));
}

Tensor Conv1d::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  const int64_t zeros = options.dilation * (kernel - 1);  // that leave the length as it is
  int64_t padding = options.padding.w;
  Tensor lines = x.rank() == 2 ? unsqueeze(x, 0) : x;
  try {
    if (options.padding.same && lines.rank() == 3) padding = zeros / 2, lines = pad(lines, {0, zeros % 2});
    const Tensor y = conv1d(lines, weight, bias, {options.stride, padding, options.dilation, options.groups});
    return x.rank() == 2 ? squeeze(y, 0) : y;
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string Conv1d::description() const {
  std::string text = conv_text(*this, join(kernel), options.stride, options.padding, 0, options.dilation);
  if (options.padding.same) text.insert(text.size() - 1, ", padding same");
  return text;
}

ConvTranspose1d::ConvTranspose1d(int64_t in, int64_t out, int64_t size, ConvTranspose1dOptions o)
    : in_channels(in), out_channels(out), kernel(size), options(o) {
  check_channel_counts("ConvTranspose1d", in, out, o.groups);
  check_positive("ConvTranspose1d", "the kernel", size);
  const int64_t fan_in = out / o.groups * size;
  weight = Parameter(init::fan_in_uniform({in, out / o.groups, size}, fan_in));
  if (o.bias) bias = Parameter(init::fan_in_uniform({out}, fan_in));
}

Tensor ConvTranspose1d::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  try {
    const Tensor y =
        conv_transpose1d(x.rank() == 2 ? unsqueeze(x, 0) : x, weight, bias,
                         {options.stride, options.padding, options.output_padding, options.dilation, options.groups});
    return x.rank() == 2 ? squeeze(y, 0) : y;
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string ConvTranspose1d::description() const {
  return conv_text(*this, join(kernel), options.stride, options.padding, options.output_padding, options.dilation);
}

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, Pair size, ConvTranspose2dOptions o)
    : in_channels(in), out_channels(out), kernel(size), options(o) {
  check_channel_counts("ConvTranspose2d", in, out, o.groups);
  check_positive("ConvTranspose2d", "the kernel's height", size.h);
  check_positive("ConvTranspose2d", "the kernel's width", size.w);
  const int64_t fan_in = out / o.groups * size.h * size.w;
  weight = Parameter(init::fan_in_uniform({in, out / o.groups, size.h, size.w}, fan_in));
  if (o.bias) bias = Parameter(init::fan_in_uniform({out}, fan_in));
}

Tensor ConvTranspose2d::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  try {
    const Tensor y =
        conv_transpose2d(x.rank() == 3 ? unsqueeze(x, 0) : x, weight, bias,
                         {options.stride, options.padding, options.output_padding, options.dilation, options.groups});
    return x.rank() == 3 ? squeeze(y, 0) : y;
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string ConvTranspose2d::description() const {
  return conv_text(*this, by(kernel), options.stride, options.padding, options.output_padding, options.dilation);
}

}  // namespace gradus::nn
