// Elementwise ops of two tensors.
#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>

namespace gradus::tools {
namespace {

using BinaryOp = Tensor (*)(const Tensor&, const Tensor&);
using BinaryForm = Jet (*)(const Jet&, const Jet&);

EdgeForm two(const char* op, BinaryOp call, BinaryForm form) {
  return {op,
          "",
          2,
          0,
          false,
          [call](const std::vector<Tensor>& x) { return call(x[0], x[1]); },
          [form](std::span<const Jet> x) { return std::vector<Jet>{form(x[0], x[1])}; }};
}

/// A function of two numbers, from its value and its partial derivatives.
Jet chain(const Jet& x, const Jet& y, Wide f, Wide fx, Wide fy, Wide fxx, Wide fxy, Wide fyy) {
  return {f, times(fx, x.a) + times(fy, y.a), times(fx, x.b) + times(fy, y.b),
          times(fx, x.c) + times(fy, y.c) + times(fxx, times(x.a, x.b)) + times(fyy, times(y.a, y.b)) +
              times(fxy, times(x.a, y.b)) + times(fxy, times(x.b, y.a))};
}

/// 0 at the origin, as PyTorch's.
Jet atan2_form(const Jet& y, const Jet& x) {
  const Wide r = std::hypot(x.f, y.f), f = std::atan2(y.f, x.f);
  if (r == 0) return chain(y, x, f, 0, 0, 0, 0, 0);
  const Wide s = y.f / r, c = x.f / r;
  return chain(y, x, f, c / r, -s / r, -2 * s / r * c / r, (s * s - c * c) / r / r, 2 * s / r * c / r);
}
Jet hypot_form(const Jet& x, const Jet& y) {
  const Wide r = std::hypot(x.f, y.f);
  if (r == 0) return chain(x, y, 0, 0, 0, 0, 0, 0);
  const Wide s = y.f / r, c = x.f / r;
  return chain(x, y, r, c, s, s * s / r, -s * c / r, c * c / r);
}
/// d/da is b a^(b-1), 0 where b is 0; d/db is a^b log a, 0 where a is 0 and b is not negative: both as PyTorch's.
Jet pow_form(const Jet& a, const Jet& b) {
  const Wide f = std::pow(a.f, b.f);
  const Wide fa = b.f == 0 ? 0 : b.f * std::pow(a.f, b.f - 1);
  const Wide fb = a.f == 0 && b.f >= 0 ? 0 : f * std::log(a.f);
  return chain(a, b, f, fa, fb, NAN, NAN, NAN);
}
Jet xlogy_form(const Jet& a, const Jet& b) {
  if (a.f == 0)
    return chain(a, b, 0, b.f <= 0 ? 0 : std::log(b.f), 0, 0, b.f <= 0 ? NAN : 1 / b.f, 0);  // PyTorch's 0 where b <= 0
  return chain(a, b, a.f * std::log(b.f), std::log(b.f), a.f / b.f, 0, 1 / b.f, -a.f / b.f / b.f);
}
Jet logaddexp_form(const Jet& a, const Jet& b) {
  const Wide top = std::fmax(a.f, b.f), low = std::fmin(a.f, b.f);
  const bool same = a.f == b.f;
  const Wide f = same ? top + std::log(2.0L) : top + std::log1p(std::exp(low - top));
  const Wide e = same ? 1 : std::exp(-std::fabs(a.f - b.f)), big = 1 / (1 + e), small = e / (1 + e),
             d = e / (1 + e) / (1 + e);
  return chain(a, b, f, a.f >= b.f ? big : small, b.f >= a.f ? big : small, d, -d, d);
}
/// Equal numbers share the gradient.
Jet extreme(const Jet& a, const Jet& b, bool first) {
  const Wide share = a.f == b.f ? 0.5L : first ? 1 : 0;
  return chain(a, b, first ? a.f : b.f, share, 1 - share, 0, 0, 0);
}
Jet fmod_form(const Jet& a, const Jet& b) {
  const Wide r = std::fmod(a.f, b.f);
  return chain(a, b, r, 1, -std::trunc((a.f - r) / b.f), 0, 0, 0);
}
Jet remainder_form(const Jet& a, const Jet& b) {
  Wide r = std::fmod(a.f, b.f);
  if (r != 0 && (r < 0) != (b.f < 0)) r += b.f;
  return chain(a, b, r, 1, -(a.f - r) / b.f, 0, 0, 0);
}

}  // namespace

std::vector<EdgeForm> edge_forms_of_two() {
  return {
      two("add", operator+, [](const Jet& a, const Jet& b) { return a + b; }),
      two("sub", operator-, [](const Jet& a, const Jet& b) { return a - b; }),
      two("mul", operator*, [](const Jet& a, const Jet& b) { return a * b; }),
      two("div", operator/,
          [](const Jet& a, const Jet& b) {
            const Wide q = a.f / b.f;
            return chain(a, b, q, 1 / b.f, -q / b.f, 0, -1 / b.f / b.f, 2 * q / b.f / b.f);
          }),
      two("pow", pow, pow_form),
      two("maximum", maximum, [](const Jet& a, const Jet& b) { return extreme(a, b, a.f > b.f); }),
      two("minimum", minimum, [](const Jet& a, const Jet& b) { return extreme(a, b, a.f < b.f); }),
      two("atan2", atan2, atan2_form),
      two("hypot", hypot, hypot_form),
      two("fmod", fmod, fmod_form),
      two("remainder", remainder, remainder_form),
      two("logaddexp", logaddexp, logaddexp_form),
      two("xlogy", xlogy, xlogy_form),
      two(
          "where", [](const Tensor& a, const Tensor& b) { return where(a == a, a, b); },
          [](const Jet& a, const Jet&) { return a; }),
      two(
          "glu",
          [](const Tensor& a, const Tensor& b) {
            return glu(cat({a, b}, 0), 0);
          },
          [](const Jet& a, const Jet& b) { return a * sigmoid(b); }),
  };
}

}  // namespace gradus::tools
