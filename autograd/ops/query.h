// Ops that test or count elements: their results are constants, or (unique, nonzero) have a size that depends on the values.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/random.h>

#include <vector>

namespace gradus {

// ---- bools (ops/query.cpp); for any dtype, NaN counts as true ----
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
Tensor any(const Tensor& x);  ///< a bool, true if any element is not 0
Tensor all(const Tensor& x);  ///< a bool, true if no element is 0
Tensor any(const Tensor& x, Axis axis, bool keep = false);
Tensor all(const Tensor& x, Axis axis, bool keep = false);

// ---- indices and counts (i64) ----
/// [K, rank]: the indices of the K elements that are not 0, in row-major order. argwhere is the same.
Tensor nonzero(const Tensor& x);
inline Tensor argwhere(const Tensor& x) { return nonzero(x); }
/// Counts of numbers: x [N] of i64 or u8, each at least 0 -> [max(largest + 1, minlength)]; with weights [N] the sums of the
/// weights. Errors: ShapeError, DtypeError, IndexError for a number below 0.
Tensor bincount(const Tensor& x, const Tensor& weights = {}, int64_t minlength = 0);
struct UniqueResult {
  Tensor values;   ///< [K], ascending; each NaN is a value of its own, at the end
  Tensor inverse;  ///< of x's shape: the index of each element's value
  Tensor counts;   ///< [K]
};
UniqueResult unique(const Tensor& x);

// ---- draws (each call takes a new stream of the generator) ----
/// `samples` random indices into p [N], or into each row of p [B, N], with probabilities in proportion to the weights p >=
/// 0: -> [samples] or [B, samples]. Without replacement no index comes twice. Errors: ShapeError, DtypeError; Error for
/// weights that are negative, not finite, or all 0, and for fewer positive weights than samples without replacement.
Tensor multinomial(const Tensor& p, int64_t samples, bool replacement = false, Generator& generator = default_generator());
/// 1 with probability p, else 0, of p's shape and dtype. Errors: Error unless p lies in [0, 1]; DtypeError.
Tensor bernoulli(const Tensor& p, Generator& generator = default_generator());

}  // namespace gradus
