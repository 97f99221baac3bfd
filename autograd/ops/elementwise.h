// Elementwise ops. They broadcast as NumPy does; a plain number takes the dtype of the tensor it meets. Arithmetic of
// integers is exact and wraps around; / makes them f32, and so does a plain number like 0.5 or 2.0
// (docs/decisions/integers.md).
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>

namespace gradus {

// ---- arithmetic (ops/arithmetic.cpp) ----
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(const Tensor& a, double b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(const Tensor& a, double b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(const Tensor& a, double b);
Tensor operator/(double a, const Tensor& b);
Tensor operator-(const Tensor& a);
Tensor operator%(const Tensor& a, const Tensor& b);  ///< remainder: the sign of b, as in Python and PyTorch, not as in C++
// A plain integer counts as a real beside reals, and keeps the dtype of integers.
template <std::integral I> Tensor operator+(const Tensor& a, I b) {
  return is_real(a.dtype()) ? a + static_cast<double>(b) : a + Tensor(b);
}
template <std::integral I> Tensor operator+(I a, const Tensor& b) {
  return is_real(b.dtype()) ? static_cast<double>(a) + b : Tensor(a) + b;
}
template <std::integral I> Tensor operator-(const Tensor& a, I b) {
  return is_real(a.dtype()) ? a - static_cast<double>(b) : a - Tensor(b);
}
template <std::integral I> Tensor operator-(I a, const Tensor& b) {
  return is_real(b.dtype()) ? static_cast<double>(a) - b : Tensor(a) - b;
}
template <std::integral I> Tensor operator*(const Tensor& a, I b) {
  return is_real(a.dtype()) ? a * static_cast<double>(b) : a * Tensor(b);
}
template <std::integral I> Tensor operator*(I a, const Tensor& b) {
  return is_real(b.dtype()) ? static_cast<double>(a) * b : Tensor(a) * b;
}
template <std::integral I> Tensor operator/(const Tensor& a, I b) { return a / static_cast<double>(b); }
template <std::integral I> Tensor operator/(I a, const Tensor& b) { return static_cast<double>(a) / b; }
// Compound assignments are not in place: the name gets the new result, no leaf. To write into a leaf: Tensor::writable().
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
Tensor pow(const Tensor& a, double exponent);
Tensor pow(const Tensor& a, const Tensor& exponent);  ///< a >= 0 where the exponent's gradient is wanted
template <std::integral I> Tensor pow(const Tensor& a, I exponent) {
  return is_real(a.dtype()) ? pow(a, static_cast<double>(exponent)) : pow(a, Tensor(exponent));
}
Tensor max(const Tensor& a, const Tensor& b);  ///< NaN if either is; at a tie each gets half of the gradient
Tensor min(const Tensor& a, const Tensor& b);
/// max(x, 0.0) is elementwise, as in a formula; max(x, 0) is the largest along axis 0.
template <std::floating_point F> Tensor max(const Tensor& a, F b) { return max(a, Tensor(static_cast<double>(b))); }
template <std::floating_point F> Tensor min(const Tensor& a, F b) { return min(a, Tensor(static_cast<double>(b))); }
inline Tensor maximum(const Tensor& a, const Tensor& b) { return max(a, b); }
inline Tensor minimum(const Tensor& a, const Tensor& b) { return min(a, b); }
Tensor abs(const Tensor& x);   ///< gradient 0 at 0
Tensor sign(const Tensor& x);  ///< gradient 0; NaN of NaN
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor cbrt(const Tensor& x);  ///< cube root, also of negative numbers
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor clamp(const Tensor& x, double low, double high);  ///< gradient 0 outside [low, high]
Tensor clamp_integers(const Tensor& x, int64_t low, int64_t high);
template <std::integral A, std::integral B> Tensor clamp(const Tensor& x, A low, B high) {
  return is_real(x.dtype()) ? clamp(x, static_cast<double>(low), static_cast<double>(high))
                            : clamp_integers(x, static_cast<int64_t>(low), static_cast<int64_t>(high));
}

// ---- comparison: bool constants, never recorded; exact where integers are compared, with reals too ----
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
// Operators on bools are logical, on integers bitwise (ops/integer.cpp). Errors: DtypeError for reals.
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
Tensor operator~(const Tensor& a);
Tensor operator!(const Tensor& a);  ///< true where a is 0, for any dtype
/// a where the bool tensor `condition` holds, else b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
inline Tensor select(const Tensor& condition, const Tensor& a, const Tensor& b) { return where(condition, a, b); }
template <std::floating_point F> Tensor select(const Tensor& condition, F a, F b) { return where(condition, a, b); }

// ---- exponentials (ops/exponential.cpp) ----
Tensor log1p(const Tensor& x);  ///< log(1 + x), exact near 0
Tensor expm1(const Tensor& x);  ///< e^x - 1, exact near 0
Tensor exp2(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor rsqrt(const Tensor& x);                       ///< 1 / sqrt(x)
Tensor reciprocal(const Tensor& x);                  ///< 1 / x
Tensor erfc(const Tensor& x);                        ///< 1 - erf(x), accurate where that is small
Tensor logaddexp(const Tensor& a, const Tensor& b);  ///< log(e^a + e^b)
Tensor xlogy(const Tensor& a, const Tensor& b);      ///< a log b; 0 where a is 0 and b a number

// ---- trigonometric and hyperbolic (ops/trigonometric.cpp) ----
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
Tensor atan2(const Tensor& y, const Tensor& x);  ///< the angle of (x, y), in (-pi, pi]; gradient 0 at (0, 0)
Tensor hypot(const Tensor& a, const Tensor& b);  ///< sqrt(a^2 + b^2), without overflow; gradient 0 at (0, 0)

// ---- steps and remainders (ops/rounding.cpp); the gradient of a step is 0 ----
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor trunc(const Tensor& x);                          ///< towards zero
Tensor round(const Tensor& x);                          ///< to the nearest integer, halves to the even one
Tensor frac(const Tensor& x);                           ///< x - trunc(x)
Tensor fmod(const Tensor& a, const Tensor& b);          ///< the remainder of truncating division, with the sign of a
Tensor remainder(const Tensor& a, const Tensor& b);     ///< the remainder with the sign of b, as Python's %
Tensor floor_divide(const Tensor& a, const Tensor& b);  ///< the quotient rounded down, as Python's //

// ---- activation (ops/activation.cpp, rectifier.cpp, smooth.cpp) ----
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor relu(Tensor&& x);  ///< for an rvalue that nobody else holds, such as another op's result: overwrites it
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1);
Tensor gelu(const Tensor& x);  ///< exact: x (1 + erf(x / sqrt 2)) / 2
Tensor erf(const Tensor& x);
Tensor silu(const Tensor& x);       ///< x sigmoid(x)
Tensor softplus(const Tensor& x);   ///< log(1 + e^x)
Tensor gelu_tanh(const Tensor& x);  ///< the approximation with tanh
Tensor mish(const Tensor& x);       ///< x tanh(softplus(x))
Tensor softsign(const Tensor& x);   ///< x / (1 + |x|)
Tensor logsigmoid(const Tensor& x);
Tensor tanhshrink(const Tensor& x);           ///< x - tanh(x)
Tensor glu(const Tensor& x, Axis axis = -1);  ///< a sigmoid(b), a and b being the halves of `axis`
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);
Tensor relu6(const Tensor& x);                                  ///< min(max(x, 0), 6)
Tensor hardsigmoid(const Tensor& x);                            ///< min(max(x + 3, 0), 6) / 6
Tensor hardswish(const Tensor& x);                              ///< x hardsigmoid(x)
Tensor hardshrink(const Tensor& x, double lambda = 0.5);        ///< 0 where |x| <= lambda
Tensor softshrink(const Tensor& x, double lambda = 0.5);        ///< moved towards 0 by lambda
Tensor threshold(const Tensor& x, double level, double value);  ///< x where x > level, else value
Tensor prelu(const Tensor& x, const Tensor& weight);            ///< weight x where x < 0; weight [1], or [C] for axis 1 of x
Tensor selu(const Tensor& x);
Tensor celu(const Tensor& x, double alpha = 1);

}  // namespace gradus
