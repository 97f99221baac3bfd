// The register tile of the matrix product and the packing in front of it.
#pragma once

#include <gradus/core/simd/lanes.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace gradus {
inline namespace GRADUS_ISA {

/// Terms of one chain of fused multiply-adds; longer sums are added up block by block. A panel of B of this height stays
/// in the first-level cache while the rows of A pass.
inline constexpr std::int64_t gemm_k_block = 256;

/// Registers a tile may use for sums; the rest holds a row of B and one element of A.
inline constexpr int tile_registers = GRADUS_VECTOR_BYTES == 64 ? 24 : 12;
inline constexpr int tile_vectors = GRADUS_VECTOR_BYTES == 64 ? 4 : 2;  ///< widest tile, in packs
constexpr int tile_rows(int vectors) { return vectors == 1 ? tile_registers / 2 + 2 : tile_registers / vectors; }

/// Where a tile of C goes and what is added to it.
template <class T> struct TileTarget {
  T* c;
  std::int64_t c_row_stride;
  const T* row_bias;     // of this tile's rows; may be null
  const T* column_bias;  // of this tile's columns; may be null
  bool add;              // to what C holds
  int last_lanes;        // valid lanes of the last pack
};

/// Rows of B at equal distances.
template <class T> struct EvenRows {
  const T* b;
  std::int64_t distance;
  GRADUS_INLINE const T* operator()(std::int64_t p) const { return b + p * distance; }
};

/// Rows of B anywhere: convolution reads its windows where they are.
template <class T> struct RowsAt {
  const T* b;
  const std::int64_t* offsets;
  GRADUS_INLINE const T* operator()(std::int64_t p) const { return b + offsets[p]; }
};

/// Adds what `to` asks for and stores; `last` are the lanes of the last pack. `to` is a copy: what is stored may not change it.
template <class T, int MR, int NV, class Last>
GRADUS_INLINE void store_tile(pack<T> (&sum)[MR][NV], const TileTarget<T> to, const Last& last) {
  using P = pack<T>;
  constexpr int w = P::width;
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    T* c = to.c + i * to.c_row_stride;
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      P x = sum[i][j];
      if (to.add) x += j + 1 < NV ? P::load(c + j * w) : last.load(c + j * w);
      if (to.row_bias) x += broadcast<T>(to.row_bias[i]);
      if (to.column_bias) x += j + 1 < NV ? P::load(to.column_bias + j * w) : last.load(to.column_bias + j * w);
      if (j + 1 < NV) x.store(c + j * w);
      else last.store(c + j * w, x);
    }
  }
}

template <class T, int MR, int NV, class Rows>
void gemm_tile(std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_col, Rows b, const TileTarget<T>& to) {
  using P = pack<T>;
  constexpr int w = P::width;
  P sum[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j] = P(typename P::R{});
  for (std::int64_t p = 0; p < k; ++p, a += a_col) {
    const T* row = b(p);
    P v[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) v[j] = P::load(row + j * w);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const P x = broadcast<T>(a[i * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) sum[i][j] = fma(x, v[j], sum[i][j]);
    }
  }
  if (to.last_lanes == w) store_tile<T>(sum, to, WholePack<T>());
  else store_tile<T>(sum, to, Lanes<T>(to.last_lanes));
}

template <class T, class Rows>
using TileFunction = void (*)(std::int64_t, const T*, std::int64_t, std::int64_t, Rows, const TileTarget<T>&);

template <class T, class Rows, int NV, int... i>
TileFunction<T, Rows> tile_of_rows(int rows, std::integer_sequence<int, i...>) {
  static constexpr TileFunction<T, Rows> all[] = {gemm_tile<T, i + 1, NV, Rows>...};
  return all[rows - 1];
}
/// gemm_tile for 1 to tile_rows(vectors) rows and 1 to tile_vectors packs.
template <class T, class Rows> TileFunction<T, Rows> tile_function(int rows, int vectors) {
  if (vectors == 1) return tile_of_rows<T, Rows, 1>(rows, std::make_integer_sequence<int, tile_rows(1)>{});
#if GRADUS_VECTOR_BYTES == 64
  if (vectors == 3) return tile_of_rows<T, Rows, 3>(rows, std::make_integer_sequence<int, tile_rows(3)>{});
  if (vectors == 4) return tile_of_rows<T, Rows, 4>(rows, std::make_integer_sequence<int, tile_rows(4)>{});
#endif
  return tile_of_rows<T, Rows, 2>(rows, std::make_integer_sequence<int, tile_rows(2)>{});
}

