// Activation functions: formulas.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops/internal/formula_parts.h>

namespace gradus {
namespace {

template <class Call> Samples ordinary_samples(Call call, double low = -2, double high = 2, double far = 4) {
  return {sample("matrix", {sample_values({3, 5}, low, high)}, call), sample("0-d", {sample_values({}, low, high, 2)}, call),
          sample("far from zero", {sample_values({4}, far, 2 * far)}, call), sample("empty", {sample_values({0})}, call)};
}

/// tanh, whose slope 1 - tanh^2 is computed as 4 s (1 - s), s = sigmoid(2x): small, not 0, where tanh is rounded to 1.
struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return tanh(x); }
  template <class V> V df(V g, V x, V) const { return g * (4.0 * Logistic<V>(x + x).slope); }
  Tensor df(Tensor g, Tensor x, Tensor) const { return g * tanh_slope(x); }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return tanh(x[0]); });
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return sigmoid(x); }
  template <class V> V df(V g, V x, V) const { return g * Logistic<V>(x).slope; }
  Tensor df(Tensor g, Tensor x, Tensor) const { return g * (0.25 * tanh_slope(0.5 * x)); }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return sigmoid(x[0]); });
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return max(V(0), x); }
  template <class V> V df(V g, V, V y) const { return select(y > V(0), g, constant(y)); }  // y: 0 or NaN
  static Samples samples() {
    return ordinary_samples([](auto& x) { return relu(x[0]); });
  }
};

struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr unsigned reads = reads_input(0);
  double slope;
  OpOptions options() const { return {{"negative_slope", {slope}}}; }
  template <class V> V f(V x) const { return select(x > V(0), x, slope * x); }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select(x > V(0), g, slope * g)); }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return leaky_relu(x[0], 0.1); });
  }
};

struct Elu {
  static constexpr const char* name = "elu";
  static constexpr unsigned reads = reads_input(0);
  double alpha;
  OpOptions options() const { return {{"alpha", {alpha}}}; }
  template <class V> V f(V x) const { return select(x > V(0), x, alpha * expm1_below_0(at_most_0(x))); }
  template <class V> V df(V g, V x, V) const { return select(x > V(0), g, g * (alpha * exp(at_most_0(x)))); }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return elu(x[0], 1.3); });
  }
};

struct Erf {
  static constexpr const char* name = "erf";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return erf(x); }
  template <class V> V df(V g, V x, V) const { return g * (1.1283791670955126 * exp_square(x, -1)); }  // 2 / sqrt(pi)
  static Samples samples() {
    return ordinary_samples([](auto& x) { return erf(x[0]); }, -1, 1, 1.5);
  }
};

/// x times the probability that a standard normal variable is below x: Hendrycks and Gimpel, "Gaussian Error Linear Units",
/// 2016.
struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr unsigned reads = reads_input(0);
  static constexpr double root_half = 0.70710678118654752, density_at_0 = 0.39894228040143268;
  template <class V> V f(V x) const {
    V z = min(V(40), abs(x));
    return max(V(0), x) - normal_tail(z, z);
  }
  template <class V> V df(V g, V x, V) const {
    V z = min(V(40), abs(x)), below = normal_tail(z, V(1)) - z * (density_at_0 * exp_square(z, -0.5));  // the slope at -|x|
    return g * select(x > V(0), 1.0 - below, below);
  }
  Tensor df(Tensor g, Tensor x, Tensor) const {
    return g * (0.5 * erfc(x * -root_half) + clamp(x, -40, 40) * (density_at_0 * exp_square(x, -0.5)));
  }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return gelu(x[0]); });
  }
};

/// x sigmoid(x), also called swish: Ramachandran, Zoph and Le, "Searching for Activation Functions", 2017.
struct Silu {
  static constexpr const char* name = "silu";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::form, 0, "below -87 (f64: -708) e^x is subnormal and has few digits, and so has its product with x"}};
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(-1000), x) * sigmoid(x); }  // sigmoid(-1000) is 0 in any precision
  template <class V> V df(V g, V x, V) const {
    V near = max(V(-1000), min(V(1000), x));
    const Logistic<V> s(near);
    return g * (s.value * (1.0 + near * s.rest));
  }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return silu(x[0]); });
  }
};

/// max(x, 0) + log(1 + e^-|x|), which does not overflow.
struct Softplus {
  static constexpr const char* name = "softplus";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(0), x) + log1p_within_1(exp(-abs(x))); }
  template <class V> V df(V g, V x, V) const { return g * sigmoid(x); }
  static Samples samples() {
    return ordinary_samples([](auto& x) { return softplus(x[0]); });
  }
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
