// Trigonometric, hyperbolic and related functions for packs. f32: evaluated in f64, where plain series and formulas are
// accurate enough that the result is rounded once, <= 0.51 ULP. f64: the C library, lane by lane. fma is written out, so
// AVX2 and AVX-512, g++ and clang do the same arithmetic.
#pragma once

#include <gradus/core/simd/pack.h>

#include <limits>

namespace gradus {
inline namespace GRADUS_ISA {

namespace vmath {

using Wide = pack<double>;
using WideBits = Register<double>::bits;

GRADUS_INLINE Wide series(Wide, Wide c) { return c; }
/// Horner's rule, highest coefficient first.
template <class... Rest> GRADUS_INLINE Wide series(Wide x, Wide c0, Wide c1, Rest... rest) {
  return series(x, fma(c0, x, c1), rest...);
}

/// f over the lanes of x, each as a double.
template <class F> GRADUS_INLINE pack<float> widened(F f, pack<float> x) {
  typedef float Half __attribute__((vector_size(GRADUS_VECTOR_BYTES / 2)));
  Half half[2];
  std::memcpy(half, &x.r, sizeof half);
#pragma GCC unroll 1
  for (int i = 0; i < 2; ++i) {
    const Wide y = f(Wide(__builtin_convertvector(half[i], Wide::R)));
    half[i] = __builtin_convertvector(y.r, Half);
  }
  std::memcpy(&x.r, half, sizeof half);
  return x;
}

/// f lane by lane, in any precision that the C library has.
template <class T, class F> GRADUS_INLINE pack<T> each_lane(F f, pack<T> a) {
  for (int i = 0; i < pack<T>::width; ++i) a.r[i] = f(a.r[i]);
  return a;
}
template <class T, class F> GRADUS_INLINE pack<T> each_lane(F f, pack<T> a, pack<T> b) {
  for (int i = 0; i < pack<T>::width; ++i) a.r[i] = f(a.r[i], b.r[i]);
  return a;
}

GRADUS_INLINE Wide nearest_whole(Wide x) { return (x + 6755399441055744.0) - 6755399441055744.0; }  // 1.5 * 2^52

/// e^r - 1 on |r| <= ln 2 / 2.
GRADUS_INLINE Wide small_expm1(Wide r) {
  return r *
         series(r, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0);
}
struct Split {
  Wide power, rest;
};  ///< e^x = power (1 + rest)
GRADUS_INLINE Split split_exp(Wide x) {
  x = max(Wide(-200), min(Wide(200), x));  // beyond every f32; NaN stays
  const Wide n = nearest_whole(x * 1.4426950408889634);
  const Wide r = fma(n, -1.9082149292705877e-10, fma(n, -0.69314718036912382, x));  // ln 2 in two parts
  const WideBits whole = reinterpret_cast<WideBits>((n + 6755399441055744.0).r) << 52;
  return {reinterpret_cast<Wide::R>(whole + (std::int64_t(1023) << 52)), small_expm1(r)};
}
GRADUS_INLINE Wide wide_exp(Wide x) {
  const Split s = split_exp(x);
  return fma(s.power, s.rest, s.power);
}
GRADUS_INLINE Wide wide_expm1(Wide x) {
  const Split s = split_exp(x);
  return fma(s.power, s.rest, s.power - 1.0);
}

/// The natural logarithm of doubles that are not subnormal.
GRADUS_INLINE Wide wide_log(Wide x) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  // Puts the mantissa into [sqrt 1/2, sqrt 2). Below zero the result is NaN, but the subtraction must not overflow.
  const WideBits bits = reinterpret_cast<WideBits>(abs(x).r) - 0x3fe6a09e667f3bcd;
  const Wide e(__builtin_convertvector(bits >> 52, Wide::R));
  const Wide m(reinterpret_cast<Wide::R>((bits & 0xfffffffffffff) + 0x3fe6a09e667f3bcd));
  const Wide s = (m - 1.0) / (m + 1.0), u = s * s;
  const Wide p = series(u, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11, 2.0 / 9, 2.0 / 7, 2.0 / 5, 2.0 / 3);
  Wide y = fma(e, 0.69314718055994531, fma(s * u, p, s + s));
  y = select(x == Wide(inf), x, y);
  y = select(x > Wide(0), y, Wide(std::numeric_limits<double>::quiet_NaN()));
  return select(x == Wide(0), Wide(-inf), y);
}
GRADUS_INLINE Wide wide_log1p(Wide x) {
  return select(abs(x) < Wide(1e-4), x * fma(x, fma(x, 1.0 / 3, -0.5), 1.0), wide_log(x + 1.0));
}

/// The sine, with quarter = 1 the cosine, a quarter turn more. For |x| < 2^30.
GRADUS_INLINE Wide wide_sine(Wide x, double quarter) {
  const Wide n = nearest_whole(x * 0.63661977236758134);
  const Wide r = fma(n, -6.1232339957367660e-17, fma(n, -1.5707963267948966, x)), u = r * r;  // pi / 2 in two parts
  const Wide s = fma(r * u, series(u, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6), r);
  const Wide c = fma(u, series(u, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5), 1.0);
  const WideBits turn = reinterpret_cast<WideBits>((n + (6755399441055744.0 + quarter)).r);
  const Wide y = (turn & 1) != 0 ? c.r : s.r;
  return reinterpret_cast<Wide::R>(reinterpret_cast<WideBits>(y.r) ^ ((turn & 2) << 62));
}

GRADUS_INLINE Wide wide_atan(Wide x) {
  const Wide z = abs(x), inverse = select(z > Wide(1), Wide(1) / z, z);
  const mask<double> far = inverse > Wide(0.41421356237309503);
  const Wide t = select(far, (inverse - 1.0) / (inverse + 1.0), inverse), u = t * t;
  const Wide p = series(u, 1.0 / 25, -1.0 / 23, 1.0 / 21, -1.0 / 19, 1.0 / 17, -1.0 / 15, 1.0 / 13, -1.0 / 11, 1.0 / 9,
                        -1.0 / 7, 1.0 / 5, -1.0 / 3);
  Wide y = fma(t * u, p, t) + select(far, Wide(0.78539816339744828), Wide(0));
  y = select(z > Wide(1), Wide(1.5707963267948966) - y, y);
  return copysign(y, x);
}

/// True if f32 arguments are beyond the reduction of wide_sine, or not finite.
GRADUS_INLINE bool any_beyond(pack<float> x) {
  std::int32_t found = 0;
  const auto bits = (!(abs(x) < pack<float>(1073741824.0))).bits;
  for (int i = 0; i < pack<float>::width; ++i) found |= bits[i];
  return found != 0;
}
/// The sine or cosine of arguments that wide_sine cannot reduce; rare, so that its size matters and its speed does not.
[[gnu::noinline]] inline pack<float> far_sine(pack<float> x, bool cosine) {
  return each_lane([cosine](float v) { return static_cast<float>(cosine ? std::cos(double(v)) : std::sin(double(v))); }, x);
}

}  // namespace vmath

// Range of sin, cos and tan: all of f32; |x| >= 2^30 goes to the C library.

GRADUS_INLINE pack<float> sin(pack<float> x) {
  if (vmath::any_beyond(x)) [[unlikely]]
    return vmath::far_sine(x, false);
  return vmath::widened([](vmath::Wide v) { return vmath::wide_sine(v, 0); }, x);
}
GRADUS_INLINE pack<float> cos(pack<float> x) {
  if (vmath::any_beyond(x)) [[unlikely]]
    return vmath::far_sine(x, true);
  return vmath::widened([](vmath::Wide v) { return vmath::wide_sine(v, 1); }, x);
}
GRADUS_INLINE pack<float> tan(pack<float> x) {
  if (vmath::any_beyond(x)) [[unlikely]]
    return vmath::each_lane([](float v) { return static_cast<float>(std::tan(double(v))); }, x);
  return vmath::widened([](vmath::Wide v) { return vmath::wide_sine(v, 0) / vmath::wide_sine(v, 1); }, x);
}
GRADUS_INLINE pack<float> atan(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_atan(v); }, x);
}
GRADUS_INLINE pack<float> asin(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_atan(v / sqrt((1.0 - v) * (1.0 + v))); }, x);
}
GRADUS_INLINE pack<float> acos(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return 2.0 * vmath::wide_atan(sqrt((1.0 - v) / (1.0 + v))); }, x);
}
GRADUS_INLINE pack<float> sinh(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide e = vmath::wide_expm1(abs(v));
        return copysign(0.5 * (e + e / (e + 1.0)), v);
      },
      x);
}
GRADUS_INLINE pack<float> cosh(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide e = vmath::wide_exp(abs(v));
        return 0.5 * (e + 1.0 / e);
      },
      x);
}
GRADUS_INLINE pack<float> asinh(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide z = min(vmath::Wide(1e100), abs(v)), y = vmath::wide_log1p(z + z * z / (1.0 + sqrt(z * z + 1.0)));
        return copysign(select(abs(v) > vmath::Wide(1e100), abs(v), y), v);
      },
      x);
}
GRADUS_INLINE pack<float> acosh(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide t = v - 1.0;
        return vmath::wide_log1p(t + sqrt(t) * sqrt(t + 2.0));  // of one product the root would exist below -1, too
      },
      x);
}
GRADUS_INLINE pack<float> atanh(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide z = abs(v);
        return copysign(0.5 * vmath::wide_log1p(2.0 * z / (1.0 - z)), v);
      },
      x);
}
/// x - tanh x. Near 0 a fraction (Pade's), further out the difference.
GRADUS_INLINE pack<float> tanhshrink(pack<float> x) {
  return vmath::widened(
      [](vmath::Wide v) {
        const vmath::Wide z = abs(v), u = v * v;
        const vmath::Wide near =
            v * u * vmath::series(u, 1.0, 189.0, 3465.0) / vmath::series(u, 1.0, 210.0, 4725.0, 10395.0);
        const vmath::Wide far = v - copysign(1.0 - 2.0 / (vmath::wide_exp(z + z) + 1.0), v);
        return select(z < vmath::Wide(0.5), near, far);
      },
      x);
}
GRADUS_INLINE pack<float> log1p(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_log1p(v); }, x);
}
GRADUS_INLINE pack<float> expm1(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_expm1(v); }, x);
}
GRADUS_INLINE pack<float> exp2(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_exp(v * 0.69314718055994531); }, x);
}
GRADUS_INLINE pack<float> log2(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_log(v) * 1.4426950408889634; }, x);
}
GRADUS_INLINE pack<float> log10(pack<float> x) {
  return vmath::widened([](vmath::Wide v) { return vmath::wide_log(v) * 0.43429448190325183; }, x);
}
GRADUS_INLINE pack<float> hypot(pack<float> a, pack<float> b) {
  return vmath::each_lane(
      [](float x, float y) { return static_cast<float>(std::hypot(static_cast<double>(x), static_cast<double>(y))); }, a, b);
}
GRADUS_INLINE pack<float> erfc(pack<float> x) {
  return vmath::each_lane([](float v) { return static_cast<float>(std::erfc(static_cast<double>(v))); }, x);
}
GRADUS_INLINE pack<float> atan2(pack<float> a, pack<float> b) {
  return vmath::each_lane(
      [](float x, float y) { return static_cast<float>(std::atan2(static_cast<double>(x), static_cast<double>(y))); }, a, b);
}

