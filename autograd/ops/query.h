// Ops that ask about numbers, or count them: their results are constants, or (unique, nonzero) of a size that the numbers
// decide.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/random.h>

#include <vector>

namespace gradus {

// ---- bools (ops/query.cpp); of any dtype, NaN counts as true ----
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
Tensor any(const Tensor& x);  ///< whether any element is not 0: a bool
Tensor all(const Tensor& x);  ///< whether none is 0; true of no elements
Tensor any(const Tensor& x, Axis axis, bool keep = false);
Tensor all(const Tensor& x, Axis axis, bool keep = false);

// ---- indices and counts (i64) ----
/// [K, rank]: the indices of the K elements that are not 0, in row-major order. argwhere is the same.
Tensor nonzero(const Tensor& x);
inline Tensor argwhere(const Tensor& x) { return nonzero(x); }
/// x [N] of i64 or u8, each at least 0 -> [max(largest + 1, minlength)]: how often each number is there; with weights [N] the
/// sums of theirs. Errors: ShapeError, DtypeError, IndexError for a number below 0.
Tensor bincount(const Tensor& x, const Tensor& weights = {}, int64_t minlength = 0);
struct UniqueResult {
  Tensor values;   ///< [K], ascending; each NaN is one of its own, at the end
  Tensor inverse;  ///< of x's shape: which of them each element is
  Tensor counts;   ///< [K]
};
UniqueResult unique(const Tensor& x);

// ---- draws (each call takes a fresh stream of the generator) ----
/// `samples` indices into p [N], or into each row of p [B, N], each drawn with a probability in proportion to its weight
/// p >= 0: -> [samples] or [B, samples]. Without replacement none comes twice. Errors: ShapeError, DtypeError; Error for weights below 0, that are not finite, or all 0, and
/// for fewer of them above 0 than samples without replacement.
Tensor multinomial(const Tensor& p, int64_t samples, bool replacement = false, Generator& generator = default_generator());
/// 1 with probability p, else 0, of p's shape and dtype. Errors: Error unless p lies in [0, 1]; DtypeError.
Tensor bernoulli(const Tensor& p, Generator& generator = default_generator());

}  // namespace gradus