/// All m rows of C for at most one tile's columns, n of them. `to` describes the first row.
template <class T, class Rows>
void tile_column(std::int64_t m, int n, std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_col, Rows b,
                 TileTarget<T> to) {
  constexpr int w = pack<T>::width;
  const int vectors = (n + w - 1) / w, most = tile_rows(vectors);
  to.last_lanes = n - (vectors - 1) * w;
  const auto tile = tile_function<T, Rows>(static_cast<int>(std::min<std::int64_t>(most, m)), vectors);
  while (m > 0) {
    const int rows = static_cast<int>(std::min<std::int64_t>(most, m));
    (rows == most ? tile : tile_function<T, Rows>(rows, vectors))(k, a, a_row, a_col, b, to);
    m -= rows, a += rows * a_row, to.c += rows * to.c_row_stride;
    if (to.row_bias) to.row_bias += rows;
  }
}

/// packed[tile][k][height] = a[k][m]: a transposed A as tiles of `height` rows read it. What lies behind column m is not
/// written, and not read.
template <class T> void pack_columns(std::int64_t m, std::int64_t k, const T* a, std::int64_t a_row, T* packed) {
  constexpr std::int64_t height = tile_rows(tile_vectors), together = 8 * height;  // a few lines of a, a few tiles to write
  const std::int64_t whole = m / height * height;
  for (std::int64_t first = 0; first < whole; first += together) {
    const std::int64_t end = std::min(whole, first + together);
    const T* from = a;
    T* to = packed + first * k;
    for (std::int64_t p = 0; p < k; ++p, from += a_row, to += height)
      for (std::int64_t i = first; i < end; i += height) std::memcpy(to + (i - first) * k, from + i, height * sizeof(T));
  }
  for (std::int64_t p = 0; whole < m && p < k; ++p)
    std::copy_n(a + p * a_row + whole, m - whole, packed + whole * k + p * height);
}

/// tile_column() with an A from pack_columns().
template <class T>
void packed_tile_column(std::int64_t m, int n, std::int64_t k, const T* columns, EvenRows<T> b, TileTarget<T> to) {
  constexpr std::int64_t height = tile_rows(tile_vectors);
  constexpr int w = pack<T>::width;
  const int vectors = (n + w - 1) / w;
  to.last_lanes = n - (vectors - 1) * w;
  for (std::int64_t i = 0; i < m; i += height, columns += height * k, to.c += height * to.c_row_stride) {
    const auto rows = static_cast<int>(std::min(height, m - i));
    tile_function<T, EvenRows<T>>(rows, vectors)(k, columns, 1, height, b, to);
    if (to.row_bias) to.row_bias += rows;
  }
}

/// packed[p * lanes + j] = b(p, j), zeros from column n to `lanes`, which is a whole number of packs.
template <class T>
void pack_panel(const T* b, std::int64_t b_row, std::int64_t b_col, std::int64_t k, int n, int lanes, T* packed) {
  using P = pack<T>;
  constexpr int w = P::width;
  if (b_col == 1) {
    const int whole = n / w * w;
    const Lanes<T> rest(n - whole);
    for (std::int64_t p = 0; p < k; ++p, b += b_row, packed += lanes) {
      for (int j = 0; j < whole; j += w) P::load(b + j).store(packed + j);
      if (whole < lanes) rest.load(b + whole).store(packed + whole);
    }
  } else if (b_row == 1) {
    for (int j = 0; j < lanes; j += w) {
      const int columns = std::min(w, n - j);
      std::int64_t p = 0;
      if (columns == w)
        for (; p + w <= k; p += w) transpose_square<T>(b + p + j * b_col, b_col, packed + p * lanes + j, lanes);
      for (; p < k; p += w)
        transpose_part<T>(b + p + j * b_col, b_col, columns, static_cast<int>(std::min<std::int64_t>(w, k - p)),
                          packed + p * lanes + j, lanes);
    }
  } else {
    for (std::int64_t p = 0; p < k; ++p, b += b_row, packed += lanes) {
      for (int j = 0; j < n; ++j) packed[j] = b[j * b_col];
      for (int j = n; j < lanes; ++j) packed[j] = T(0);
    }
  }
}

}  // namespace GRADUS_ISA
}  // namespace gradus
