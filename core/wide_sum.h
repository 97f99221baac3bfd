// Sums with more digits than their terms: the mean of numbers that differ little, the variance of large ones.
#pragma once

#include <gradus/core/lanes.h>

#include <cstring>
#include <type_traits>

namespace gradus {
inline namespace GRADUS_ISA {

/// A number as a T and what is left of it: x - high - low keeps the digits of an x near it.
template <class T>
struct TwoParts {
  T high = 0, low = 0;
};

/// A sum as a double and what the additions lost.
struct ExactSum {
  double sum = 0, lost = 0;

  void add(double x) {  // Knuth's two-sum
    const double next = sum + x, took = next - sum;
    lost += (sum - (next - took)) + (x - took);
    sum = next;
  }
  double value() const { return lost == lost ? sum + lost : sum; }  // lost is NaN beside a sum that is infinite
  double over(double n) const { return value() / n; }
  /// The sum over n.
  template <class T>
  TwoParts<T> mean(double n) const {
    const double q = sum / n, rest = (std::fma(-q, n, sum) + lost) / n;
    if (!(rest == rest)) return {static_cast<T>(q), 0};
    const T high = static_cast<T>(q + rest);
    return {high, static_cast<T>((q - static_cast<double>(high)) + rest)};
  }
};

/// A sum lane by lane of packs, or of products of packs. Floats are added in double.
template <class T>
class WideSum;

template <>
class WideSum<float> {
 public:
  GRADUS_INLINE void add(pack<float> x) { low_ += half<0>(x), high_ += half<1>(x); }
  GRADUS_INLINE void add_product(pack<float> a, pack<float> b) {
    low_ = fma(half<0>(a), half<0>(b), low_), high_ = fma(half<1>(a), half<1>(b), high_);
  }
  ExactSum lane(int i) const { return {i < wide ? low_.r[i] : high_.r[i - wide], 0}; }
  ExactSum total() const {
    const pack<double> both = low_ + high_;
    ExactSum all;
    for (int i = 0; i < wide; ++i) all.sum += both.r[i];
    return all;
  }

 private:
  static constexpr int wide = pack<double>::width;
  typedef float Floats __attribute__((vector_size(GRADUS_VECTOR_BYTES / 2)));
  template <int which>
  GRADUS_INLINE static pack<double> half(pack<float> x) {
    Floats part;
    std::memcpy(&part, reinterpret_cast<const char*>(&x.r) + which * sizeof part, sizeof part);
    return __builtin_convertvector(part, pack<double>::R);
  }
  pack<double> low_{0.0}, high_{0.0};
};

template <>
class WideSum<double> {
 public:
  GRADUS_INLINE void add(pack<double> x) {
    const pack<double> next = sum_ + x, took = next - sum_;
    lost_ += (sum_ - (next - took)) + (x - took);
    sum_ = next;
  }
  GRADUS_INLINE void add_product(pack<double> a, pack<double> b) {
    const pack<double> product = a * b;
    lost_ += fma(a, b, -product);
    add(product);
  }
  ExactSum lane(int i) const { return {sum_.r[i], lost_.r[i]}; }
  ExactSum total() const {
    ExactSum all;
    for (int i = 0; i < pack<double>::width; ++i) {
      all.add(sum_.r[i]);
      all.lost += lost_.r[i];
    }
    return all;
  }

 private:
  pack<double> sum_{0.0}, lost_{0.0};
};

/// What a few rows are computed in whose squares or factors leave the range of T.
template <class T>
using Wider = std::conditional_t<sizeof(T) == 4, double, long double>;

/// Can 1 / sqrt(mean square) be multiplied with, and the squares be trusted? True for NaN, which needs no better.
template <class T>
bool ordinary_scale(double scale) {
  constexpr double limit = sizeof(T) == 4 ? 1e30 : 1e140;
  return !(scale > limit || scale < 1 / limit);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
