// What ops that are handed indices share.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// What an index of -1 means: no place, as in PyTorch, or (for take, as in PyTorch) the last one.
enum class Negative { refused, from_the_end };

/// The one check of indices: a dense i64 copy of `index`, all in [0, n). Errors: DtypeError, IndexError naming the first
/// that lies outside.
Array checked_indices(const char* op, const Tensor& index, int64_t n, Negative negative = Negative::refused);

/// A dense array as [outer, length, inner] around one axis.
struct AroundAxis {
  int64_t outer = 1, length, inner = 1;
  AroundAxis(const Shape& s, int axis) : length(s[axis]) {
    for (int i = 0; i < axis; ++i) outer *= s[i];
    for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
  }
};

}  // namespace gradus
