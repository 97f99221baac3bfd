// Convolution of lines [N, C, L], and the transposed convolutions.
#pragma once

#include <gradus/nn/layers/conv.h>

namespace gradus::nn {

struct Conv1dOptions {
  int64_t stride = 1;
  ConvPadding padding = 0;  ///< {.padding = "same"} needs a stride of 1
  int64_t dilation = 1, groups = 1;
  bool bias = true;
};

/// x [N, in, L] -> [N, out, L'], L' = (L + 2 padding - dilation (kernel - 1) - 1) / stride + 1. weight
/// [out, in / groups, K] and bias [out] start in U(-b, b), b = 1 / sqrt(in / groups K).
class Conv1d : public Module<Conv1d> {
 public:
  Conv1d(int64_t in_channels, int64_t out_channels, int64_t kernel, Conv1dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_channels, out_channels, kernel;
  Conv1dOptions options;
  Parameter weight, bias;  ///< bias is absent with {.bias = false}
  GRADUS_FIELDS(weight, bias)
};

struct ConvTranspose1dOptions {
  int64_t stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
  bool bias = true;
};

/// x [N, in, L] -> [N, out, L'], L' = (L - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. weight
/// [in, out / groups, K] and bias [out] start in U(-b, b), b = 1 / sqrt(out / groups K).
class ConvTranspose1d : public Module<ConvTranspose1d> {
 public:
  ConvTranspose1d(int64_t in_channels, int64_t out_channels, int64_t kernel, ConvTranspose1dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_channels, out_channels, kernel;
  ConvTranspose1dOptions options;
  Parameter weight, bias;
  GRADUS_FIELDS(weight, bias)
};

struct ConvTranspose2dOptions {
  Pair stride = 1, padding = 0, output_padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, H', W'], each length as ConvTranspose1d's. weight [in, out / groups, KH, KW].
class ConvTranspose2d : public Module<ConvTranspose2d> {
 public:
  ConvTranspose2d(int64_t in_channels, int64_t out_channels, Pair kernel, ConvTranspose2dOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_channels, out_channels;
  Pair kernel;
  ConvTranspose2dOptions options;
  Parameter weight, bias;
  GRADUS_FIELDS(weight, bias)
};

}  // namespace gradus::nn
