// Sums and extremes along axes, in an order fixed by the shape: the same bits at any number of threads and in any layout. A
// layout that cannot be traversed in that order with contiguous elements innermost is made dense first.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus {

/// The axes of a reduction as bits; an empty list means all of them. Errors: IndexError, ShapeError (an axis named twice).
std::uint32_t axes_mask(const char* op, const std::vector<int>& axes, const Shape& shape);

/// `shape` with the masked axes set to 1 (keep) or left out.
Shape reduced_shape(const Shape& shape, std::uint32_t axes, bool keep);

/// The sum over the masked axes, which stay with length 1. f32, f64; i64, u8 and bool sum to i64.
Array sum_axes(const Array& a, std::uint32_t axes);

/// As sum_axes for i64, u8 or bool, in i64 (modulo 2^64), without a copy.
Array sum_integers(const Array& a, std::uint32_t axes);

/// The sum of every element, 0-d. f32, f64.
Array sum_all(const Array& a);

/// The sum of `a` over the axes along which `shape` was broadcast to a.shape(): the backward pass of expand.
Array sum_to(const Array& a, const Shape& shape);

/// The largest (or smallest) value along one axis, and its first index (i64); NaN wins. The axis stays with length 1.
struct Extreme {
  Array value, index;
};
Extreme extreme_axis(const char* op, const Array& a, Axis axis, bool largest);

}  // namespace gradus
