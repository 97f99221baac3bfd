// What ops that are handed indices share.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// Dense i64 indices in [0, n), negative ones counted from the end. Errors: DtypeError, IndexError naming the place.
Array places(const char* op, const Tensor& index, int64_t n);

/// A dense array as [outer, length, inner] around one axis.
struct AroundAxis {
  int64_t outer = 1, length, inner = 1;
  AroundAxis(const Shape& s, int axis) : length(s[axis]) {
    for (int i = 0; i < axis; ++i) outer *= s[i];
    for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
  }
};

}  // namespace gradus
