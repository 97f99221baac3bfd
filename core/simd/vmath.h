// exp log tanh sigmoid erf cbrt pow, and forms of them that stay accurate near 0 and in the tails, for packs. fma is written
// out, so AVX2 and AVX-512, g++ and clang do the same arithmetic.
// f32: own minimax polynomials; the largest errors over a sample of all floats, in ULP, are named at each function.
// f64 (gradient checks, reference definitions): the C library, lane by lane, except cbrt.
#pragma once

#include <gradus/core/simd/cube_root.h>
#include <gradus/core/simd/pack.h>

#include <limits>

namespace gradus {
inline namespace GRADUS_ISA {

namespace vmath {

using Float = pack<float>;
using Bits = Register<float>::bits;

GRADUS_INLINE Float polynomial(Float, Float c) { return c; }
/// Horner's rule, highest coefficient first.
template <class... Rest> GRADUS_INLINE Float polynomial(Float x, Float c0, Float c1, Rest... rest) {
  return polynomial(x, fma(c0, x, c1), rest...);
}

/// p * 2^n for integral n in [-160, 160], with one rounding also into the subnormals.
GRADUS_INLINE Float scale(Float p, Float n) {
#if GRADUS_VECTOR_BYTES == 64
  return Float::R(_mm512_maskz_scalef_ps(__mmask16(-1), p.r, n.r));
#else
  const Bits whole = __builtin_convertvector(n.r, Bits), half = whole >> 1;
  const Bits first = (half + 127) << 23, second = (whole - half + 127) << 23;
  return p.r * reinterpret_cast<Float::R>(first) * reinterpret_cast<Float::R>(second);
#endif
}

template <class F> GRADUS_INLINE pack<double> lanes(F f, pack<double> a) {
  for (int i = 0; i < pack<double>::width; ++i) a.r[i] = f(a.r[i]);
  return a;
}

}  // namespace vmath

namespace vmath {

struct Exponent {
  Float n, rest;
};  ///< e^x = 2^n (1 + rest)
GRADUS_INLINE Exponent exponent(Float x) {
  x = max(Float(-105), min(Float(89), x));
  const Float round(12582912);  // adding 1.5 * 2^23 rounds to an integer
  const Float n = fma(x, 1.44269504088896341, round) - round;
  const Float r = fma(n, -1.42860677e-06, fma(n, -0.693145752, x));  // ln 2 in two parts
  const Float q = polynomial(r, 0.00138145336, 0.00836872309, 0.041668389, 0.166665211, 0.49999994);
  return {n, fma(r * r, q, r)};
}

/// log((1 + f) 2^n) for 1 + f in [sqrt 1/2, sqrt 2).
GRADUS_INLINE Float log_of(Float f, Float n) {
  const Float p = polynomial(f, 0.0674943104, -0.116783507, 0.118883193, -0.124050878, 0.142194554, -0.166680261,
                             0.200021252, -0.250000089, 0.333333135);
  const Float y = fma(f * f, fma(f, p, -0.5), n * -2.12194440e-4);  // ln 2 = 0.693359375 - 2.1219444e-4
  return fma(n, 0.693359375, f + y);
}

}  // namespace vmath

/// e^x, <= 1.0 ULP.
GRADUS_INLINE pack<float> exp(pack<float> x) {
  const auto [n, rest] = vmath::exponent(x);
  return vmath::scale(rest + 1.0, n);
}

/// e^x - 1 for x <= 0, <= 1.1 ULP.
GRADUS_INLINE pack<float> expm1_below_0(pack<float> x) {
  const auto [n, rest] = vmath::exponent(x);
  const pack<float> power = vmath::scale(1.0, n);
  return fma(power, rest, power - 1.0);
}

/// Natural logarithm, <= 0.8 ULP; log(0) = -inf, log(negative) = NaN.
GRADUS_INLINE pack<float> log(pack<float> x) {
  using P = pack<float>;
  using vmath::Bits;
  const mask<float> tiny = x < P(1.17549435e-38);
  const P normal = select(tiny, x * 8388608.0, x);
  // Puts the mantissa into [sqrt 1/2, sqrt 2). Below zero the result is NaN, but the subtraction must not overflow.
  const Bits bits = reinterpret_cast<Bits>(abs(normal).r) - 0x3f3504f3;
  const P e = P(__builtin_convertvector(bits >> 23, P::R)) - select(tiny, P(23), P(0));
  const P f = P(reinterpret_cast<P::R>((bits & 0x7fffff) + 0x3f3504f3)) - 1.0;
  P y = vmath::log_of(f, e);
  const float inf = std::numeric_limits<float>::infinity();
  y = select(x > P(3.402823466e38), P(inf), y);
  y = select(x > P(0), y, P(std::numeric_limits<float>::quiet_NaN()));
  return select(x == P(0), P(-inf), y);
}

/// log(1 + x) for x in [0, 1], <= 1.4 ULP.
GRADUS_INLINE pack<float> log1p_within_1(pack<float> x) {
  using P = pack<float>;
  const mask<float> far = x > P(0.41421356);
  return vmath::log_of(select(far, (x - 1.0) * 0.5, x), select(far, P(1), P(0)));
}

/// The hyperbolic tangent, <= 1.3 ULP.
GRADUS_INLINE pack<float> tanh(pack<float> x) {
  using P = pack<float>;
  const P z = abs(x), u = x * x;
  const P small = vmath::polynomial(u, -0.00570478523, 0.0206388887, -0.0537396483, 0.133314416, -0.333332807);
  const P large = P(1) - P(2) / (exp(z + z) + 1.0);
  return select(z < P(0.625), fma(x * u, small, x), copysign(large, x));
}

/// 1 / (1 + e^-x), <= 2.3 ULP, also in the far negative tail.
GRADUS_INLINE pack<float> sigmoid(pack<float> x) {
  const pack<float> e = exp(-abs(x));
  return select(x < pack<float>(0), e, pack<float>(1)) / (e + 1.0);
}

/// The error function, <= 1.2 ULP.
GRADUS_INLINE pack<float> erf(pack<float> x) {
  using P = pack<float>;
  const P z = abs(x), t = min(P(4), z), u = x * x;
  const P p = vmath::polynomial(u, 7.85377633e-05, -0.000801016809, 0.00518832495, -0.026853811, 0.112835854, -0.37612626,
                                0.128379166);
  const P q = vmath::polynomial(t, 2.1296654e-07, -2.47665685e-05, 0.000460431766, -0.00427088421, 0.0253494345,
                                -0.108607255, -0.633065224, -1.12964952, 0.000202109251);
  return select(z < P(1), fma(x, p, x), copysign(P(1) - exp(q), x));
}

/// e^(factor x^2), factor being -1 or -1/2, <= 2 ULP also far out, where the digits that x * x rounds away matter.
template <class T> GRADUS_INLINE pack<T> exp_square(pack<T> x, double factor) {
  x = min(pack<T>(40), abs(x));
  const pack<T> square = x * x, lost = factor * fma(x, x, -square), y = exp(factor * square);
  return fma(y, lost, y);
}

/// factor times the probability that a normal number is above x, for x >= 0, <= 5 ULP. The quotient is the Mills ratio of x
/// over sqrt(2 pi), within 2^-26.
GRADUS_INLINE pack<float> normal_tail(pack<float> x, pack<float> factor) {
  using P = pack<float>;
  const P z = min(P(14.8), x);
  const P above = vmath::polynomial(z, 0.003706513653, 0.03801278598, 0.1756901043, 0.4284797345, 0.4999999977);
  const P below = vmath::polynomial(z, 0.009290689316, 0.09529240164, 0.4494911794, 1.171755526, 1.654843832, 1.0);
  return factor * (above / below) * exp_square(x, -0.5);
}

template <class T> GRADUS_INLINE pack<T> third_of_exponent(pack<T> x) {
  using P = pack<T>;
  const P bits = __builtin_convertvector(reinterpret_cast<typename P::Bits>(x.r), typename P::R);
  return reinterpret_cast<typename P::R>(__builtin_convertvector((bits * (1.0 / 3) + third_of_bias<T>).r, typename P::Bits));
}
template <class T> GRADUS_INLINE pack<T> cbrt(pack<T> x) { return cube_root(x); }

/// a^b, lane by lane: exp(b log a) would lose digits.
inline pack<float> pow(pack<float> a, pack<float> b) {
  for (int i = 0; i < pack<float>::width; ++i) a.r[i] = std::pow(a.r[i], b.r[i]);
  return a;
}

inline pack<double> exp(pack<double> a) {
  return vmath::lanes([](double x) { return std::exp(x); }, a);
}
inline pack<double> log(pack<double> a) {
  return vmath::lanes([](double x) { return std::log(x); }, a);
}
inline pack<double> tanh(pack<double> a) {
  return vmath::lanes([](double x) { return std::tanh(x); }, a);
}
inline pack<double> erf(pack<double> a) {
  return vmath::lanes([](double x) { return std::erf(x); }, a);
}
inline pack<double> sigmoid(pack<double> a) {
  return vmath::lanes(
      [](double x) {
        const double e = std::exp(-std::fabs(x));
        return (x < 0 ? e : 1.0) / (1.0 + e);
      },
      a);
}
inline pack<double> expm1_below_0(pack<double> a) {
  return vmath::lanes([](double x) { return std::expm1(x); }, a);
}
inline pack<double> log1p_within_1(pack<double> a) {
  return vmath::lanes([](double x) { return std::log1p(x); }, a);
}
inline pack<double> normal_tail(pack<double> a, pack<double> factor) {
  const pack<double> tail = vmath::lanes(
      [](double x) {
        const double root = 0.70710678118654752, t = x * root, lost = std::fma(x, root, -t) - 4.8336466567264567e-17 * x;
        return 0.5 * std::erfc(t) -
               0.56418958354775629 * std::exp(-t * t) * lost;  // erfc has the slope -2 / sqrt(pi) e^(-t^2)
      },
      min(pack<double>(40), a));
  return factor * tail;
}
inline pack<double> pow(pack<double> a, pack<double> b) {
  for (int i = 0; i < pack<double>::width; ++i) a.r[i] = std::pow(a.r[i], b.r[i]);
  return a;
}

}  // namespace GRADUS_ISA
}  // namespace gradus
