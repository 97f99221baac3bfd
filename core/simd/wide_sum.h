// Sums more accurate than their terms: the mean of numbers that differ little, the variance of large ones.
#pragma once

#include <gradus/core/simd/lanes.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace gradus {
inline namespace GRADUS_ISA {

/// A sum as a double and the error of its additions.
struct ExactSum {
  double sum = 0, lost = 0;

  void add(double x) {  // Knuth's two-sum
    const double next = sum + x, took = next - sum;
    lost += (sum - (next - took)) + (x - took);
    sum = next;
  }
  double value() const { return lost == lost ? sum + lost : sum; }  // lost is NaN beside a sum that is infinite
  double over(double n) const { return value() / n; }
};

/// A number split into a T and the rest: x - high - low keeps the digits of an x near it.
template <class T> struct TwoParts {
  double high, low;
  /// The parts of the sum of a T and a small number.
  TwoParts(double near, double rest) : high(static_cast<double>(static_cast<T>(near + rest))), low((near - high) + rest) {}
};

/// The lane-by-lane sum of packs in double; for doubles, exactly, with the errors of additions and products.
template <class T> class WideSum;

template <> class WideSum<float> {
 public:
  GRADUS_INLINE void add(pack<float> x) { low_ += half<0>(x), high_ += half<1>(x); }
  ExactSum lane(int i) const { return {i < wide ? low_.r[i] : high_.r[i - wide], 0}; }
  ExactSum total() const {
    double all[wide];
    (low_ + high_).store(all);
    for (int n = wide / 2; n > 0; n /= 2)
      for (int i = 0; i < n; ++i) all[i] += all[i + n];
    return {all[0], 0};
  }

 private:
  static constexpr int wide = pack<double>::width;
  typedef float Floats __attribute__((vector_size(GRADUS_VECTOR_BYTES / 2)));
  template <int which> GRADUS_INLINE static pack<double> half(pack<float> x) {
    Floats part;
    std::memcpy(&part, reinterpret_cast<const char*>(&x.r) + which * sizeof part, sizeof part);
    return __builtin_convertvector(part, pack<double>::R);
  }
  pack<double> low_{0.0}, high_{0.0};
};

template <> class WideSum<double> {
 public:
  GRADUS_INLINE void add(pack<double> x) { sum_ += x; }
  GRADUS_INLINE void add_exactly(pack<double> x) {
    const pack<double> next = sum_ + x, took = next - sum_;
    lost_ += (sum_ - (next - took)) + (x - took);
    sum_ = next;
  }
  GRADUS_INLINE void add_product_exactly(pack<double> a, pack<double> b) {
    const pack<double> product = a * b;
    lost_ += fma(a, b, -product);
    add_exactly(product);
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

/// A pack a and its factor b.
template <class T> struct Terms { pack<T> a, b; };

/// The sums of a and of a b over many packs, whose terms are term(offset, lanes, valid). Widening every float would take
/// longer than adding it: up to eight packs are added as floats, in pairs and pairs of pairs, which is exact where they are
/// equal. Doubles are added likewise, or one by one and exactly.
template <class T, bool exactly = false> struct WideSums {
  WideSum<T> sum, product;

  /// Adds n packs that begin `step` apart.
  template <class Valid, class Term>
  GRADUS_INLINE void add(std::int64_t at, std::int64_t n, std::int64_t step, const Lanes<T>& lanes, Valid valid, Term term) {
    for (; n >= 8; n -= 8, at += 8 * step) add_packs<8>(at, step, lanes, valid, term);
    if (n & 4) add_packs<4>(at, step, lanes, valid, term), at += 4 * step;
    if (n & 2) add_packs<2>(at, step, lanes, valid, term), at += 2 * step;
    if (n & 1) add_packs<1>(at, step, lanes, valid, term);
  }
  /// Adds n contiguous elements.
  template <class Term> GRADUS_INLINE void add_row(std::int64_t at, std::int64_t n, Term term) {
    constexpr int w = pack<T>::width;
    add(at, n / w, w, Lanes<T>(w), std::integral_constant<int, w>(), term);
    if (const int rest = static_cast<int>(n % w)) add_packs<1>(at + n - rest, w, Lanes<T>(rest), rest, term);
  }

 private:
  template <int count, class Valid, class Term>
  GRADUS_INLINE void add_packs(std::int64_t at, std::int64_t step, const Lanes<T>& lanes, Valid valid, const Term& term) {
    if constexpr (sizeof(T) == 4 || !exactly) {
      const Terms<T> both = in_pairs<count>(at, step, lanes, valid, term);
      sum.add(both.a), product.add(both.b);
    } else {
      for (int k = 0; k < count; ++k) {
        const Terms<T> t = term(at + k * step, lanes, valid);
        sum.add_exactly(t.a), product.add_product_exactly(t.a, t.b);
      }
    }
  }
  template <int count, class Valid, class Term>
  GRADUS_INLINE static Terms<T> in_pairs(std::int64_t at, std::int64_t step, const Lanes<T>& lanes, Valid valid,
                                         const Term& term) {
    if constexpr (count == 1) {
      const Terms<T> t = term(at, lanes, valid);
      return {t.a, t.a * t.b};
    } else {
      const Terms<T> x = in_pairs<count / 2>(at, step, lanes, valid, term),
                     y = in_pairs<count / 2>(at + count / 2 * step, step, lanes, valid, term);
      return {x.a + y.a, x.b + y.b};
    }
  }
};

/// The variance: `square`, the mean square of distances, less the square of `level`, their mean. NaN stays.
inline double mean_square_less(double square, double level) { return std::max(square - level * level, 0.0); }

/// The type for the few rows whose squares or factors leave the range of T.
template <class T> using Wider = std::conditional_t<sizeof(T) == 4, double, long double>;

/// True if 1 / sqrt(mean square) is a usable factor of reliable squares. False for NaN, which an overflow may have made.
template <class T> bool ordinary_scale(double scale) {
  constexpr double limit = sizeof(T) == 4 ? 1e18 : 1e140;
  return scale >= 1 / limit && scale <= limit;
}

}  // namespace GRADUS_ISA
}  // namespace gradus
