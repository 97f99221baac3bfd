// Cuts a matrix product into tiles by its shape, and gives each to the faster of two kernels: the register tile of
// gemm_kernel.h, or single-threaded OpenBLAS. No other file calls BLAS.
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/internal/gemm_kernel.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>

#include <cblas.h>
#include <dlfcn.h>

#include <algorithm>
#include <type_traits>

namespace gradus {
namespace {

using SetThreads = void(int);

/// OpenMP's own setter of the number of threads, which only the OpenMP build of OpenBLAS loads.
SetThreads* openmp_setter() { return reinterpret_cast<SetThreads*>(dlsym(RTLD_DEFAULT, "omp_set_num_threads")); }

BlasInfo ask_blas() {
  using Threading = BlasInfo::Threading;
  openblas_set_num_threads(1);
  BlasInfo info{openblas_get_config(), Threading::unknown, false};
  switch (openblas_get_parallel()) {
    case OPENBLAS_SEQUENTIAL: info.threading = Threading::serial; break;
    case OPENBLAS_THREAD: info.threading = Threading::pthreads; break;
    case OPENBLAS_OPENMP: info.threading = Threading::openmp; break;
    default: break;
  }
  // OpenBLAS's serial build shares its buffers between threads without a lock; the OpenMP build ignores set_num_threads and
  // must be told in every thread that calls it (OpenBLAS issues 1755, 2126, 5806).
  info.safe = info.threading == Threading::pthreads || (info.threading == Threading::openmp && openmp_setter());
  return info;
}

void pin_this_thread() {
  if (blas_info().threading != BlasInfo::Threading::openmp) return;
  thread_local const bool pinned = (openmp_setter()(1), true);
  (void)pinned;
}

template <class T> struct Product {
  std::int64_t m, n, k;
  GemmOperand<T> a, b;
  T* c;
  std::int64_t c_row;
  GemmExtras<T> extras;

  Product block(std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) const {
    Product q = *this;
    q.m = rows, q.n = columns;
    q.a.data += i * a.row_stride;
    q.b.data += j * b.column_stride;
    q.c += i * c_row + j;
    if (q.extras.row_bias) q.extras.row_bias += i;
    if (q.extras.column_bias) q.extras.column_bias += j;
    return q;
  }
};

template <class T> void without_terms(const Product<T>& q) {
  const auto& e = q.extras;
  for (std::int64_t i = 0; i < q.m; ++i)
    for (std::int64_t j = 0; j < q.n; ++j) {
      T& c = q.c[i * q.c_row + j];
      c = (e.accumulate ? c : T(0)) + (e.row_bias ? e.row_bias[i] : T(0)) + (e.column_bias ? e.column_bias[j] : T(0));
    }
}

// Computes one panel of C (all rows, at most one tile's columns) for one chain. `columns`: A by pack_columns(), or null.
template <class T>
void panel(const Product<T>& q, bool first, std::int64_t k, const T* columns, EvenRows<T> b, std::int64_t j, int n) {
  const TileTarget<T> to{q.c + j,
                         q.c_row,
                         first ? q.extras.row_bias : nullptr,
                         first && q.extras.column_bias ? q.extras.column_bias + j : nullptr,
                         !first || q.extras.accumulate,
                         0};
  if (columns) packed_tile_column<T>(q.m, n, k, columns, b, to);
  else tile_column<T>(q.m, n, k, q.a.data, q.a.row_stride, q.a.column_stride, b, to);
}

template <class T> void own_product(const Product<T>& q) {
  constexpr int w = pack<T>::width;
  constexpr std::int64_t widest = tile_vectors * w, height = tile_rows(tile_vectors), near = 128;
  const std::int64_t longest = std::min(q.k, gemm_k_block);
  // A transposed A is read down its columns, whose elements lie far apart: more pages than the first translation buffer has
  // entries for are worth a copy.
  constexpr std::int64_t pages = 64, page = 4096 / sizeof(T);
  const bool pack_a = q.a.row_stride == 1 && longest * q.a.column_stride > pages * page && q.n > 2 * w;
  Scratch<T> packed(longest * std::min(widest, (q.n + w - 1) / w * w)),
      columns(pack_a ? longest * ((q.m + height - 1) / height * height) : 0);
  for (std::int64_t p = 0; p < q.k; p += gemm_k_block) {
    const std::int64_t k = std::min(gemm_k_block, q.k - p);
    Product<T> part = q;
    part.a.data += p * q.a.column_stride;
    if (pack_a) pack_columns(q.m, k, part.a.data, q.a.column_stride, columns.data());
    for (std::int64_t j = 0; j < q.n; j += widest) {
      const int n = static_cast<int>(std::min(widest, q.n - j)), lanes = (n + w - 1) / w * w;
      const T* b = q.b.data + p * q.b.row_stride + j * q.b.column_stride;
      // B is read in place when a copy would be the same, or would cost more than it saves
      const bool in_place = q.b.column_stride == 1 && n == lanes && (q.m <= 2 * tile_rows(n / w) || q.b.row_stride <= near);
      if (!in_place) pack_panel<T>(b, q.b.row_stride, q.b.column_stride, k, n, lanes, packed.data());
      panel(part, p == 0, k, pack_a ? columns.data() : nullptr,
            in_place ? EvenRows<T>{b, q.b.row_stride} : EvenRows<T>{packed.data(), lanes}, j, n);
    }
  }
}

// The transposed product, for few columns: packs of a row would be mostly empty there, and are full here.
template <class T> void narrow_product(const Product<T>& q) {
  Scratch<T> turned(q.m * q.n);
  if (q.extras.accumulate)
    for (std::int64_t j = 0; j < q.n; ++j)
      for (std::int64_t i = 0; i < q.m; ++i) turned[j * q.m + i] = q.c[i * q.c_row + j];
  own_product<T>({q.n,
                  q.m,
                  q.k,
                  {q.b.data, q.b.column_stride, q.b.row_stride},
                  {q.a.data, q.a.column_stride, q.a.row_stride},
                  turned.data(),
                  q.m,
                  {q.extras.accumulate, q.extras.column_bias, q.extras.row_bias}});
  for (std::int64_t i = 0; i < q.m; ++i)
    for (std::int64_t j = 0; j < q.n; ++j) q.c[i * q.c_row + j] = turned[j * q.m + i];
}

// True if BLAS can read the layout: one dimension contiguous, the other with steps at least as long as that dimension.
template <class T> bool plain(const GemmOperand<T>& x, std::int64_t rows, std::int64_t columns) {
  return (x.column_stride == 1 && x.row_stride >= columns) || (x.row_stride == 1 && x.column_stride >= rows);
}

// True where OpenBLAS was measured faster (docs/decisions/gemm.md): large f64 products, those with very few rows or columns,
// and all where the processor has no fused multiply-add. Our kernel wins the f32 products of training.
template <class T> bool blas_is_faster(const Product<T>& q) {
  const std::int64_t work = q.m * q.n * q.k;
  if (pack<T>::width * sizeof(T) == 16) return work > 32 * 32 * 32;
  if (std::min(q.m, q.n) < 12) return work > 16 * 1024;
  return sizeof(T) == 8 && work > 64 * 64 * 64;
}

template <class T> bool blas_suits(const Product<T>& q) {
  constexpr std::int64_t most = 1 << 30;
  return blas_is_faster(q) && q.c_row < most && q.k < most && plain(q.a, q.m, q.k) && plain(q.b, q.k, q.n) &&
         std::max({q.a.row_stride, q.a.column_stride, q.b.row_stride, q.b.column_stride}) < most && blas_info().safe;
}

template <class T> void blas_product(const Product<T>& q) {
  pin_this_thread();
  const auto order = [](const GemmOperand<T>& x) { return x.column_stride == 1 ? CblasNoTrans : CblasTrans; };
  const auto leading = [](const GemmOperand<T>& x, std::int64_t columns, std::int64_t rows) {
    return static_cast<int>(x.column_stride == 1 ? std::max(x.row_stride, columns) : std::max(x.column_stride, rows));
  };
  const int m = static_cast<int>(q.m), n = static_cast<int>(q.n), k = static_cast<int>(q.k), ldc = static_cast<int>(q.c_row);
  const int lda = leading(q.a, q.k, q.m), ldb = leading(q.b, q.n, q.k);
  const T beta = q.extras.accumulate ? T(1) : T(0);
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemm(CblasRowMajor, order(q.a), order(q.b), m, n, k, 1, q.a.data, lda, q.b.data, ldb, beta, q.c, ldc);
  else cblas_dgemm(CblasRowMajor, order(q.a), order(q.b), m, n, k, 1, q.a.data, lda, q.b.data, ldb, beta, q.c, ldc);
  if (!q.extras.row_bias && !q.extras.column_bias) return;
  Product<T> biases = q;
  biases.extras.accumulate = true;
  without_terms(biases);
}

template <class T> void product(const Product<T>& q) {
  constexpr std::int64_t w = pack<T>::width;
  if (q.k <= 0) without_terms(q);
  else if (blas_suits(q)) blas_product(q);
  else if (4 * q.n <= 3 * w && q.m >= 2 * w) narrow_product(q);
  else own_product(q);
}

// Multiply-adds in a block of C, at least about, so that each block is worth a task.
constexpr std::int64_t block_work = 1 << 19;

std::int64_t even_parts(std::int64_t all, std::int64_t most, std::int64_t unit) {
  const std::int64_t parts = (all + most - 1) / most;
  return ((all + parts - 1) / parts + unit - 1) / unit * unit;
}

// The cut of C into blocks, some 8 or more for large products. A block is wide before it is high, because packing A costs
// more than packing B, and high enough to read a transposed A in long runs (docs/decisions/gemm.md).
struct Grid {
  std::int64_t rows, columns;  // of a block
  std::int64_t across, down;   // blocks
  Grid(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t panel_columns) {
    constexpr std::int64_t wide = 256, high = 128,
                           highest = 240;  // times gemm_k_block elements of A fit in the second cache
    constexpr std::int64_t most_work = 1 << 26;
    const std::int64_t work = std::clamp(m * n / 8 * k, block_work, most_work);
    rows = std::clamp(work / (std::min(n, wide) * k), high, highest);
    rows = m <= rows ? m : even_parts(m, rows, 12);
    columns = even_parts(n, std::clamp(work / (rows * k), std::min(n, panel_columns), n), panel_columns);
    across = (n + columns - 1) / columns, down = (m + rows - 1) / rows;
  }
};

}  // namespace

const BlasInfo& blas_info() {
  static const BlasInfo info = ask_blas();
  return info;
}

template <class T>
void batched_gemm(GemmBatch batch, std::int64_t m, std::int64_t n, std::int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c,
                  std::int64_t c_row_stride, GemmExtras<T> extras) {
  if (batch.count <= 0 || m <= 0 || n <= 0) return;
  const CountMultiplyAdds counted(batch.count * m * n * std::max<std::int64_t>(0, k));
  const Product<T> one{m, n, k, a, b, c, c_row_stride, extras};
  if (batch.count == 1 && m * n * k <= 32 * 32 * 32) return product(one);
  const Grid grid(m, n, std::max<std::int64_t>(1, k), tile_vectors * pack<T>::width);
  const std::int64_t blocks = grid.across * grid.down;
  const std::int64_t work = std::max<std::int64_t>(1, m * n * k / blocks);
  parallel_ranges(batch.count * blocks, std::max<std::int64_t>(1, block_work / work),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t t = begin; t < end; ++t) {
                      const std::int64_t which = t / blocks, i = t % blocks / grid.across * grid.rows,
                                         j = t % grid.across * grid.columns;
                      Product<T> q = one.block(i, std::min(grid.rows, m - i), j, std::min(grid.columns, n - j));
                      q.a.data += which * batch.a_stride, q.b.data += which * batch.b_stride, q.c += which * batch.c_stride;
                      product(q);
                    }
                  });
}

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c,
          std::int64_t c_row_stride, GemmExtras<T> extras) {
  batched_gemm<T>({1, 0, 0, 0}, m, n, k, a, b, c, c_row_stride, extras);
}

#define GRADUS_GEMM(T)                                                                                                   \
  template void gemm<T>(std::int64_t, std::int64_t, std::int64_t, GemmOperand<T>, GemmOperand<T>, T*, std::int64_t,      \
                        GemmExtras<T>);                                                                                  \
  template void batched_gemm<T>(GemmBatch, std::int64_t, std::int64_t, std::int64_t, GemmOperand<T>, GemmOperand<T>, T*, \
                                std::int64_t, GemmExtras<T>);
GRADUS_GEMM(float)
GRADUS_GEMM(double)
#undef GRADUS_GEMM

}  // namespace gradus
