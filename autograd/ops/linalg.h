// Linear algebra of small matrices with gradients, by LAPACK (core/kernels/linalg.h): one matrix, or a batch [.., n, n] of them.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// x of a x = b: a [.., n, n], b [.., n, k] with the same batch. Errors: ShapeError, DtypeError; Error where a is singular.
Tensor solve(const Tensor& a, const Tensor& b);
Tensor inverse(const Tensor& a);  ///< solve(a, the unit matrix)
/// The lower triangle l with positive diagonal of a = l l'; of a, symmetric and positive definite, the lower triangle is read,
/// and its gradient is symmetric. Errors: ShapeError, DtypeError; Error unless a is positive definite.
Tensor cholesky(const Tensor& a);
/// [..]. The gradient is det(a) inverse(a)', so that of a singular matrix is refused (Error).
Tensor det(const Tensor& a);
struct SvdTensors {
  Tensor u, s, vh;
};
/// a = u diag(s) vh of a matrix [m, n], s descending, k = min(m, n): u [m, k], s [k], vh [k, n]. The gradients are those of
/// Townsend, "Differentiating the singular value decomposition", 2016, and infinite where two values of s agree or, behind u
/// and vh of a matrix that is not square, one is 0. Errors: ShapeError, DtypeError, ResourceError for numbers not finite.
SvdTensors svd(const Tensor& a);

}  // namespace gradus
