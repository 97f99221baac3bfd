// Normalisation: over a batch (Ioffe and Szegedy, "Batch normalization", 2015), a sample (Ba, Kiros and Hinton, "Layer
// normalization", 2016; Zhang and Sennrich, "Root mean square layer normalization", 2019), groups of channels (Wu and He,
// "Group normalization", 2018) and single ones (Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016).
#pragma once

#include <gradus/nn/module.h>

#include <optional>

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

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;  ///< learn weight and bias
  bool bias = true;                ///< false: weight alone
};

/// Over the last axes of x [.., normalized_shape..]: (x - mean) / sqrt(var + eps) * weight + bias, the variance biased.
/// weight [normalized_shape] starts at 1, bias at 0. Errors: ShapeError unless x ends with normalized_shape.
class LayerNorm : public Module<LayerNorm> {
 public:
  explicit LayerNorm(const Shape& normalized_shape, LayerNormOptions options = {});
  explicit LayerNorm(int64_t features, LayerNormOptions o = {}) : LayerNorm(Shape{features}, o) {}
  Tensor forward(const Tensor& x);
  std::string description() const override;

  Shape normalized_shape;
  LayerNormOptions options;
  Parameter weight, bias;
  GRADUS_FIELDS(weight, bias)
};

struct RMSNormOptions {
  std::optional<double> eps = {};  ///< absent: what the input's dtype can add to 1, 2^-23 or 2^-52
  bool elementwise_affine = true;
};

/// Over the last axes of x [.., normalized_shape..]: x / sqrt(mean(x^2) + eps) * weight. weight starts at 1.
class RMSNorm : public Module<RMSNorm> {
 public:
  explicit RMSNorm(const Shape& normalized_shape, RMSNormOptions options = {});
  explicit RMSNorm(int64_t features, RMSNormOptions o = {}) : RMSNorm(Shape{features}, o) {}
  Tensor forward(const Tensor& x);
  std::string description() const override;

  Shape normalized_shape;
  RMSNormOptions options;
  Parameter weight;
  GRADUS_FIELDS(weight)
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};

/// x [N, C, ..]: over each of num_groups groups of channels of each sample, then * weight + bias of each channel.
class GroupNorm : public Module<GroupNorm> {
 public:
  GroupNorm(int64_t num_groups, int64_t num_channels, GroupNormOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t num_groups, num_channels;
  GroupNormOptions options;
  Parameter weight, bias;
  GRADUS_FIELDS(weight, bias)
};

struct InstanceNormOptions {
  double eps = 1e-5;
  bool affine = false;
  bool track_running_stats = false;  ///< Error if true: BatchNorm alone keeps running statistics
};

/// What InstanceNorm1d and InstanceNorm2d share: each channel of each sample, in training as in eval mode.
struct InstanceNorm {
  InstanceNorm(const char* layer, int64_t num_features, InstanceNormOptions options);

  int64_t num_features;
  InstanceNormOptions options;
  Parameter weight, bias;  ///< absent without {.affine = true}
  GRADUS_FIELDS(weight, bias)

 protected:
  /// x with or without its first axis, the batch's; `rank` is with it.
  Tensor normalise(const ModuleBase& layer, const Tensor& x, const char* wanted, int rank);
  std::string describe_as(const char* layer) const;
};

/// x [N, C, L] or [C, L].
class InstanceNorm1d : public Module<InstanceNorm1d>, public InstanceNorm {
 public:
  explicit InstanceNorm1d(int64_t num_features, InstanceNormOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;
  using InstanceNorm::field_names;
  using InstanceNorm::fields;
};

/// x [N, C, H, W] or [C, H, W].
class InstanceNorm2d : public Module<InstanceNorm2d>, public InstanceNorm {
 public:
  explicit InstanceNorm2d(int64_t num_features, InstanceNormOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;
  using InstanceNorm::field_names;
  using InstanceNorm::fields;
};

}  // namespace gradus::nn
