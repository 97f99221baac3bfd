#include <gradus/nn/layers/pool.h>

#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

/// An op for images on lines: f([N, C, 1, L]), with or without the batch's axis.
template <class F> Tensor on_lines(const ModuleBase& layer, const Tensor& x, F f) {
  if (x.rank() != 2 && x.rank() != 3) throw_input(layer, join("the input must be [N, C, L] or [C, L], got ", describe(x)));
  try {
    if (x.rank() == 3) return squeeze(f(unsqueeze(x, 2)), 2);
    return squeeze(squeeze(f(unsqueeze(unsqueeze(x, 0), 2)), 2), 0);
  } catch (const ShapeError& e) {
    throw_input(layer, e);
  }
}

template <class F> Tensor on_images(const ModuleBase& layer, const Tensor& x, F f) {
  try {
    return x.rank() == 3 ? squeeze(f(unsqueeze(x, 0)), 0) : f(x);
  } catch (const ShapeError& e) {
    throw_input(layer, e);
  }
}

PoolOptions for_lines(const Pool1dOptions& o) {
  return {.stride = {o.stride == 0 ? 0 : 1, o.stride},
          .padding = {0, o.padding},
          .dilation = {1, o.dilation},
          .ceil_mode = o.ceil_mode};
}

std::string line_pool_description(const char* type, int64_t kernel, const Pool1dOptions& o) {
  return join(type, "(", kernel, o.stride == 0 ? "" : join(", stride ", o.stride),
              o.padding == 0 ? "" : join(", padding ", o.padding), o.dilation == 1 ? "" : join(", dilation ", o.dilation),
              o.ceil_mode ? ", ceil_mode)" : ")");
}

void check_output_size(const char* layer, Pair size) {
  check_positive(layer, "output_size", size.h);
  check_positive(layer, "output_size", size.w);
}

}  // namespace

MaxPool1d::MaxPool1d(int64_t size, Pool1dOptions o) : kernel(size), options(o) {
  check_positive("MaxPool1d", "the kernel", size);
}
Tensor MaxPool1d::forward(const Tensor& x) {
  return on_lines(*this, x, [&](const Tensor& lines) { return max_pool2d(lines, {1, kernel}, for_lines(options)); });
}
std::string MaxPool1d::description() const { return line_pool_description("MaxPool1d", kernel, options); }

AvgPool1d::AvgPool1d(int64_t size, Pool1dOptions o) : kernel(size), options(o) {
  check_positive("AvgPool1d", "the kernel", size);
}
Tensor AvgPool1d::forward(const Tensor& x) {
  return on_lines(*this, x, [&](const Tensor& lines) { return avg_pool2d(lines, {1, kernel}, for_lines(options)); });
}
std::string AvgPool1d::description() const { return line_pool_description("AvgPool1d", kernel, options); }

AdaptiveAvgPool1d::AdaptiveAvgPool1d(int64_t size) : output_size(size) {
  check_positive("AdaptiveAvgPool1d", "output_size", size);
}
Tensor AdaptiveAvgPool1d::forward(const Tensor& x) {
  return on_lines(*this, x, [&](const Tensor& lines) { return adaptive_avg_pool2d(lines, {1, output_size}); });
}
std::string AdaptiveAvgPool1d::description() const { return join("AdaptiveAvgPool1d(", output_size, ")"); }

AdaptiveMaxPool1d::AdaptiveMaxPool1d(int64_t size) : output_size(size) {
  check_positive("AdaptiveMaxPool1d", "output_size", size);
}
Tensor AdaptiveMaxPool1d::forward(const Tensor& x) {
  return on_lines(*this, x, [&](const Tensor& lines) { return adaptive_max_pool2d(lines, {1, output_size}); });
}
std::string AdaptiveMaxPool1d::description() const { return join("AdaptiveMaxPool1d(", output_size, ")"); }

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Pair size) : output_size(size) { check_output_size("AdaptiveAvgPool2d", size); }
Tensor AdaptiveAvgPool2d::forward(const Tensor& x) {
  return on_images(*this, x, [&](const Tensor& images) { return adaptive_avg_pool2d(images, output_size); });
}
std::string AdaptiveAvgPool2d::description() const { return join("AdaptiveAvgPool2d(", by(output_size), ")"); }

AdaptiveMaxPool2d::AdaptiveMaxPool2d(Pair size) : output_size(size) { check_output_size("AdaptiveMaxPool2d", size); }
Tensor AdaptiveMaxPool2d::forward(const Tensor& x) {
  return on_images(*this, x, [&](const Tensor& images) { return adaptive_max_pool2d(images, output_size); });
}
std::string AdaptiveMaxPool2d::description() const { return join("AdaptiveMaxPool2d(", by(output_size), ")"); }

}  // namespace gradus::nn
