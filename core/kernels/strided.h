// Traversal of several layouts of one shape at once: axes that are contiguous in all of them are merged, the last is a run.
#pragma once

#include <gradus/core/shape.h>

#include <cstddef>
#include <cstring>

namespace gradus {

/// N layouts over one shape, reduced to the fewest axes that describe them all. rank >= 1.
template <int N> struct StridedLoop {
  int rank = 0;
  int64_t dims[max_rank] = {};
  int64_t strides[N][max_rank] = {};

  StridedLoop(const Shape& shape, const int64_t* const (&layouts)[N]) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] == 1) continue;
      if (rank > 0 && merges(i, shape, layouts)) {
        dims[rank - 1] *= shape[i];
        for (int k = 0; k < N; ++k) strides[k][rank - 1] = layouts[k][i];
      } else {
        dims[rank] = shape[i];
        for (int k = 0; k < N; ++k) strides[k][rank] = layouts[k][i];
        ++rank;
      }
    }
    if (rank == 0) {
      dims[0] = 1;
      for (int k = 0; k < N; ++k) strides[k][0] = 1;
      rank = 1;
    }
  }

  int64_t run() const { return dims[rank - 1]; }
  int64_t run_stride(int k) const { return strides[k][rank - 1]; }
  int64_t runs() const {
    int64_t n = 1;
    for (int i = 0; i + 1 < rank; ++i) n *= dims[i];
    return n;
  }

  /// Calls f(offsets) for the runs begin..end-1, in order; offsets[k] is the start of the run in layout k.
  template <class F> void each_run(int64_t begin, int64_t end, F&& f) const {
    int64_t index[max_rank] = {}, offsets[N] = {};
    int64_t rest = begin;
    for (int i = rank - 1; i-- > 0;) {
      index[i] = rest % dims[i];
      rest /= dims[i];
      for (int k = 0; k < N; ++k) offsets[k] += index[i] * strides[k][i];
    }
    for (int64_t r = begin; r < end; ++r) {
      f(offsets);
      for (int i = rank - 1; i-- > 0;) {
        for (int k = 0; k < N; ++k) offsets[k] += strides[k][i];
        if (++index[i] < dims[i]) break;
        for (int k = 0; k < N; ++k) offsets[k] -= index[i] * strides[k][i];
        index[i] = 0;
      }
    }
  }

 private:
  bool merges(int i, const Shape& shape, const int64_t* const (&layouts)[N]) const {
    for (int k = 0; k < N; ++k)
      if (strides[k][rank - 1] != layouts[k][i] * shape[i]) return false;
    return true;
  }
};

/// to[...] = from[...] over `shape`, each with its own strides; `element` is the size of an element in bytes: 1, 4 or 8. The
/// two must not overlap. Bits are kept, whatever the type. Parallel when large.
void copy_strided(std::size_t element, const Shape& shape, const void* from, const int64_t* from_strides, void* to,
                  const int64_t* to_strides);

}  // namespace gradus
