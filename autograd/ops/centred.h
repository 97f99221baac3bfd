// What is left of numbers when their mean is taken away.
#pragma once

#include <gradus/autograd/tensor.h>

#include <vector>

namespace gradus {

/// x - mean(x) over these axes (none: all). The mean is corrected by the mean of what is left, so that large numbers which
/// differ little keep their differences.
Tensor centred(const Tensor& x, const std::vector<int>& axes);

}  // namespace gradus
