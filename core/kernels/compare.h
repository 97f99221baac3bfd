// Whether Arrays hold the same numbers, and how far they are apart.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus {

/// The same shape, dtype and bits, whatever the layouts. Two absent Arrays are the same.
bool same_bits(const Array& a, const Array& b);
bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b);

/// Norm-wise: max|a - b| / max(|a|max, |b|max) over finite numbers; 0 for zeros and for NaN or infinity at the same places,
/// infinite for other places or other shapes.
double relative_distance(const Array& a, const Array& b);

}  // namespace gradus
