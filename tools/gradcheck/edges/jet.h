// Jet: a number in long double with its derivatives along two directions, and along both: f + a s + b t + c s t. Closed
// forms that are read with Jets give values, gradients and second derivatives without a formula for each.
#pragma once

#include <cmath>

namespace gradus::tools {

using Wide = long double;

/// x y, and 0 where a derivative is 0: what does not move does not matter, even behind an infinite slope.
inline Wide times(Wide x, Wide derivative) { return derivative == 0 ? 0 : x * derivative; }

struct Jet {
  Wide f = 0, a = 0, b = 0, c = 0;
  Jet() = default;
  Jet(Wide value) : f(value) {}
  Jet(Wide value, Wide along_s, Wide along_t, Wide along_both) : f(value), a(along_s), b(along_t), c(along_both) {}

  /// A function of one number, from its value and its first two derivatives.
  friend Jet chain(const Jet& x, Wide y, Wide d, Wide dd) {
    return {y, times(d, x.a), times(d, x.b), times(d, x.c) + times(dd, times(x.a, x.b))};
  }

  friend Jet operator+(const Jet& x, const Jet& y) { return {x.f + y.f, x.a + y.a, x.b + y.b, x.c + y.c}; }
  friend Jet operator-(const Jet& x, const Jet& y) { return {x.f - y.f, x.a - y.a, x.b - y.b, x.c - y.c}; }
  friend Jet operator-(const Jet& x) { return {-x.f, -x.a, -x.b, -x.c}; }
  friend Jet operator*(const Jet& x, const Jet& y) {
    return {x.f * y.f, times(y.f, x.a) + times(x.f, y.a), times(y.f, x.b) + times(x.f, y.b),
            times(y.f, x.c) + times(x.f, y.c) + times(x.a, y.b) + times(x.b, y.a)};
  }
  friend Jet reciprocal(const Jet& x) { return chain(x, 1 / x.f, -1 / x.f / x.f, 2 / x.f / x.f / x.f); }
  friend Jet operator/(const Jet& x, const Jet& y) {
    Jet q = x * reciprocal(y);
    q.f = x.f / y.f;
    return q;
  }

  friend Jet square(const Jet& x) { return x * x; }
  friend Jet sqrt(const Jet& x) {
    const Wide y = std::sqrt(x.f);
    return chain(x, y, 0.5L / y, -0.25L / y / x.f);
  }
  friend Jet cbrt(const Jet& x) {
    const Wide y = std::cbrt(x.f);
    return chain(x, y, 1 / (3 * y * y), -2 / (9 * y * y * x.f));
  }
  friend Jet exp(const Jet& x) {
    const Wide y = std::exp(x.f);
    return chain(x, y, y, y);
  }
  friend Jet expm1(const Jet& x) { return chain(x, std::expm1(x.f), std::exp(x.f), std::exp(x.f)); }
  friend Jet log(const Jet& x) { return chain(x, std::log(x.f), 1 / x.f, -1 / x.f / x.f); }
  friend Jet log1p(const Jet& x) { return chain(x, std::log1p(x.f), 1 / (1 + x.f), -1 / (1 + x.f) / (1 + x.f)); }
  friend Jet pow(const Jet& x, Wide p) {
    if (p == 0) return {1};
    return chain(x, std::pow(x.f, p), p * std::pow(x.f, p - 1), p * (p - 1) == 0 ? 0 : p * (p - 1) * std::pow(x.f, p - 2));
  }
  friend Jet sin(const Jet& x) { return chain(x, std::sin(x.f), std::cos(x.f), -std::sin(x.f)); }
  friend Jet cos(const Jet& x) { return chain(x, std::cos(x.f), -std::sin(x.f), -std::cos(x.f)); }
  friend Jet tan(const Jet& x) {
    const Wide y = std::tan(x.f);
    return chain(x, y, 1 + y * y, 2 * y * (1 + y * y));
  }
  friend Jet asin(const Jet& x) {
    const Wide d = (1 - x.f) * (1 + x.f);
    return chain(x, std::asin(x.f), 1 / std::sqrt(d), x.f / std::sqrt(d) / d);
  }
  friend Jet acos(const Jet& x) {
    Jet y = -asin(x);
    y.f = std::acos(x.f);
    return y;
  }
  friend Jet atan(const Jet& x) {
    const Wide d = 1 / (1 + x.f * x.f);
    return chain(x, std::atan(x.f), d, -2 * x.f * d * d);
  }
  friend Jet sinh(const Jet& x) { return chain(x, std::sinh(x.f), std::cosh(x.f), std::sinh(x.f)); }
  friend Jet cosh(const Jet& x) { return chain(x, std::cosh(x.f), std::sinh(x.f), std::cosh(x.f)); }
  friend Jet tanh(const Jet& x) {
    const Wide y = std::tanh(x.f), d = 1 / std::cosh(x.f) / std::cosh(x.f);
    return chain(x, y, d, -2 * y * d);
  }
  friend Jet asinh(const Jet& x) {
    const Wide h = std::hypot(x.f, 1.0L);
    return chain(x, std::asinh(x.f), 1 / h, -x.f / h / h / h);
  }
  friend Jet acosh(const Jet& x) {
    const Wide h = std::sqrt(x.f - 1) * std::sqrt(x.f + 1);
    return chain(x, std::acosh(x.f), 1 / h, -x.f / h / h / h);
  }
  friend Jet atanh(const Jet& x) {
    const Wide d = (1 - x.f) * (1 + x.f);
    return chain(x, std::atanh(x.f), 1 / d, 2 * x.f / d / d);
  }
  friend Jet erf(const Jet& x) {
    constexpr Wide k = 1.128379167095512573896158903121545172L;  // 2 / sqrt(pi)
    const Wide d = k * std::exp(-x.f * x.f);
    return chain(x, std::erf(x.f), d, d == 0 ? 0 : -2 * x.f * d);
  }
  friend Jet erfc(const Jet& x) {
    Jet y = -erf(x);
    y.f = std::erfc(x.f);
    return y;
  }
  friend Jet sigmoid(const Jet& x) {
    const Wide e = std::exp(-std::fabs(x.f)), y = x.f < 0 ? e / (1 + e) : 1 / (1 + e), d = e / (1 + e) / (1 + e);
    return chain(x, y, d, d * (1 - e) / (1 + e) * (x.f < 0 ? 1 : -1));
  }
  /// 0 at 0, as PyTorch's.
  friend Jet abs(const Jet& x) { return chain(x, std::fabs(x.f), x.f > 0 ? 1 : x.f < 0 ? -1 : 0, 0); }
  /// The value y, and no slope.
  friend Jet flat(const Jet& x, Wide y) { return chain(x, y, 0, 0); }
};

}  // namespace gradus::tools
