// Deviations from a mean, and how to square them at any magnitude.
#pragma once

#include <gradus/autograd/ops/elementwise.h>

#include <vector>

namespace gradus {

/// x - mean(x) over these axes (none: all). The mean is corrected by the mean of the deviations, so that large numbers which
/// differ little keep their differences.
Tensor centred(const Tensor& x, const std::vector<int>& axes);

/// For each scale = 1 / sqrt(variance + eps), in f64, the power of two u below it, within the range of `dtype`. Elements
/// times u can be squared; (u x) / sqrt(mean square (u x) + u^2 eps) is x / sqrt(mean square x + eps).
Array unit_near(const Array& scale, Dtype dtype);

/// less(x) times `unit`, multiplied before the linear function `less` where unit is below 1, so that nothing overflows.
template <class Less> Tensor times_unit(const Tensor& x, const Tensor& unit, Less less) {
  const Tensor one = scalar(1, x.dtype()), small = unit < one;
  return less(x * where(small, unit, one)) * where(small, one, unit);
}

}  // namespace gradus
