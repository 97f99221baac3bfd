// Sample sets that many ops share.
#pragma once

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

namespace gradus {

/// Samples of an elementwise op of one tensor, over [low, high).
[[gnu::cold]] Samples elementwise(Tensor (*f)(const Tensor&), double low = -2, double high = 2);

/// Samples of an elementwise op of two tensors; the second over [low2, high2).
[[gnu::cold]] Samples pairwise(Tensor (*f)(const Tensor&, const Tensor&), double low, double high, double low2,
                               double high2);
inline Samples pairwise(Tensor (*f)(const Tensor&, const Tensor&), double low = -2, double high = 2) {
  return pairwise(f, low, high, low, high);
}

}  // namespace gradus
