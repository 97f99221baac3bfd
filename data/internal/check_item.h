// What every data set asks of a place.
#pragma once

#include <gradus/core/error.h>

#include <cstdint>

namespace gradus::data {

/// Errors: IndexError by the data set unless 0 <= i < size.
inline void check_item(const char* set, std::int64_t i, std::int64_t size) {
  if (i < 0 || i >= size) throw IndexError(set, join("item ", i, " was asked for; there are ", size));
}

}  // namespace gradus::data