#define GRADUS_LANES(name)                                             \
  GRADUS_INLINE pack<double> name(pack<double> a) {                    \
    return vmath::each_lane([](double x) { return std::name(x); }, a); \
  }
// clang-format off
GRADUS_LANES(erfc) GRADUS_LANES(sin) GRADUS_LANES(cos) GRADUS_LANES(tan)
GRADUS_LANES(asin) GRADUS_LANES(acos) GRADUS_LANES(atan)
GRADUS_LANES(sinh) GRADUS_LANES(cosh)
GRADUS_LANES(asinh) GRADUS_LANES(acosh) GRADUS_LANES(atanh)
GRADUS_LANES(log1p) GRADUS_LANES(expm1) GRADUS_LANES(exp2) GRADUS_LANES(log2) GRADUS_LANES(log10)
#undef GRADUS_LANES
    // clang-format on
    /// With tanh x = x / (1 + w), w = x^2 / (3 + x^2 / (5 + ...)), the difference is x w / (1 + w): no term cancels another.
    GRADUS_INLINE pack<double> tanhshrink(pack<double> a) {
  return vmath::each_lane(
      [](double x) {
        if (!(std::fabs(x) < 2)) return x - std::tanh(x);
        double w = 0;
        for (int k = 29; k >= 3; k -= 2) w = x * x / (k + w);
        return x * w / (1 + w);
      },
      a);
}
GRADUS_INLINE pack<double> hypot(pack<double> a, pack<double> b) {
  return vmath::each_lane([](double x, double y) { return std::hypot(x, y); }, a, b);
}
GRADUS_INLINE pack<double> atan2(pack<double> a, pack<double> b) {
  return vmath::each_lane([](double x, double y) { return std::atan2(x, y); }, a, b);
}

// Rounding functions and remainders are exact in either precision. round goes to even at a half, as PyTorch's.
template <class T> GRADUS_INLINE pack<T> floor(pack<T> a) {
  return vmath::each_lane([](T x) { return std::floor(x); }, a);
}
template <class T> GRADUS_INLINE pack<T> ceil(pack<T> a) {
  return vmath::each_lane([](T x) { return std::ceil(x); }, a);
}
template <class T> GRADUS_INLINE pack<T> trunc(pack<T> a) {
  return vmath::each_lane([](T x) { return std::trunc(x); }, a);
}
template <class T> GRADUS_INLINE pack<T> round(pack<T> a) {
  return vmath::each_lane([](T x) { return std::nearbyint(x); }, a);
}
template <class T> GRADUS_INLINE pack<T> fmod(pack<T> a, pack<T> b) {
  return vmath::each_lane([](T x, T y) { return std::fmod(x, y); }, a, b);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
