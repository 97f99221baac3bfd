// Parts that formulas share: functions that propagate NaN, and forms that are accurate where the plain ones are not.
#pragma once

#include <gradus/autograd/ops.h>

#include <limits>

namespace gradus {

inline constexpr double infinite = std::numeric_limits<double>::infinity();

/// x as a constant within a derivative: the second derivative does not differentiate it.
template <class V> V constant(const V& x) {
  if constexpr (requires { x.detach(); }) return x.detach();
  else return x;
}

/// v where x is a number, NaN where it is NaN: for piecewise derivatives, where a comparison with NaN would choose a piece.
template <class V> V unless_nan(const V& x, const V& v) { return select(x == x, v, constant(x)); }

/// min(x, 0), with the slope 1 at 0, as on the side below.
template <class V> V at_most_0(const V& x) { return select(x > V(0), V(0), x); }

/// sigmoid(x), 1 - sigmoid(x), and their product, the slope, all accurate.
template <class V> struct Logistic {
  V value, rest, slope;
  explicit Logistic(V x) {
    V e = exp(-abs(x)), larger = 1.0 / (e + 1.0), smaller = e * larger;
    value = select(x > V(0), larger, smaller);
    rest = select(x > V(0), smaller, larger);
    slope = larger * smaller;
  }
};
template <> struct Logistic<Tensor> {
  Tensor value, rest;
  explicit Logistic(const Tensor& x) : value(sigmoid(x)), rest(sigmoid(-x)) {}
};

/// The slope of tanh, accurate with its own slope: near 0 one form is, further out another.
inline Tensor tanh_slope(const Tensor& x) {
  return where(abs(x) < 1.0, 1.0 - square(tanh(x)), 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x));
}

/// 1 - x^2, accurate with its slope.
template <class V> V one_minus_square(V x) { return (1.0 - x) * (1.0 + x); }
inline Tensor one_minus_square(Tensor x) { return where(abs(x) < 0.5, 1.0 - x * x, (1.0 - x) * (1.0 + x)); }

/// exp_square() for Tensors, as packs have it. Beyond 40 it is 0 in any precision, and x^2 could be infinite.
inline Tensor exp_square(const Tensor& x, double factor) { return exp(factor * square(clamp(x, -40, 40))); }

}  // namespace gradus
