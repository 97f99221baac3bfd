// Layers without parameters: a function of each element, of a row, or of the shape; and Dropout.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

struct ReLU : Module<ReLU> {
  Tensor forward(const Tensor& x) { return relu(x); }
};
struct Tanh : Module<Tanh> {
  Tensor forward(const Tensor& x) { return tanh(x); }
};
struct Sigmoid : Module<Sigmoid> {
  Tensor forward(const Tensor& x) { return sigmoid(x); }
};
/// x (1 + erf(x / sqrt 2)) / 2, or with "tanh" its approximation. Errors: Error unless approximate is "none" or "tanh".
struct GELU : Module<GELU> {
  explicit GELU(const std::string& approximate = "none");
  Tensor forward(const Tensor& x) { return tanh_instead ? gelu_tanh(x) : gelu(x); }
  std::string description() const override;
  bool tanh_instead;
};
/// x sigmoid(x).
struct SiLU : Module<SiLU> {
  Tensor forward(const Tensor& x) { return silu(x); }
};
/// log(1 + e^x).
struct Softplus : Module<Softplus> {
  Tensor forward(const Tensor& x) { return softplus(x); }
};

struct LeakyReLU : Module<LeakyReLU> {
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  Tensor forward(const Tensor& x) { return leaky_relu(x, negative_slope); }
  std::string description() const override;
  double negative_slope;
};
/// x above zero, alpha (e^x - 1) below.
struct ELU : Module<ELU> {
  explicit ELU(double a = 1) : alpha(a) {}
  Tensor forward(const Tensor& x) { return elu(x, alpha); }
  std::string description() const override;
  double alpha;
};

struct ReLU6 : Module<ReLU6> {
  Tensor forward(const Tensor& x) { return relu6(x); }
};
/// min(max(x + 3, 0), 6) / 6.
struct Hardsigmoid : Module<Hardsigmoid> {
  Tensor forward(const Tensor& x) { return hardsigmoid(x); }
};
/// x hardsigmoid(x).
struct Hardswish : Module<Hardswish> {
  Tensor forward(const Tensor& x) { return hardswish(x); }
};
/// x tanh(softplus(x)).
struct Mish : Module<Mish> {
  Tensor forward(const Tensor& x) { return mish(x); }
};
struct SELU : Module<SELU> {
  Tensor forward(const Tensor& x) { return selu(x); }
};
struct LogSigmoid : Module<LogSigmoid> {
  Tensor forward(const Tensor& x) { return logsigmoid(x); }
};
/// x / (1 + |x|).
struct Softsign : Module<Softsign> {
  Tensor forward(const Tensor& x) { return softsign(x); }
};
/// x - tanh(x).
struct Tanhshrink : Module<Tanhshrink> {
  Tensor forward(const Tensor& x) { return tanhshrink(x); }
};

/// x above zero, alpha (e^(x / alpha) - 1) below.
struct CELU : Module<CELU> {
  explicit CELU(double a = 1) : alpha(a) {}
  Tensor forward(const Tensor& x) { return celu(x, alpha); }
  std::string description() const override;
  double alpha;
};
struct Hardtanh : Module<Hardtanh> {
  explicit Hardtanh(double low = -1, double high = 1) : min_val(low), max_val(high) {}
  Tensor forward(const Tensor& x) { return hardtanh(x, min_val, max_val); }
  std::string description() const override;
  double min_val, max_val;
};
/// 0 where |x| <= lambda.
struct Hardshrink : Module<Hardshrink> {
  explicit Hardshrink(double by = 0.5) : lambda(by) {}
  Tensor forward(const Tensor& x) { return hardshrink(x, lambda); }
  std::string description() const override;
  double lambda;
};
/// Moved towards 0 by lambda.
struct Softshrink : Module<Softshrink> {
  explicit Softshrink(double by = 0.5) : lambda(by) {}
  Tensor forward(const Tensor& x) { return softshrink(x, lambda); }
  std::string description() const override;
  double lambda;
};
/// x where x > threshold, else value.
struct Threshold : Module<Threshold> {
  Threshold(double level, double otherwise) : threshold(level), value(otherwise) {}
  Tensor forward(const Tensor& x) { return gradus::threshold(x, threshold, value); }
  std::string description() const override;
  double threshold, value;
};
/// a sigmoid(b), a and b being the halves of an axis.
struct GLU : Module<GLU> {
  explicit GLU(int along = -1) : axis(along) {}
  Tensor forward(const Tensor& x) { return glu(x, axis); }
  std::string description() const override;
  int axis;
};
/// x above zero, weight x below. weight [1] serves all, weight [C] the channels (axis 1); it starts at `init`.
struct PReLU : Module<PReLU> {
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  Parameter weight;
  GRADUS_FIELDS(weight)
};

/// e^x / sum e^x along an axis. Not before CrossEntropyLoss, which has its own.
struct Softmax : Module<Softmax> {
  explicit Softmax(int along = -1) : axis(along) {}
  Tensor forward(const Tensor& x) { return softmax(x, axis); }
  std::string description() const override;
  int axis;
};
struct Softmin : Module<Softmin> {
  explicit Softmin(int along = -1) : axis(along) {}
  Tensor forward(const Tensor& x) { return softmax(-x, axis); }
  std::string description() const override;
  int axis;
};
/// Over the channels of [N, C, H, W] or [C, H, W].
struct Softmax2d : Module<Softmax2d> {
  Tensor forward(const Tensor& x) { return softmax(x, -3); }
};
struct LogSoftmax : Module<LogSoftmax> {
  explicit LogSoftmax(int along = -1) : axis(along) {}
  Tensor forward(const Tensor& x) { return log_softmax(x, axis); }
  std::string description() const override;
  int axis;
};

/// [N, ..] -> [N, the rest]: all axes from start_axis on become one.
struct Flatten : Module<Flatten> {
  explicit Flatten(int start = 1) : start_axis(start) {}
  Tensor forward(const Tensor& x) { return flatten(x, start_axis); }
  std::string description() const override;
  int start_axis;
};

/// In training each element is zero with probability p, else x / (1 - p); which ones, a fresh stream of the default
/// generator says at every call. In eval mode x itself. p lies in [0, 1).
struct Dropout : Module<Dropout> {
  explicit Dropout(double probability = 0.5);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  double p;
};

/// Dropout of whole channels of x [N, C, H, W] or [C, H, W]: Tompson et al., "Efficient object localization", 2015.
struct Dropout2d : Module<Dropout2d> {
  explicit Dropout2d(double probability = 0.5);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  double p;
};

}  // namespace gradus::nn
