// Reductions over rows, a pack at a time, which softmax, attention, cross_entropy and the norms share.
#pragma once

#include <gradus/core/simd/lanes.h>
#include <gradus/core/simd/vmath.h>
#include <gradus/core/simd/wide_sum.h>

#include <limits>

namespace gradus {
inline namespace GRADUS_ISA {

/// `x` in the first `valid` lanes, `rest` in the others.
template <class T> GRADUS_INLINE pack<T> first_lanes(pack<T> x, pack<T> rest, int valid) {
  if (valid == pack<T>::width) return x;
  pack<T> index;
  for (int i = 0; i < pack<T>::width; ++i) index.r[i] = static_cast<T>(i);
  return select(index < pack<T>(valid), x, rest);
}

/// The largest element of a row; with NaN in the row the result is unspecified.
template <class T> inline T row_largest(const T* x, std::int64_t n) {
  const pack<T> none(-std::numeric_limits<T>::infinity());
  pack<T> top = none;
  for_packs<T>(n, [&](std::int64_t i, const auto& lanes, int valid) {
    top = max_or_second(top, first_lanes(lanes.load(x + i), none, valid));
  });
  return fold(top, [](T a, T b) { return a > b ? a : b; });
}

/// Packs summed in T before the sum is added in double: long sums are made of such short ones.
inline constexpr std::int64_t stretch = 64;

/// The sum over a row of n: add(part, i, lanes, valid) is `part` with the terms of one pack added.
template <class T, class F> GRADUS_INLINE T row_sum(std::int64_t n, F add) {
  constexpr std::int64_t length = stretch * pack<T>::width;
  double total = 0;
  for (std::int64_t from = 0; from < n; from += length) {
    pack<T> part(0);
    for_packs<T>(n - from < length ? n - from : length,
                 [&](std::int64_t i, const auto& lanes, auto valid) { part = add(part, from + i, lanes, valid); });
    total += static_cast<double>(fold_sum(part));
  }
  return static_cast<T>(total);
}

/// Sums over n packs `step` apart, lane by lane: add(part, offset) is `part` with the terms of one pack added.
template <class T, class F> GRADUS_INLINE pack<T> column_sum(std::int64_t n, std::int64_t step, F add) {
  WideSum<T> total;
  for (std::int64_t at = 0; n > 0;) {
    pack<T> part(0);
    std::int64_t count = n < stretch ? n : stretch;
    for (n -= count; count > 0; --count, at += step) part = add(part, at);
    total.add(part);
  }
  pack<T> sum;
  for (int k = 0; k < pack<T>::width; ++k) sum.r[k] = static_cast<T>(total.lane(k).value());
  return sum;
}

/// The sum of e^exponent(i, lanes) over a row; every term is also passed to each(i, lanes, term).
template <class T, class Exponent, class F> inline T row_exp_sum(std::int64_t n, Exponent exponent, F each) {
  return row_sum<T>(n, [&](pack<T> part, std::int64_t i, const auto& lanes, int valid) {
    const pack<T> e = first_lanes(exp(exponent(i, lanes)), pack<T>(0), valid);
    each(i, lanes, e);
    return part + e;
  });
}

/// Rows per piece of a kernel with an exponential for each element, enough that waking a second thread pays.
inline std::int64_t exp_grain(std::int64_t row) {
  constexpr std::int64_t elements = 8192;
  return row < elements ? elements / (row > 0 ? row : 1) : 1;
}

}  // namespace GRADUS_ISA
}  // namespace gradus
