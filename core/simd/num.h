// num<T>: one number that obeys the rules of formulas, for reference definitions and teaching tables.
#pragma once

#include <gradus/core/simd/cube_root.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace gradus {

/// Result of comparing two num.
struct Truth {
  bool value;
  explicit operator bool() const = delete;  // a formula cannot branch on values: write select(condition, a, b)
  friend Truth operator&(Truth a, Truth b) { return {a.value && b.value}; }
  friend Truth operator|(Truth a, Truth b) { return {a.value || b.value}; }
  friend Truth operator!(Truth a) { return {!a.value}; }
};

/// A float or double that meets plain doubles exactly as pack<T> does: the double is rounded once, when they meet.
template <class T> struct num {
  using value_type = T;
  T v;
  num() : v(0) {}
  num(double x) : v(static_cast<T>(x)) {}
  static num of(T x) {
    num n;
    n.v = x;
    return n;
  }

  friend num operator+(num a, num b) { return of(a.v + b.v); }
  friend num operator-(num a, num b) { return of(a.v - b.v); }
  friend num operator*(num a, num b) { return of(a.v * b.v); }
  friend num operator/(num a, num b) { return of(a.v / b.v); }
  friend num operator-(num a) { return of(-a.v); }
  num& operator+=(num b) {
    v += b.v;
    return *this;
  }
  num& operator-=(num b) {
    v -= b.v;
    return *this;
  }
  num& operator*=(num b) {
    v *= b.v;
    return *this;
  }
  num& operator/=(num b) {
    v /= b.v;
    return *this;
  }

  friend Truth operator<(num a, num b) { return {a.v < b.v}; }
  friend Truth operator>(num a, num b) { return {a.v > b.v}; }
  friend Truth operator<=(num a, num b) { return {a.v <= b.v}; }
  friend Truth operator>=(num a, num b) { return {a.v >= b.v}; }
  friend Truth operator==(num a, num b) { return {a.v == b.v}; }
  friend Truth operator!=(num a, num b) { return {a.v != b.v}; }
  friend num select(Truth c, num a, num b) { return c.value ? a : b; }

  friend num sqrt(num a) { return of(std::sqrt(a.v)); }
  friend num third_of_exponent(num a) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    const num bits = of(static_cast<T>(std::bit_cast<Bits>(a.v)));
    return of(std::bit_cast<T>(static_cast<Bits>((bits * (1.0 / 3) + third_of_bias<T>).v)));
  }
  friend num cbrt(num a) { return cube_root(a); }
  friend num abs(num a) { return of(std::fabs(a.v)); }
  friend num copysign(num a, num s) { return of(std::copysign(a.v, s.v)); }
  friend num max(num a, num b) { return select(a == a, of(a.v > b.v ? a.v : b.v), a); }  // NaN if either is, as pack
  friend num min(num a, num b) { return select(a == a, of(a.v < b.v ? a.v : b.v), a); }
  friend num sign(num a) { return select(a > 0, 1, select(a < 0, -1, abs(a))); }
  friend num fma(num a, num b, num c) { return of(std::fma(a.v, b.v, c.v)); }
  friend num exp(num a) { return of(std::exp(a.v)); }
  friend num log(num a) { return of(std::log(a.v)); }
  friend num tanh(num a) { return of(std::tanh(a.v)); }
  friend num pow(num a, num b) { return of(std::pow(a.v, b.v)); }
};

}  // namespace gradus
