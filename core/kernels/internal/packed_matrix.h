// PackedMatrix: the right-hand side of many products, packed once in the order in which the register tile reads it.
#pragma once

#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/internal/gemm_kernel.h>
#include <gradus/core/memory/scratch.h>

namespace gradus {
inline namespace GRADUS_ISA {

/// Packs b [k, n], whose elements must outlive this object. Every element of a product is one chain of fused multiply-adds
/// over k in blocks of gemm_k_block, whatever the number of rows: rows may be shared out among threads.
template <class T> class PackedMatrix {
 public:
  PackedMatrix(std::int64_t k, std::int64_t n, GemmOperand<T> b)
      : k_(k), n_(n), b_(b), packed_(has_fma ? k * ((n + width - 1) / width * width) : 0) {
    if constexpr (has_fma)
      for (std::int64_t j = 0; j < n; j += widest) {
        const Panel panel = at(j);
        pack_panel<T>(b.data + j * b.column_stride, b.row_stride, b.column_stride, k, panel.columns, panel.lanes,
                      packed_.data() + j * k);
      }
  }

  /// c[m, n] = a[m, k] b (+ bias [n] in every row), or c + a b if `add`; a and c have unit column stride and do not overlap.
  /// Runs on the calling thread inside a piece of parallel_for.
  void multiply(std::int64_t m, const T* a, std::int64_t a_row_stride, T* c, std::int64_t c_row_stride, bool add,
                const T* bias = nullptr) const {
    multiply_part(k_, n_, m, a, a_row_stride, c, c_row_stride, add, bias);
  }

  /// As multiply(), with the first k rows of b only, and with its first n columns or some more.
  void multiply_part(std::int64_t k, std::int64_t n, std::int64_t m, const T* a, std::int64_t a_row_stride, T* c,
                     std::int64_t c_row_stride, bool add = false, const T* bias = nullptr) const {
    if constexpr (!has_fma) {
      gemm<T>(m, n, k, {a, a_row_stride, 1}, b_, c, c_row_stride, {.accumulate = add, .column_bias = bias});
    } else {
      for (std::int64_t j = 0; j < n; j += widest) {
        const Panel panel = at(j);
        for (std::int64_t p = 0; p == 0 || p < k; p += gemm_k_block)
          rows(m, std::min(gemm_k_block, k - p), a + p, a_row_stride,
               {packed_.data() + j * k_ + p * panel.lanes, panel.lanes}, panel,
               {c + j, c_row_stride, nullptr, bias && p == 0 ? bias + j : nullptr, add || p > 0, panel.last_lanes()});
      }
    }
  }

  /// c[m, n] = a' b, a [k, m] having unit column stride: its columns are laid side by side tile by tile first.
  void multiply_transposed(std::int64_t m, const T* a, std::int64_t a_row_stride, T* c, std::int64_t c_row_stride) const {
    if constexpr (!has_fma) {
      gemm<T>(m, n_, k_, {a, 1, a_row_stride}, b_, c, c_row_stride);
    } else {
      constexpr std::int64_t height = tile_rows(tile_vectors);
      const Scratch<T> columns(std::min(k_, gemm_k_block) * ((m + height - 1) / height * height));
      for (std::int64_t p = 0; p == 0 || p < k_; p += gemm_k_block) {
        const std::int64_t k = std::min(gemm_k_block, k_ - p);
        pack_columns(m, k, a + p * a_row_stride, a_row_stride, columns.data());
        for (std::int64_t j = 0; j < n_; j += widest) {
          const Panel panel = at(j);
          packed_tile_column<T>(m, panel.columns, k, columns.data(),
                                {packed_.data() + j * k_ + p * panel.lanes, panel.lanes},
                                {c + j, c_row_stride, nullptr, nullptr, p > 0, 0});
        }
      }
    }
  }

 private:
  static constexpr int width = pack<T>::width;
  static constexpr std::int64_t widest = tile_vectors * width;
  /// False where there is no such instruction: the tile is slow there, and gemm() chooses better.
  static constexpr bool has_fma = pack<T>::width * sizeof(T) > 16;
  struct Panel {
    int columns, vectors, lanes;
    int last_lanes() const { return columns - (vectors - 1) * width; }
  };

  Panel at(std::int64_t j) const {
    const int columns = static_cast<int>(std::min(widest, n_ - j)), vectors = (columns + width - 1) / width;
    return {columns, vectors, vectors * width};
  }
  /// Computes all rows of one panel, in tiles of nearly equal height: a low tile at the end would not hide the latency.
  static void rows(std::int64_t m, std::int64_t k, const T* a, std::int64_t a_row, EvenRows<T> b, const Panel& panel,
                   TileTarget<T> to) {
    const std::int64_t most = tile_rows(panel.vectors);
    for (std::int64_t tiles = (m + most - 1) / most; tiles > 0; --tiles) {
      const std::int64_t height = (m + tiles - 1) / tiles;
      tile_function<T, EvenRows<T>>(static_cast<int>(height), panel.vectors)(k, a, a_row, 1, b, to);
      m -= height, a += height * a_row, to.c += height * to.c_row_stride;
    }
  }

  std::int64_t k_, n_;
  GemmOperand<T> b_;
  Scratch<T> packed_;
};

}  // namespace GRADUS_ISA
}  // namespace gradus
