// Elementwise ops of one tensor.
#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>

namespace gradus::tools {
namespace {

using Op = Tensor (*)(const Tensor&);
using Form = Jet (*)(const Jet&);

constexpr Wide ln2 = 0.693147180559945309417232121458176568L, ln10 = 2.302585092994045684017991454684364208L;
constexpr Wide root_half = 0.707106781186547524400844362104849039L;

Jet scaled(Wide k, const Jet& x) { return Jet(k) * x; }

EdgeForm one(const char* op, const char* label, Op call, Form form, bool limits = true) {
  return {op,
          label,
          1,
          0,
          limits,
          [call](const std::vector<Tensor>& x) { return call(x[0]); },
          [form](std::span<const Jet> x) { return std::vector<Jet>{form(x[0])}; }};
}

/// Its argument is infinite in no way that has a limit.
EdgeForm wave(const char* op, Op call, Form form) { return one(op, "", call, form, false); }

/// x (1 + erf(x / sqrt 2)) / 2, whose tail on the left is that of erfc. The slope is written out: its terms are of one sign.
Jet gelu_form(const Jet& x) {
  constexpr Wide k = 0.398942280401432677939946059934381868L;  // 1 / sqrt(2 pi)
  const Wide cdf = std::erfc(-x.f * root_half) / 2, bell = k * std::exp(-x.f * x.f / 2);
  if (bell == 0) return chain(x, x.f * cdf, cdf, 0);
  return chain(x, x.f * cdf, cdf + x.f * bell, bell * (2 - x.f * x.f));
}
Jet gelu_tanh_form(const Jet& x) {
  const Wide k = 0.79788456080286535588L, c = 0.044715L;
  if (std::fabs(x.f) > 1000) return x.f > 0 ? x : flat(x, -0.0L);
  return x * sigmoid(scaled(2 * k, x + scaled(c, x * x * x)));  // (1 + tanh(z)) / 2 = sigmoid(2 z)
}
Jet softplus_form(const Jet& x) { return x.f > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
Jet mish_form(const Jet& x) {
  if (x.f > 100) return x;
  const Jet e = exp(x), n = e * (e + Jet(2));
  return x * (n / (n + Jet(2)));
}
Jet tanhshrink_form(const Jet& x) {
  if (std::fabs(x.f) > 0.1L) {
    const Wide t = std::tanh(x.f), d = 1 / std::cosh(x.f) / std::cosh(x.f);
    return chain(x, x.f - t, t * t, 2 * t * d);
  }
  const Wide s = x.f * x.f, t = std::tanh(x.f);  // x^3 / 3 - 2 x^5 / 15 + 17 x^7 / 315 - ...
  const Wide f =
      x.f * s *
      (1 / 3.0L -
       s * (2 / 15.0L - s * (17 / 315.0L - s * (62 / 2835.0L - s * (1382 / 155925.0L - s * (21844 / 6081075.0L -
                                                                                            s * 929569 / 638512875.0L))))));
  return chain(x, f, t * t, 2 * t * (1 - t * t));
}
Jet relu_form(const Jet& x) { return x.f > 0 ? x : flat(x, 0); }
Jet clamped(const Jet& x, Wide low, Wide high, bool slope_at_bounds) {
  if (x.f < low || (x.f == low && !slope_at_bounds)) return flat(x, low);
  if (x.f > high || (x.f == high && !slope_at_bounds)) return flat(x, high);
  return x;
}
Jet hardswish_form(const Jet& x) {  // PyTorch's slopes at -3 and 3: 0 and 1
  if (x.f <= -3) return flat(x, 0);
  return x.f >= 3 ? x : x * scaled(1 / 6.0L, x + Jet(3));
}
Jet selu_form(const Jet& x) {
  constexpr Wide scale = 1.0507009873554805L, alpha = 1.6732632423543772L;
  return x.f > 0 ? scaled(scale, x) : scaled(scale * alpha, expm1(x));
}
Jet frac_form(const Jet& x) { return std::isinf(x.f) ? flat(x, NAN) : chain(x, x.f - std::trunc(x.f), 1, 0); }

}  // namespace

std::vector<EdgeForm> edge_forms_of_one() {
  return {
      one(
          "neg", "", [](const Tensor& t) { return -t; }, [](const Jet& v) { return -v; }),
      one(
          "add_number", "x + 3", [](const Tensor& t) { return t + 3.0; }, [](const Jet& v) { return v + Jet(3); }),
      one(
          "mul_number", "-0.75 x", [](const Tensor& t) { return -0.75 * t; },
          [](const Jet& v) { return scaled(-0.75L, v); }),
      one(
          "div_number", "x / 3", [](const Tensor& t) { return t / 3.0; },
          [](const Jet& v) { return chain(v, v.f / 3, 1 / 3.0L, 0); }),
      one(
          "number_div", "2 / x", [](const Tensor& t) { return 2.0 / t; },
          [](const Jet& v) { return scaled(2, reciprocal(v)); }),
      one(
          "affine", "1 - x", [](const Tensor& t) { return 1.0 - t; }, [](const Jet& v) { return Jet(1) - v; }),
      one("abs", "", abs, [](const Jet& v) { return abs(v); }),
      one("sign", "", sign, [](const Jet& v) { return flat(v, v.f > 0   ? 1
                                                              : v.f < 0 ? -1
                                                                        : 0); }),
      one("square", "", square, [](const Jet& v) { return square(v); }),
      one("sqrt", "", sqrt, [](const Jet& v) { return sqrt(v); }),
      one("cbrt", "", cbrt, [](const Jet& v) { return cbrt(v); }),
      one("exp", "", exp, [](const Jet& v) { return exp(v); }),
      one("log", "", log, [](const Jet& v) { return log(v); }),
      one(
          "clamp", "-0.5, 1", [](const Tensor& t) { return clamp(t, -0.5, 1); },
          [](const Jet& v) { return clamped(v, -0.5L, 1, true); }),
      one(
          "pow_number", "x^3", [](const Tensor& t) { return pow(t, 3.0); }, [](const Jet& v) { return pow(v, 3); }),
      one(
          "pow_number", "x^-1.5", [](const Tensor& t) { return pow(t, -1.5); }, [](const Jet& v) { return pow(v, -1.5L); }),
      one(
          "pow_number", "x^0.5", [](const Tensor& t) { return pow(t, 0.5); }, [](const Jet& v) { return pow(v, 0.5L); }),
      one(
          "pow_number", "x^1", [](const Tensor& t) { return pow(t, 1.0); }, [](const Jet& v) { return v; }),
      one(
          "pow_number", "x^2", [](const Tensor& t) { return pow(t, 2.0); }, [](const Jet& v) { return square(v); }),
      one(
          "pow_number", "x^0", [](const Tensor& t) { return pow(t, 0.0); }, [](const Jet& v) { return flat(v, 1); }),
      one("log1p", "", log1p, [](const Jet& v) { return log1p(v); }),
      one("expm1", "", expm1, [](const Jet& v) { return expm1(v); }),
      one("exp2", "", exp2,
          [](const Jet& v) { return chain(v, std::exp2(v.f), ln2 * std::exp2(v.f), ln2 * ln2 * std::exp2(v.f)); }),
      one("log2", "", log2, [](const Jet& v) { return chain(v, std::log2(v.f), 1 / (ln2 * v.f), -1 / (ln2 * v.f) / v.f); }),
      one("log10", "", log10,
          [](const Jet& v) { return chain(v, std::log10(v.f), 1 / (ln10 * v.f), -1 / (ln10 * v.f) / v.f); }),
      one("rsqrt", "", rsqrt,
          [](const Jet& v) {
            const Wide r = 1 / std::sqrt(v.f);
            return chain(v, r, -0.5L * r / v.f, 0.75L * r / v.f / v.f);
          }),
      one("reciprocal", "", reciprocal, [](const Jet& v) { return reciprocal(v); }),
      one("erf", "", erf, [](const Jet& v) { return erf(v); }),
      one("erfc", "", erfc, [](const Jet& v) { return erfc(v); }),
      wave("sin", sin, [](const Jet& v) { return sin(v); }),
      wave("cos", cos, [](const Jet& v) { return cos(v); }),
      wave("tan", tan, [](const Jet& v) { return tan(v); }),
      one("asin", "", asin, [](const Jet& v) { return asin(v); }),
      one("acos", "", acos, [](const Jet& v) { return acos(v); }),
      one("atan", "", atan, [](const Jet& v) { return atan(v); }),
      one("sinh", "", sinh, [](const Jet& v) { return sinh(v); }),
      one("cosh", "", cosh, [](const Jet& v) { return cosh(v); }),
      one("asinh", "", asinh, [](const Jet& v) { return asinh(v); }),
      one("acosh", "", acosh, [](const Jet& v) { return acosh(v); }),
      one("atanh", "", atanh, [](const Jet& v) { return atanh(v); }),
      one("floor", "", floor, [](const Jet& v) { return flat(v, std::floor(v.f)); }),
      one("ceil", "", ceil, [](const Jet& v) { return flat(v, std::ceil(v.f)); }),
      one("trunc", "", trunc, [](const Jet& v) { return flat(v, std::trunc(v.f)); }),
      one("round", "", round, [](const Jet& v) { return flat(v, std::nearbyint(v.f)); }),
      wave("frac", frac, frac_form),
      one("tanh", "", tanh, [](const Jet& v) { return tanh(v); }),
      one("sigmoid", "", sigmoid, [](const Jet& v) { return sigmoid(v); }),
      one(
          "relu", "", [](const Tensor& t) { return relu(t); }, relu_form),
      one(
          "leaky_relu", "0.125", [](const Tensor& t) { return leaky_relu(t, 0.125); },
          [](const Jet& v) { return v.f > 0 ? v : scaled(0.125L, v); }),
      one(
          "elu", "1.25", [](const Tensor& t) { return elu(t, 1.25); },
          [](const Jet& v) { return v.f > 0 ? v : scaled(1.25L, expm1(v)); }),
      one(
          "elu", "1", [](const Tensor& t) { return elu(t); }, [](const Jet& v) { return v.f > 0 ? v : expm1(v); }),
      one("gelu", "", gelu, gelu_form),
      one("gelu_tanh", "", gelu_tanh, gelu_tanh_form),
      one("silu", "", silu, [](const Jet& v) { return v * sigmoid(v); }),
      one("softplus", "", softplus, softplus_form),
      one("mish", "", mish, mish_form),
      one("softsign", "", softsign,
          [](const Jet& v) {
            const Wide d = 1 + std::fabs(v.f);
            return chain(v, v.f / d, 1 / d / d, (v.f < 0 ? 2 : -2) / d / d / d);
          }),
      one("logsigmoid", "", logsigmoid, [](const Jet& v) { return -softplus_form(-v); }),
      one("tanhshrink", "", tanhshrink, tanhshrink_form),
      one(
          "hardtanh", "", [](const Tensor& t) { return hardtanh(t); },
          [](const Jet& v) { return clamped(v, -1, 1, false); }),
      one("relu6", "", relu6, [](const Jet& v) { return clamped(v, 0, 6, false); }),
      one("hardsigmoid", "", hardsigmoid,
          [](const Jet& v) {
            return v.f <= -3 ? flat(v, 0) : v.f >= 3 ? flat(v, 1) : chain(v, (v.f + 3) / 6, 1 / 6.0L, 0);
          }),
      one("hardswish", "", hardswish, hardswish_form),
      one(
          "hardshrink", "0.5", [](const Tensor& t) { return hardshrink(t, 0.5); },
          [](const Jet& v) { return std::fabs(v.f) <= 0.5L ? flat(v, 0) : v; }),
      one(
          "softshrink", "0.5", [](const Tensor& t) { return softshrink(t, 0.5); },
          [](const Jet& v) { return v.f > 0.5L    ? v - Jet(0.5L)
                                    : v.f < -0.5L ? v + Jet(0.5L)
                                                  : flat(v, 0); }),
      one(
          "threshold", "0.25, -1.5", [](const Tensor& t) { return threshold(t, 0.25, -1.5); },
          [](const Jet& v) { return v.f > 0.25L ? v : flat(v, -1.5L); }),
      one("selu", "", selu, selu_form),
      one(
          "celu", "1.25", [](const Tensor& t) { return celu(t, 1.25); },
          [](const Jet& v) {
            return v.f > 0 ? v
                           : chain(v, 1.25L * std::expm1(v.f / 1.25L), std::exp(v.f / 1.25L), std::exp(v.f / 1.25L) / 1.25L);
          }),
  };
}

}  // namespace gradus::tools
