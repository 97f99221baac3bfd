// Variants of softmax for use inside other ops: they differ from it in rows dominated by infinities, where it is NaN.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// Softmax over the last axis; a row of only -inf gives zeros with gradient zero: a query that may see no key.
Tensor softmax_or_zeros(const Tensor& x);

/// Softmax over the last axis; infinite largest elements share 1 evenly: the gradient of logsumexp.
Tensor softmax_shares(const Tensor& x);

}  // namespace gradus
