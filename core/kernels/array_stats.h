// ArrayStats: the range of an Array and how many of its elements are not finite.
#pragma once

#include <gradus/core/array.h>

#include <limits>
#include <string>

namespace gradus {

/// Positions are row-major indices; -1: there is none.
struct ArrayStats {
  int64_t nans = 0, infs = 0, first_nan = -1, first_inf = -1;
  double low = std::numeric_limits<double>::infinity(), high = -low;  // of the finite ones

  bool finite() const { return nans + infs == 0; }
  int64_t first() const { return nans > 0 ? first_nan : first_inf; }
};

/// Of f32 and f64; an absent Array, or one of integers, looks empty and finite.
ArrayStats array_stats(const Array& array);
/// "in [0, 3.5]", "in [0, 3.5] where finite", "nowhere finite", or the number that all of them are.
std::string range_text(const ArrayStats& look);
/// Six digits; "NaN", "inf", "-inf".
std::string six_digits(double x);

/// Whether nothing is NaN or infinite. One pass over the bits, in parallel.
bool all_finite(const Array& array);

}  // namespace gradus
