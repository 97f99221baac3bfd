// Piecewise activation functions: formulas. At a kink the gradient is PyTorch's.
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>
#include <gradus/core/simd/vmath_wide.h>

namespace gradus {
namespace {

struct HardTanh {
  static constexpr const char* name = "hardtanh";
  static constexpr unsigned reads = reads_input(0);
  double low, high;
  OpOptions options() const { return {{"low", {low}}, {"high", {high}}}; }
  template <class V> V f(V x) const { return max(V(low), min(V(high), x)); }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select((x > V(low)) & (x < V(high)), g, V(0))); }
  static Samples samples() {
    Samples all = elementwise([](const Tensor& x) { return hardtanh(x); }, -2, 1.05);
    all.push_back(sample("own bounds", {sample_values({4, 5})}, [](auto& x) { return hardtanh(x[0], -0.3, 1.1); }));
    return all;
  }
};

/// min(max(x, 0), 6). Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
struct Relu6 {
  static constexpr const char* name = "relu6";
  static Samples samples() { return elementwise(relu6, -6, 6.5); }
};

struct HardSigmoid {
  static constexpr const char* name = "hardsigmoid";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(0), min(V(6), x + 3.0)) / 6.0; }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select((x > V(-3)) & (x < V(3)), g / 6.0, V(0))); }
  static Samples samples() { return elementwise(hardsigmoid, -5, 3.2); }
};

/// x hardsigmoid(x). Howard et al., "Searching for MobileNetV3", 2019.
struct HardSwish {
  static constexpr const char* name = "hardswish";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(-3), x) * (max(V(0), min(V(6), x + 3.0)) / 6.0); }
  template <class V> V df(V g, V x, V) const { return select(x <= V(-3), V(0), select(x >= V(3), g, g * (x / 3.0 + 0.5))); }
  static Samples samples() { return elementwise(hardswish, -5, 5); }
};

struct HardShrink {
  static constexpr const char* name = "hardshrink";
  static constexpr unsigned reads = reads_input(0);
  double lambda;
  OpOptions options() const { return {{"lambda", {lambda}}}; }
  template <class V> V f(V x) const { return select(abs(x) <= V(lambda), 0.0 * x, x); }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select(abs(x) <= V(lambda), V(0), g)); }
  static Samples samples() {
    return elementwise([](const Tensor& x) { return hardshrink(x); });
  }
};

struct SoftShrink {
  static constexpr const char* name = "softshrink";
  static constexpr unsigned reads = reads_input(0);
  double lambda;
  OpOptions options() const { return {{"lambda", {lambda}}}; }
  template <class V> V f(V x) const {
    return select(x > V(lambda), x - lambda, select(x < V(-lambda), x + lambda, 0.0 * x));
  }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select(abs(x) <= V(lambda), V(0), g)); }
  static Samples samples() {
    return elementwise([](const Tensor& x) { return softshrink(x); });
  }
};

struct Threshold {
  static constexpr const char* name = "threshold";
  static constexpr unsigned reads = reads_input(0);
  double level, value;
  OpOptions options() const { return {{"threshold", {level}}, {"value", {value}}}; }
  template <class V> V f(V x) const { return select(x <= V(level), V(value), x); }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select(x <= V(level), V(0), g)); }
  static Samples samples() {
    return elementwise([](const Tensor& x) { return threshold(x, 0.31, -1.5); });
  }
};

/// A rectifier with a learned slope below 0. He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
struct Prelu {
  static constexpr const char* name = "prelu";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V x, V w) const { return select(x > V(0), x, w * x); }
  template <class V> V da(V g, V x, V w, V) const { return unless_nan(x, select(x > V(0), g, w * g)); }
  template <class V> V db(V g, V x, V, V) const { return select(x > V(0), V(0), g * x); }
  static Samples samples() {
    const auto call = [](auto& x) { return prelu(x[0], x[1]); };
    return {sample("one slope", {sample_values({4, 3}), sample_values({1}, 0.1, 0.5, 2)}, call),
            sample("a slope for each channel", {sample_values({2, 3, 4}), sample_values({3}, 0.1, 0.5, 2)}, call),
            sample("rows", {sample_values({4, 3}), sample_values({3}, -0.5, 0.5, 2)}, call),
            sample("empty", {sample_values({0, 3}), sample_values({3}, 0.1, 0.5, 2)}, call)};
  }
};

/// A scaled exponential unit. Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.
struct Selu {
  static constexpr const char* name = "selu";
  static constexpr unsigned reads = reads_input(0);
  static constexpr double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
  template <class V> V f(V x) const { return scale * select(x > V(0), x, alpha * expm1(at_most_0(x))); }
  template <class V> V df(V g, V x, V) const { return select(x > V(0), scale * g, g * (scale * alpha * exp(at_most_0(x)))); }
  static Samples samples() { return elementwise(selu); }
};

/// An exponential unit with a continuous slope. Barron, "Continuously differentiable exponential linear units", 2017.
struct Celu {
  static constexpr const char* name = "celu";
  static constexpr unsigned reads = reads_input(0);
  double alpha;
  OpOptions options() const { return {{"alpha", {alpha}}}; }
  template <class V> V f(V x) const { return select(x > V(0), x, alpha * expm1(at_most_0(x) / alpha)); }
  template <class V> V df(V g, V x, V) const { return select(x > V(0), g, g * exp(at_most_0(x) / alpha)); }
  static Samples samples() {
    return elementwise([](const Tensor& x) { return celu(x, 1.4); });
  }
};

[[maybe_unused]] const bool rectifier_composites = register_composites<Relu6>();

}  // namespace

Tensor hardtanh(const Tensor& x, double low, double high) {
  if (!(low < high)) throw IndexError("hardtanh", join("low ", text(low), " must be less than high ", text(high)));
  return formula(HardTanh{low, high}, x);
}
Tensor relu6(const Tensor& x) { return formula(HardTanh{0, 6}, x); }
Tensor hardsigmoid(const Tensor& x) { return formula(HardSigmoid{}, x); }
Tensor hardswish(const Tensor& x) { return formula(HardSwish{}, x); }
Tensor threshold(const Tensor& x, double level, double value) { return formula(Threshold{level, value}, x); }
Tensor selu(const Tensor& x) { return formula(Selu{}, x); }

Tensor hardshrink(const Tensor& x, double lambda) {
  if (!(lambda >= 0)) throw IndexError("hardshrink", join("lambda must be at least 0, got ", text(lambda)));
  return formula(HardShrink{lambda}, x);
}
Tensor softshrink(const Tensor& x, double lambda) {
  if (!(lambda >= 0)) throw IndexError("softshrink", join("lambda must be at least 0, got ", text(lambda)));
  return formula(SoftShrink{lambda}, x);
}
Tensor celu(const Tensor& x, double alpha) {
  if (!(alpha > 0)) throw IndexError("celu", join("alpha must be positive, got ", text(alpha)));
  return formula(Celu{alpha}, x);
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  const int64_t channels = x.rank() > 1 ? x.shape()[1] : 1;
  if (weight.rank() > 1 || (weight.size() != 1 && weight.size() != channels))
    throw ShapeError("prelu", join("the weight is ", describe(weight), ", the input ", describe(x),
                                   "; it must hold 1 number, or one for each of the ", channels, " channels (axis 1)"));
  if (weight.size() == 1 || x.rank() < 2) return formula(Prelu{}, x, reshape(weight, {}));
  Shape shape{channels};
  for (int i = 2; i < x.rank(); ++i) shape.push_back(1);
  return formula(Prelu{}, x, reshape(weight, shape));
}

}  // namespace gradus
