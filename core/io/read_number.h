// Reads a decimal number the same way whatever the rounding mode: the inverse of text() in error.h.
#pragma once

#include <cfenv>
#include <charconv>

namespace gradus {

/// std::from_chars to the nearest double: the standard library divides by powers of ten in the rounding mode in force.
inline std::from_chars_result read_number(const char* from, const char* to, double& x) {
  const int mode = std::fegetround();
  if (mode != FE_TONEAREST) [[unlikely]]
    std::fesetround(FE_TONEAREST);
  const auto result = std::from_chars(from, to, x);
  if (mode != FE_TONEAREST) [[unlikely]]
    std::fesetround(mode);
  return result;
}

}  // namespace gradus
