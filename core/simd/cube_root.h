// The cube root as a formula generic in its number type, so that a pack and a single number get the same bits.
#pragma once

#include <limits>

namespace gradus {

/// The cube root, <= 0.9 ULP for pack and num of f32 and f64. Halley's steps t (t + 2q) / (2t + q), q = x / t^2, from
/// third_of_exponent(z), which divides the bits of z by 3 as if they were a logarithm: within 4 %, and each step cubes that.
template <class V> [[gnu::always_inline]] inline V cube_root(V x) {
  using T = typename V::value_type;
  using Limits = std::numeric_limits<T>;
  constexpr bool narrow = sizeof(T) == 4;
  const V a = abs(x);
  const auto tiny = a < V(Limits::min());
  const V z = select(tiny, a * (narrow ? 0x1p24 : 0x1p54), a);
  V t = third_of_exponent(z);
  for (int i = 0; i < (narrow ? 1 : 2); ++i) {
    const V q = z / (t * t);
    t = t * (t + 2.0 * q) / (t + t + q);
  }
  const V q = z / (t * t);
  t = t + t * (q - t) / (t + t + q);
  t = copysign(select(tiny, t * (narrow ? 0x1p-8 : 0x1p-18), t), x);
  return select((x == V(0)) | (a > V(Limits::max())), x, t);
}
/// The addend to bits divided by 3: a third of the exponent's bias, adjusted for the best fit to the curve of the mantissa.
template <class T> inline constexpr double third_of_bias = sizeof(T) == 4 ? 709921077.0 : 3071306043645493248.0;

}  // namespace gradus
