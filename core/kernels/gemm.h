// The matrix product on plain pointers. Every element of C is one chain of fused multiply-adds over k in blocks of fixed
// length, so the bits depend on neither the number of threads nor on addresses.
#pragma once

#include <cstdint>
#include <string>

namespace gradus {

/// A matrix to read: element (i, j) is data[i * row_stride + j * column_stride]. A transpose is an exchange of strides,
/// a stride of 0 repeats.
template <class T> struct GemmOperand {
  const T* data;
  std::int64_t row_stride, column_stride;
};

/// Terms added to the product.
template <class T> struct GemmExtras {
  bool accumulate = false;         ///< C = A B + C; else C is only written
  const T* row_bias = nullptr;     ///< [m], added to every element of a row; may be null
  const T* column_bias = nullptr;  ///< [n], added to every element of a column; may be null
};

/// C[m, n] = A[m, k] B[k, n] (+ extras). C has unit column stride and must not overlap A or B. k = 0 gives zeros (+ extras).
/// T is float or double.
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c,
          std::int64_t c_row_stride, GemmExtras<T> extras = {});

/// Distances between the matrices of a batch; 0 uses the same matrix for all (A and B only).
struct GemmBatch {
  std::int64_t count, a_stride, b_stride, c_stride;
};

/// The product for each of batch.count matrices. The biases are the same for all.
template <class T>
void batched_gemm(GemmBatch batch, std::int64_t m, std::int64_t n, std::int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c,
                  std::int64_t c_row_stride, GemmExtras<T> extras = {});

/// The BLAS library found at run time.
struct BlasInfo {
  std::string build;  ///< OpenBLAS's description of itself: version, options, kernel
  enum class Threading { serial, pthreads, openmp, unknown } threading;
  bool safe;  ///< several threads may call it at once; if not, it is never called
};

/// The BLAS, looked up once and pinned to one thread. It is not called where our own kernel is faster;
/// docs/decisions/gemm.md has the figures.
const BlasInfo& blas_info();

}  // namespace gradus
