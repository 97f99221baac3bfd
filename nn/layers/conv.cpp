#include <gradus/nn/layers/conv.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

#include <string_view>

namespace gradus::nn {
namespace {

/// "Conv2d(3, 8, {3, 5}, {.stride = 2, .bias = false})": the layer for another number of channels, as one writes it.
std::string code_for(const Conv2d& layer, int64_t channels) {
  const Conv2dOptions& o = layer.options;
  std::string list;
  const auto add = [&list](const char* name, const std::string& value) {
    list += join(list.empty() ? "." : ", .", name, " = ", value);
  };
  if (!is(o.stride, 1)) add("stride", code(o.stride));
  if (o.padding.same) add("padding", "\"same\"");
  else if (!is(o.padding, 0)) add("padding", code(o.padding));
  if (!is(o.dilation, 1)) add("dilation", code(o.dilation));
  if (!layer.bias.defined()) add("bias", "false");
  if (!list.empty()) list = ", {" + list + "}";
  return join("Conv2d(", channels, ", ", layer.out_channels, ", ", code(layer.kernel), list, ")");
}

/// A line that would work where only the number of channels is wrong, else "".
std::string channels_hint(const Conv2d& layer, const Shape& x) {
  if (x.rank() != 4 || x[1] == layer.in_channels || x[1] < 1 || layer.options.groups != 1) return "";
  const Conv2dOptions& o = layer.options;
  const bool fits_h = o.dilation.h * (layer.kernel.h - 1) < x[2] + 2 * o.padding.h;
  const bool fits_w = o.dilation.w * (layer.kernel.w - 1) < x[3] + 2 * o.padding.w;
  return fits_h && fits_w ? code_for(layer, x[1]) : "";
}

/// ", padding 1", or nothing where that is the usual value.
std::string unless(int64_t usual, const char* name, Pair value) {
  return is(value, usual) ? "" : join(", ", name, " ", code(value));
}

std::string pool_description(const char* type, Pair kernel, const PoolOptions& o) {
  return join(type, "(", by(kernel), unless(0, "stride", o.stride), unless(0, "padding", o.padding),
              unless(1, "dilation", o.dilation), o.ceil_mode ? ", ceil_mode)" : ")");
}

void check_kernel(const char* layer, Pair kernel) {
  check_positive(layer, "the kernel's height", kernel.h);
  check_positive(layer, "the kernel's width", kernel.w);
}

}  // namespace

ConvPadding::ConvPadding(const char* text) : Pair(0), same(std::string_view(text) == "same") {
  if (!same && std::string_view(text) != "valid")
    throw ShapeError("padding", join("must be \"same\", \"valid\" or numbers, got \"", text, "\""));
}

namespace {

/// How a convolution with padding "same" pads x itself, of an odd number of zeros the last one.
struct SamePadding {
  Pair each, extra;
  SamePadding(Pair kernel, Pair dilation)
      : each(dilation.h * (kernel.h - 1) / 2, dilation.w * (kernel.w - 1) / 2),
        extra(dilation.h * (kernel.h - 1) % 2, dilation.w * (kernel.w - 1) % 2) {}
  Tensor ends(const Tensor& x) const { return extra.h + extra.w == 0 ? x : pad(x, {0, extra.w, 0, extra.h}); }
};

}  // namespace

Conv2d::Conv2d(int64_t in, int64_t out, Pair size, Conv2dOptions o)
    : in_channels(in), out_channels(out), kernel(size), options(o) {
  check_positive("Conv2d", "in_channels", in);
  check_positive("Conv2d", "out_channels", out);
  check_positive("Conv2d", "groups", o.groups);
  check_kernel("Conv2d", kernel);
  if (in % o.groups != 0 || out % o.groups != 0)
    throw ShapeError("Conv2d", join(in, " input and ", out, " output channels do not divide into ", o.groups, " groups"));
  if (o.padding.same && !is(o.stride, 1))
    throw ShapeError("Conv2d", join("padding \"same\" needs a stride of 1, got ", code(o.stride)));
  const int64_t fan_in = in / o.groups * kernel.h * kernel.w;
  weight = Parameter(init::fan_in_uniform({out, in / o.groups, kernel.h, kernel.w}, fan_in));
  if (o.bias) bias = Parameter(init::fan_in_uniform({out}, fan_in));
}

Tensor Conv2d::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  ConvOptions how{options.stride, options.padding, options.dilation, options.groups};
  const bool one = x.rank() == 3;
  Tensor images = one ? unsqueeze(x, 0) : x;
  try {
    if (options.padding.same && images.rank() == 4) {
      const SamePadding same(kernel, options.dilation);
      how.padding = same.each, images = same.ends(images);
    }
    const Tensor y = conv2d(images, weight, bias, how);
    return one ? squeeze(y, 0) : y;
  } catch (const ShapeError& e) {
    throw_input(*this, e, channels_hint(*this, x.shape()));
  }
}

std::string Conv2d::description() const {
  const Conv2dOptions& o = options;
  return join("Conv2d(", in_channels, " -> ", out_channels, ", ", by(kernel), unless(1, "stride", o.stride),
              o.padding.same ? ", padding same" : unless(0, "padding", o.padding), unless(1, "dilation", o.dilation),
              o.groups == 1 ? "" : join(", groups ", o.groups), bias.defined() ? ")" : ", no bias)");
}

MaxPool2d::MaxPool2d(Pair size, PoolOptions o) : kernel(size), options(o) { check_kernel("MaxPool2d", kernel); }

Tensor MaxPool2d::forward(const Tensor& x) {
  try {
    if (x.rank() == 3) return squeeze(max_pool2d(unsqueeze(x, 0), kernel, options), 0);
    return max_pool2d(x, kernel, options);
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string MaxPool2d::description() const { return pool_description("MaxPool2d", kernel, options); }

AvgPool2d::AvgPool2d(Pair size, PoolOptions o) : kernel(size), options(o) { check_kernel("AvgPool2d", kernel); }

Tensor AvgPool2d::forward(const Tensor& x) {
  try {
    if (x.rank() == 3) return squeeze(avg_pool2d(unsqueeze(x, 0), kernel, options), 0);
    return avg_pool2d(x, kernel, options);
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string AvgPool2d::description() const { return pool_description("AvgPool2d", kernel, options); }

}  // namespace gradus::nn
