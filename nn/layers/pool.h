// Pooling of lines, and pooling to a given size; MaxPool2d and AvgPool2d are in conv.h.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

struct Pool1dOptions {
  int64_t stride = 0;      ///< 0: the kernel's size
  int64_t padding = 0;     ///< at most half the kernel
  int64_t dilation = 1;    ///< MaxPool1d only
  bool ceil_mode = false;  ///< windows may reach over the end: what is there does not count
};

/// x [N, C, L] or [C, L]: the largest of each window; padding is smaller than any number.
class MaxPool1d : public Module<MaxPool1d> {
 public:
  explicit MaxPool1d(int64_t kernel, Pool1dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t kernel;
  Pool1dOptions options;
};

/// x [N, C, L] or [C, L]: the mean of each window; padding counts as zeros.
class AvgPool1d : public Module<AvgPool1d> {
 public:
  explicit AvgPool1d(int64_t kernel, Pool1dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t kernel;
  Pool1dOptions options;
};

/// x [N, C, L] or [C, L] -> [.., C, output_size]: means of as many windows, which meet or overlap by one.
struct AdaptiveAvgPool1d : Module<AdaptiveAvgPool1d> {
  explicit AdaptiveAvgPool1d(int64_t size);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  int64_t output_size;
};
/// The same with the largest of each window.
struct AdaptiveMaxPool1d : Module<AdaptiveMaxPool1d> {
  explicit AdaptiveMaxPool1d(int64_t size);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  int64_t output_size;
};
/// x [N, C, H, W] -> [N, C, output_size]; AdaptiveAvgPool2d(1) is global pooling.
struct AdaptiveAvgPool2d : Module<AdaptiveAvgPool2d> {
  explicit AdaptiveAvgPool2d(Pair size);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  Pair output_size;
};
struct AdaptiveMaxPool2d : Module<AdaptiveMaxPool2d> {
  explicit AdaptiveMaxPool2d(Pair size);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  Pair output_size;
};

}  // namespace gradus::nn
