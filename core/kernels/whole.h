// Formulas over integers. whole<T> is one integer that obeys the rules of formulas, as num<T> does: every result is exact,
// and what its type cannot hold wraps around (two's complement), so nothing is undefined. A formula over it needs no pack:
// the compiler vectorises the plain loop.
#pragma once

#include <gradus/core/kernels/map.h>
#include <gradus/core/simd/num.h>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace gradus {

inline namespace GRADUS_ISA {

template <class T> struct whole {
  using value_type = T;
  using Bits = std::make_unsigned_t<T>;
  T v;
  whole(double x) : v(static_cast<T>(x)) {}  // the constants of formulas: 0, 1
  static whole of(T x) {
    whole n(0);
    n.v = x;
    return n;
  }
  static whole wrapped(std::uint64_t x) { return of(static_cast<T>(static_cast<Bits>(x))); }

  friend whole operator+(whole a, whole b) { return wrapped(bits(a) + bits(b)); }
  friend whole operator-(whole a, whole b) { return wrapped(bits(a) - bits(b)); }
  friend whole operator*(whole a, whole b) { return wrapped(bits(a) * bits(b)); }
  friend whole operator-(whole a) { return wrapped(0 - bits(a)); }
  friend whole operator&(whole a, whole b) { return wrapped(bits(a) & bits(b)); }
  friend whole operator|(whole a, whole b) { return wrapped(bits(a) | bits(b)); }
  friend whole operator^(whole a, whole b) { return wrapped(bits(a) ^ bits(b)); }
  friend whole operator~(whole a) { return wrapped(~bits(a)); }

  friend Truth operator<(whole a, whole b) { return {a.v < b.v}; }
  friend Truth operator>(whole a, whole b) { return {a.v > b.v}; }
  friend Truth operator<=(whole a, whole b) { return {a.v <= b.v}; }
  friend Truth operator>=(whole a, whole b) { return {a.v >= b.v}; }
  friend Truth operator==(whole a, whole b) { return {a.v == b.v}; }
  friend Truth operator!=(whole a, whole b) { return {a.v != b.v}; }
  friend whole select(Truth c, whole a, whole b) { return c.value ? a : b; }

  friend whole abs(whole a) { return a.v < 0 ? -a : a; }
  friend whole sign(whole a) { return of(static_cast<T>((a.v > 0) - (a.v < 0))); }
  friend whole max(whole a, whole b) { return a.v > b.v ? a : b; }
  friend whole min(whole a, whole b) { return a.v < b.v ? a : b; }
  friend whole floor(whole a) { return a; }
  friend whole ceil(whole a) { return a; }
  friend whole trunc(whole a) { return a; }
  friend whole round(whole a) { return a; }
  /// The remainder of division towards zero, with the sign of a. b is not 0; by -1 it is 0, where the machine would trap.
  friend whole fmod(whole a, whole b) { return minus_one(b) ? of(0) : of(static_cast<T>(a.v % b.v)); }
  /// The quotient rounded towards -infinity, as Python's //. b is not 0.
  friend whole floor_quotient(whole a, whole b) {
    if (minus_one(b)) return -a;
    const bool below = a.v % b.v != 0 && (a.v < 0) != (b.v < 0);
    return of(static_cast<T>(a.v / b.v - below));
  }
  /// The power by repeated squares; n is not negative.
  friend whole pow(whole a, whole n) {
    whole y = of(1);
    for (Bits left = static_cast<Bits>(n.v); left != 0; left = static_cast<Bits>(left >> 1), a = a * a)
      if (left & 1) y = y * a;
    return y;
  }

 private:
  static std::uint64_t bits(whole a) { return static_cast<std::uint64_t>(a.v); }
  static bool minus_one(whole b) { return std::is_signed_v<T> && b.v == static_cast<T>(-1); }
};

/// The loop over n elements, to[0..n) = f(in[0][0..n), ...): as MapPass, but it stays within n.
template <class T, class F, int... k>
void whole_pass(const void* f, void* to, const void* const* in, int64_t n, std::integer_sequence<int, k...>) {
  const F& formula = *static_cast<const F*>(f);
  T* __restrict out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) out[i] = formula(whole<T>::of(static_cast<const T*>(in[k])[i])...).v;
}

}  // namespace GRADUS_ISA

/// Runs the loop of the inputs' dtype, i64 or u8, into a new Array. Bools are read and written as the bytes 0 and 1.
Array map_integers(const Array* const* in, int count, MapPass longs, MapPass bytes, const void* f);

/// An Array f(in...) of integers or bools. All inputs have the first one's shape and dtype, which is the result's.
template <class F, class... In> Array map_whole(F f, const In&... in) {
  using Places = std::make_integer_sequence<int, sizeof...(In)>;
  const Array* all[] = {&in...};
  const MapPass longs = [](const void* g, void* to, const void* const* from, int64_t n) {
    whole_pass<int64_t, F>(g, to, from, n, Places());
  };
  const MapPass bytes = [](const void* g, void* to, const void* const* from, int64_t n) {
    whole_pass<std::uint8_t, F>(g, to, from, n, Places());
  };
  return map_integers(all, sizeof...(In), longs, bytes, &f);
}

}  // namespace gradus
