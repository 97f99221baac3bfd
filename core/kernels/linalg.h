// Decompositions of small dense matrices, by LAPACK as OpenBLAS brings it. They run on the caller's thread and in double
// (an f32 is rounded at the end), so the bits depend on neither the number of threads nor on addresses.
#pragma once

#include <gradus/core/array.h>

namespace gradus {

/// a = vectors diag(values) vectors', values ascending, column j of vectors for values[j].
struct Eigen {
  Array values, vectors;
};
/// The eigenvalues and eigenvectors of a symmetric matrix [n, n], f32 or f64; only the lower triangle is read. LAPACK
/// chooses the sign of a vector, and the basis of vectors with equal values. Errors: ShapeError, DtypeError, ResourceError
/// if it does not converge (elements that are not finite).
Eigen eigh(const Array& a);

/// a = q r, q [m, k] with orthonormal columns, r [k, n] upper triangular, k = min(m, n).
struct Qr {
  Array q, r;
};
/// The reduced QR decomposition of a matrix [m, n], f32 or f64. Errors: ShapeError, DtypeError.
Qr qr(const Array& a);

/// a = u diag(s) vh, u [m, k] and vh [k, n] with orthonormal columns and rows, s descending, k = min(m, n).
struct Svd {
  Array u, s, vh;
};
/// The reduced singular value decomposition of a matrix [m, n], f32 or f64. Errors: as eigh.
Svd svd(const Array& a);

/// The solution x of a x = b, a [n, n] and b [n, k]. Errors: ShapeError, DtypeError; Error where a is exactly singular.
Array solve(const Array& a, const Array& b);

/// The lower triangle l with positive diagonal of a = l l', a symmetric; only its lower triangle is read. Errors:
/// ShapeError, DtypeError; Error unless a is positive definite.
Array cholesky(const Array& a);

/// The determinant [] of a square matrix, by its LU factors.
Array det(const Array& a);

}  // namespace gradus
