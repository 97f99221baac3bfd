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
/// x (1 + erf(x / sqrt 2)) / 2.
struct GELU : Module<GELU> {
  Tensor forward(const Tensor& x) { return gelu(x); }
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

/// e^x / sum e^x along an axis. Not before CrossEntropyLoss, which has its own.
struct Softmax : Module<Softmax> {
  explicit Softmax(int along = -1) : axis(along) {}
  Tensor forward(const Tensor& x) { return softmax(x, axis); }
  std::string description() const override;
  int axis;
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

}  // namespace gradus::nn
