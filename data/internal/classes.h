// Labels as what divides items evenly takes them.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/error.h>

#include <vector>

namespace gradus::data {

/// The class of each item. Errors: DataError by `who` unless labels are u8 or i64 [N], N >= 1.
inline std::vector<std::int64_t> classes_of(const char* who, const Array& labels) {
  if (!labels.defined() || (labels.dtype() != u8 && labels.dtype() != i64) || labels.rank() != 1 || labels.size() < 1)
    throw DataError(who, "labels are " + describe(labels) + "; they must be u8 or i64 [N], at least one");
  const Array wide = labels.to(i64).contiguous();
  return {wide.data<std::int64_t>(), wide.data<std::int64_t>() + wide.size()};
}

}  // namespace gradus::data
