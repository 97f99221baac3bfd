// Decompositions of small dense matrices, by LAPACK as OpenBLAS brings it. They run on the caller's thread and in double
// (an f32 is rounded at the end), so the bits depend on neither the number of threads nor on addresses.
#pragma once

#include <gradus/core/array.h>

namespace gradus {

/// a = vectors diag(values) vectors', values ascending, column j of vectors for values[j].
struct Eigen {
  Array values, vectors;
};
/// Of a symmetric matrix [n, n], f32 or f64; the lower triangle is read. The sign of a vector, and the basis of vectors
/// whose values agree, are LAPACK's choice. Errors: ShapeError, DtypeError, ResourceError if it does not converge (numbers
/// that are not finite).
Eigen eigh(const Array& a);

/// a = q r, q [m, k] with orthonormal columns, r [k, n] upper triangular, k = min(m, n).
struct Qr {
  Array q, r;
};
/// Of a matrix [m, n], f32 or f64. Errors: ShapeError, DtypeError.
Qr qr(const Array& a);

/// a = u diag(s) vh, u [m, k] and vh [k, n] with orthonormal columns and rows, s descending, k = min(m, n).
struct Svd {
  Array u, s, vh;
};
/// Of a matrix [m, n]. Errors: as eigh.
Svd svd(const Array& a);

/// x of a x = b, a [n, n] and b [n, k]. Errors: ShapeError, DtypeError; Error where a is singular to the last digit.
Array solve(const Array& a, const Array& b);

/// The lower triangle l with positive diagonal of a = l l', a symmetric, of which the lower triangle is read. Errors:
/// ShapeError, DtypeError; Error unless a is positive definite.
Array cholesky(const Array& a);

/// Of a square matrix, by its LU factors; [].
Array det(const Array& a);

}  // namespace gradus
