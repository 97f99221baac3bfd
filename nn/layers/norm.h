// BatchNorm1d and BatchNorm2d: Ioffe and Szegedy, "Batch normalization", 2015.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< share of the newest batch in the running statistics
  bool affine = true;     ///< learn weight and bias
};

/// What BatchNorm1d and BatchNorm2d share. Each channel (axis 1) becomes (x - mean) / sqrt(var + eps) * weight + bias: in
/// training with the batch's mean and biased variance, in eval mode with the running ones, whose variance is unbiased.
/// weight starts at 1, bias at 0, running_mean at 0, running_var at 1.
struct BatchNorm {
  BatchNorm(const char* layer, int64_t num_features, BatchNormOptions options);

  int64_t num_features;
  BatchNormOptions options;
  Parameter weight, bias;  ///< absent with {.affine = false}
  Buffer running_mean, running_var, num_batches_tracked;
  GRADUS_FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)

 protected:
  Tensor normalise(const ModuleBase& layer, const Tensor& x, const char* wanted, bool rank_fits);
  std::string describe_as(const char* layer) const;

 private:
  Tensor with_batch(const ModuleBase& layer, const Tensor& x);
  Tensor with_running(const Tensor& x) const;
};

/// x [N, C, H, W]. Errors, training: ShapeError where a channel has one value only.
class BatchNorm2d : public Module<BatchNorm2d>, public BatchNorm {
 public:
  explicit BatchNorm2d(int64_t num_features, BatchNormOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;
  using BatchNorm::field_names;
  using BatchNorm::fields;
};

/// x [N, C] or [N, C, L].
class BatchNorm1d : public Module<BatchNorm1d>, public BatchNorm {
 public:
  explicit BatchNorm1d(int64_t num_features, BatchNormOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;
  using BatchNorm::field_names;
  using BatchNorm::fields;
};

}  // namespace gradus::nn
