// Softmaxes for the insides of other ops: they differ from softmax where that is NaN, in rows that are ruled by infinities.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// Over the last axis; a row of nothing but -inf gives zeros, whose gradient is zero: a query that may see no key.
Tensor softmax_or_zeros(const Tensor& x);

/// Over the last axis; where the largest are infinite they share 1 evenly: the gradient of logsumexp.
Tensor softmax_shares(const Tensor& x);

}  // namespace gradus
