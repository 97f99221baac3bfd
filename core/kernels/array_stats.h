// ArrayStats: the range of an Array and how many of its elements are not finite.
#pragma once

#include <gradus/core/array.h>

#include <limits>
#include <string>

namespace gradus {

/// The range of an Array's finite elements and where the others are. Positions are row-major indices; -1 if there is none.
struct ArrayStats {
  int64_t nans = 0, infs = 0, first_nan = -1, first_inf = -1;
  double low = std::numeric_limits<double>::infinity(), high = -low;  // of the finite elements

  bool finite() const { return nans + infs == 0; }
  int64_t first() const { return nans > 0 ? first_nan : first_inf; }
};

/// The stats of an f32 or f64 Array; an absent Array, or one of integers, counts as empty and finite.
ArrayStats array_stats(const Array& array);
/// The range in words: "in [0, 3.5]", "in [0, 3.5] where finite", "nowhere finite", or the value that all elements have.
std::string range_text(const ArrayStats& look);
/// A number at six digits; "NaN", "inf", "-inf".
std::string six_digits(double x);

/// True if no element is NaN or infinite. One pass over the bits, in parallel.
bool all_finite(const Array& array);

}  // namespace gradus
