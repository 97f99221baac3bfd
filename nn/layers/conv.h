// Layers over images [N, C, H, W]: convolution and pooling. A Pair is {height, width}; one number serves for both.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

/// Zeros on each side of the input: so many, or "same": as many as leave its lengths as they are, of an odd number one more at
/// the end; "valid": none.
struct ConvPadding : Pair {
  bool same = false;
  template <std::integral I> ConvPadding(I both) : Pair(static_cast<int64_t>(both)) {}
  ConvPadding(Pair p) : Pair(p) {}
  ConvPadding(int64_t height, int64_t width) : Pair(height, width) {}
  ConvPadding(const char* text);  ///< ShapeError for another text
};

struct Conv2dOptions {
  Pair stride = 1;
  ConvPadding padding = 0;  ///< {.padding = "same"} needs a stride of 1
  Pair dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, H', W'], H' = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1. weight
/// [out, in / groups, KH, KW] and bias [out] start in U(-b, b), b = 1 / sqrt(in / groups KH KW).
class Conv2d : public Module<Conv2d> {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Pair kernel, Conv2dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_channels, out_channels;
  Pair kernel;
  Conv2dOptions options;
  Parameter weight, bias;  ///< bias is absent with {.bias = false}
  GRADUS_FIELDS(weight, bias)
};

/// The largest of each window; padding is smaller than any number.
class MaxPool2d : public Module<MaxPool2d> {
 public:
  explicit MaxPool2d(Pair kernel, PoolOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  Pair kernel;
  PoolOptions options;  ///< a stride of 0 is the kernel's size
};

/// The mean of each window; padding counts as zeros.
class AvgPool2d : public Module<AvgPool2d> {
 public:
  explicit AvgPool2d(Pair kernel, PoolOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  Pair kernel;
  PoolOptions options;
};

}  // namespace gradus::nn
