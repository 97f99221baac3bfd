// Activation functions: formulas.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

namespace gradus {
namespace {

template <class Call>
Samples ordinary(Call call, double low = -2, double high = 2, double far = 4) {
  return {sample("matrix", {sample_values({3, 5}, low, high)}, call), sample("0-d", {sample_values({}, low, high, 2)}, call),
          sample("far from zero", {sample_values({4}, far, 2 * far)}, call), sample("empty", {sample_values({0})}, call)};
}

struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return tanh(x); }
  template <class V> V df(V g, V, V y) const { return g * (1.0 - y * y); }
  static Samples samples() { return ordinary([](auto& x) { return tanh(x[0]); }); }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return sigmoid(x); }
  template <class V> V df(V g, V, V y) const { return g * (y * (1.0 - y)); }
  static Samples samples() { return ordinary([](auto& x) { return sigmoid(x[0]); }); }
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return max(V(0), x); }  // this order keeps NaN
  template <class V> V df(V g, V, V y) const { return select(y > V(0), g, V(0)); }
  static Samples samples() { return ordinary([](auto& x) { return relu(x[0]); }); }
};

struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr unsigned reads = reads_input(0);
  double slope;
  template <class V> V f(V x) const { return select(x > V(0), x, slope * x); }
  template <class V> V df(V g, V x, V) const { return select(x > V(0), g, slope * g); }
  static Samples samples() { return ordinary([](auto& x) { return leaky_relu(x[0], 0.1); }); }
};

struct Elu {
  static constexpr const char* name = "elu";
  static constexpr unsigned reads = reads_input(0);
  double alpha;
  template <class V> V f(V x) const { return select(x > V(0), x, alpha * (exp(min(x, V(0))) - 1.0)); }
  template <class V> V df(V g, V x, V) const { return select(x > V(0), g, g * (alpha * exp(min(x, V(0))))); }
  static Samples samples() { return ordinary([](auto& x) { return elu(x[0], 1.3); }); }
};

struct Erf {
  static constexpr const char* name = "erf";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return erf(x); }
  template <class V> V df(V g, V x, V) const { return g * (1.1283791670955126 * exp(-(x * x))); }  // 2 / sqrt(pi)
  static Samples samples() { return ordinary([](auto& x) { return erf(x[0]); }, -1, 1, 1.5); }
};

/// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return 0.5 * x * (1.0 + erf(x * 0.70710678118654752)); }
  template <class V> V df(V g, V x, V) const {
    return g * (0.5 * (1.0 + erf(x * 0.70710678118654752)) + x * (0.39894228040143268 * exp(-0.5 * (x * x))));
  }
  static Samples samples() { return ordinary([](auto& x) { return gelu(x[0]); }); }
};

/// Also called swish: Ramachandran, Zoph and Le, "Searching for Activation Functions", 2017.
struct Silu {
  static constexpr const char* name = "silu";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return x * sigmoid(x); }
  template <class V> V df(V g, V x, V) const {
    V s = sigmoid(x);
    return g * (s * (1.0 + x * (1.0 - s)));
  }
  static Samples samples() { return ordinary([](auto& x) { return silu(x[0]); }); }
};

/// max(x, 0) + log(1 + e^-|x|), which does not overflow.
struct Softplus {
  static constexpr const char* name = "softplus";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(0), x) + log(1.0 + exp(-abs(x))); }
  template <class V> V df(V g, V x, V) const { return g * sigmoid(x); }
  static Samples samples() { return ordinary([](auto& x) { return softplus(x[0]); }); }
};

}  // namespace

Tensor tanh(const Tensor& x) { return formula(Tanh{}, x); }
Tensor sigmoid(const Tensor& x) { return formula(Sigmoid{}, x); }
Tensor relu(const Tensor& x) { return formula(Relu{}, x); }
Tensor relu(Tensor&& x) { return formula_over(Relu{}, std::move(x)); }
Tensor leaky_relu(const Tensor& x, double negative_slope) { return formula(LeakyRelu{negative_slope}, x); }
Tensor elu(const Tensor& x, double alpha) { return formula(Elu{alpha}, x); }
Tensor erf(const Tensor& x) { return formula(Erf{}, x); }
Tensor gelu(const Tensor& x) { return formula(Gelu{}, x); }
Tensor silu(const Tensor& x) { return formula(Silu{}, x); }
Tensor softplus(const Tensor& x) { return formula(Softplus{}, x); }

}  // namespace gradus
