// The checks and helpers that ops with index inputs share.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// The meaning of an index of -1: an error, as in PyTorch, or (for take, as in PyTorch) the last element.
enum class Negative { refused, from_the_end };

/// Checks indices, for all ops: returns a dense i64 copy of `index`, all in [0, n). Errors: DtypeError, IndexError naming
/// the first index outside.
Array checked_indices(const char* op, const Tensor& index, int64_t n, Negative negative = Negative::refused);

/// A dense array seen as [outer, length, inner] around one axis.
struct AroundAxis {
  int64_t outer = 1, length, inner = 1;
  AroundAxis(const Shape& s, int axis) : length(s[axis]) {
    for (int i = 0; i < axis; ++i) outer *= s[i];
    for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
  }
};

}  // namespace gradus
