// Smooth activation functions beyond those of activation.cpp: formulas.
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>
#include <gradus/core/simd/vmath_wide.h>

namespace gradus {
namespace {

struct Softsign {
  static constexpr const char* name = "softsign";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const {
    V near = max(V(-1e17), min(V(1e17), x));  // beyond, the slope is 1 in any precision, and infinity / infinity is NaN
    return near / (1.0 + abs(near));
  }
  template <class V> V df(V g, V x, V) const {
    V root = 1.0 / (1.0 + abs(x));
    return g * root * root;
  }
  static Samples samples() { return elementwise(softsign, 0.1, 3); }
};

/// min(x, 0) - log(1 + e^-|x|), without overflow.
struct LogSigmoid {
  static constexpr const char* name = "logsigmoid";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return min(V(0), x) - log1p(exp(-abs(x))); }
  template <class V> V df(V g, V x, V) const { return g * sigmoid(-x); }
  static Samples samples() {
    Samples all = elementwise(logsigmoid);
    all.push_back(sample("far below zero", {sample_values({4}, -60, -40)}, [](auto& x) { return logsigmoid(x[0]); }));
    return all;
  }
};

/// x tanh(softplus(x)): Misra, "Mish", 2019. With n = e^x (e^x + 2) the tanh is n / (n + 2), 1 from 40 on.
struct Mish {
  static constexpr const char* name = "mish";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::form, 0, "below -87 (f64: -708) e^x is subnormal and has few digits, and so has its product with x"}};
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const {
    V e = exp(min(V(40), x)), n = e * (e + 2.0);
    return max(V(-1000), x) * (n / (n + 2.0));  // at -1000 n is 0 in any precision
  }
  template <class V> V df(V g, V x, V) const {
    V near = max(V(-1000), min(V(40), x)), e = exp(near), n = e * (e + 2.0), d = n + 2.0;
    return g * (n / d + near * (4.0 * (n + 1.0) / (d * d)) * sigmoid(x));  // beyond 40 the second term is negligible
  }
  /// The gradient, above 0 in terms of w = e^-x: the slope of n / d would be a small difference there.
  Tensor df(Tensor g, Tensor x, Tensor) const {
    const Tensor near = clamp(x, -1000, 1000), e = exp(at_most_0(near)), n = e * (e + 2.0), d = n + 2.0;
    const Tensor w = exp(at_most_0(-near)), q = 1.0 + 2.0 * w * (1.0 + w);
    const Tensor tanh = where(x > 0.0, 1.0 - 2.0 * square(w) / q, n / d);
    const Tensor slope = where(x > 0.0, square(w * (1.0 + w) / q), (n + 1.0) / square(d));
    return g * (tanh + 4.0 * near * slope * sigmoid(x));
  }
  static Samples samples() {
    Samples all = elementwise(mish);
    all.push_back(sample("far below zero", {sample_values({4}, -9, -5)}, [](auto& x) { return mish(x[0]); }));
    all.push_back(sample("far above zero", {sample_values({4}, 1e18, 2e18)}, [](auto& x) { return mish(x[0]); }));
    return all;
  }
};

/// Hendrycks and Gimpel's approximation of GELU: x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), or x
/// sigmoid(2u). Beyond 100 the sigmoid is 0 or 1 in any precision, and x^3 may be infinite.
struct GeluTanh {
  static constexpr const char* name = "gelu_tanh";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::form, 0, "a cubic of x is rounded, and the exponential of a tail multiplies that: 40 roundings at -9"}};
  static constexpr unsigned reads = reads_input(0);
  static constexpr double k = 1.5957691216057308, c = 0.044715 * k;  // 2 sqrt(2 / pi)
  template <class V> V f(V x) const {
    V near = max(V(-100), x);
    return near * sigmoid(near * (k + c * (near * near)));
  }
  template <class V> V df(V g, V x, V) const {
    V near = max(V(-100), min(V(100), x)), square = near * near;
    const Logistic<V> s(near * (k + c * square));
    return g * (s.value * (1.0 + near * s.rest * (k + 3.0 * c * square)));
  }
  static Samples samples() {
    Samples all = elementwise(gelu_tanh);
    all.push_back(sample("where x^3 is infinite in f32", {Array::of<double>({2}, {1e14, 2e14})},
                         [](auto& x) { return gelu_tanh(x[0]); }));
    return all;
  }
};

struct TanhShrink {
  static constexpr const char* name = "tanhshrink";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return tanhshrink(x); }
  template <class V> V df(V g, V x, V) const {
    V t = tanh(x);
    return g * (t * t);
  }
  static Samples samples() { return elementwise(tanhshrink); }
};

/// A gate: a sigmoid(b). Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks", 2016.
struct Glu {
  static constexpr const char* name = "glu";
  static Samples samples() {
    return {sample("last axis", {sample_values({3, 8})}, [](auto& x) { return glu(x[0]); }),
            sample("first axis", {sample_values({4, 3})}, [](auto& x) { return glu(x[0], 0); })};
  }
};

[[maybe_unused]] const bool smooth_composites = register_composites<Glu>();

}  // namespace

Tensor softsign(const Tensor& x) { return formula(Softsign{}, x); }
Tensor logsigmoid(const Tensor& x) { return formula(LogSigmoid{}, x); }
Tensor mish(const Tensor& x) { return formula(Mish{}, x); }
Tensor gelu_tanh(const Tensor& x) { return formula(GeluTanh{}, x); }
Tensor tanhshrink(const Tensor& x) { return formula(TanhShrink{}, x); }

Tensor glu(const Tensor& x, Axis along) {
  const int axis = normal_axis("glu", along, x.shape());
  const int64_t n = x.shape()[axis];
  if (n == 0 || n % 2 != 0)
    throw ShapeError("glu", join("axis ", axis, " of ", describe(x), " must have an even length, it is cut in two"));
  const auto halves = split(x, n / 2, axis);
  return halves[0] * sigmoid(halves[1]);
}

}  // namespace gradus
