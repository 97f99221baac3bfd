// Comparing Arrays: equal bits, and the distance between them.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus {

/// True if shape, dtype and bits are the same, whatever the layouts. Two absent Arrays are the same.
bool same_bits(const Array& a, const Array& b);
bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b);

/// The distance by norms, max|a - b| / max(|a|max, |b|max), over finite elements; 0 if both are zero or have NaN and
/// infinity at the same indices, infinite for other indices or other shapes.
double relative_distance(const Array& a, const Array& b);

}  // namespace gradus
