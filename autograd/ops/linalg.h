// Linear algebra of small matrices with gradients, by LAPACK (core/kernels/linalg.h): one matrix, or a batch [.., n, n].
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// The solution of a x = b: a [.., n, n], b [.., n, k] with the same batch. Errors: ShapeError, DtypeError; Error for
/// singular a.
Tensor solve(const Tensor& a, const Tensor& b);
Tensor inverse(const Tensor& a);  ///< solve(a, identity)
/// The lower triangle l with positive diagonal of a = l l'; a is symmetric and positive definite, only its lower triangle is
/// read, and its gradient is symmetric. Errors: ShapeError, DtypeError; Error unless a is positive definite.
Tensor cholesky(const Tensor& a);
/// The determinants [..]. The gradient is det(a) inverse(a)'. Errors: also Error for the gradient of a singular matrix.
Tensor det(const Tensor& a);
struct SvdTensors {
  Tensor u, s, vh;
};
/// The decomposition a = u diag(s) vh of a matrix [m, n], s descending, k = min(m, n): u [m, k], s [k], vh [k, n].
/// Gradients: Townsend, "Differentiating the singular value decomposition", 2016; infinite where two values of s agree or,
/// for u and vh of a matrix that is not square, one is 0. Errors: ShapeError, DtypeError, ResourceError for elements that
/// are not finite.
SvdTensors svd(const Tensor& a);

}  // namespace gradus
