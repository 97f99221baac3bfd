// Parts of a pack: the first n lanes without access to memory behind them, and the transpose of a square of lanes.
#pragma once

#include <gradus/core/simd/pack.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace gradus {
inline namespace GRADUS_ISA {

/// The first n lanes of a pack (0 <= n <= width), prepared once and used for many loads and stores. pack::load_first does
/// the same for a single one; a masked instruction costs no more than a whole one.
template <class T> class Lanes {
 public:
  using P = pack<T>;
#if GRADUS_VECTOR_BYTES == 64
  GRADUS_INLINE explicit Lanes(int n) : mask_(static_cast<Mask>((1u << n) - 1u)) {}
  GRADUS_INLINE P load(const T* p) const {
    if constexpr (sizeof(T) == 4) return typename P::R(_mm512_maskz_loadu_ps(mask_, p));
    else return typename P::R(_mm512_maskz_loadu_pd(mask_, p));
  }
  GRADUS_INLINE void store(T* p, P x) const {
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, mask_, x.r);
    else _mm512_mask_storeu_pd(p, mask_, x.r);
  }

 private:
  using Mask = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
  Mask mask_;
#elif GRADUS_VECTOR_BYTES == 32
  GRADUS_INLINE explicit Lanes(int n) {
    for (int i = 0; i < P::width; ++i) mask_[i] = i < n ? -1 : 0;
  }
  GRADUS_INLINE P load(const T* p) const {
    if constexpr (sizeof(T) == 4) return typename P::R(_mm256_maskload_ps(p, reinterpret_cast<__m256i>(mask_)));
    else return typename P::R(_mm256_maskload_pd(p, reinterpret_cast<__m256i>(mask_)));
  }
  GRADUS_INLINE void store(T* p, P x) const {
    if constexpr (sizeof(T) == 4) _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(mask_), x.r);
    else _mm256_maskstore_pd(p, reinterpret_cast<__m256i>(mask_), x.r);
  }

 private:
  typename Register<T>::bits mask_;
#else
  GRADUS_INLINE explicit Lanes(int n) : n_(n) {}
  GRADUS_INLINE P load(const T* p) const {
    P x(typename P::R{});
    for (int i = 0; i < n_; ++i) x.r[i] = p[i];
    return x;
  }
  GRADUS_INLINE void store(T* p, P x) const {
    for (int i = 0; i < n_; ++i) p[i] = x.r[i];
  }

 private:
  int n_;
#endif
};

/// All lanes of a pack, read and written plainly: masked stores of AVX2 are slow on some processors.
template <class T> struct WholePack {
  GRADUS_INLINE pack<T> load(const T* p) const { return pack<T>::load(p); }
  GRADUS_INLINE void store(T* p, pack<T> x) const { x.store(p); }
};

/// Calls f(i, lanes, valid) for the packs of a row of n: with a WholePack and the width (a constant), but in the last.
template <class T, class F> GRADUS_INLINE void for_packs(std::int64_t n, F f) {
  constexpr int w = pack<T>::width;
  std::int64_t i = 0;
  for (; i + w <= n; i += w) f(i, WholePack<T>(), std::integral_constant<int, w>());
  if (i < n) f(i, Lanes<T>(static_cast<int>(n - i)), static_cast<int>(n - i));
}

/// Combines v[0] .. v[n - 1] (n a power of two), the second half into the first, until one is left.
template <class V, class F> GRADUS_INLINE V fold(V* v, int n, F f) {
  for (int half = n / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) v[i] = f(v[i], v[i + half]);
  return v[0];
}
/// Combines the lanes of a pack with f, in the order of fold() for an array.
template <class T, class F> GRADUS_INLINE T fold(pack<T> x, F f) {
  T lane[pack<T>::width];
  x.store(lane);
  return fold(lane, pack<T>::width, f);
}
template <class T> GRADUS_INLINE T fold_sum(pack<T> x) {
  if constexpr (pack<T>::width == 16) {  // in registers
    typedef T Half __attribute__((vector_size(32)));
    typedef T Quarter __attribute__((vector_size(16)));
    const Half* h = reinterpret_cast<const Half*>(&x.r);
    const Half eight = h[0] + h[1];
    const Quarter* q = reinterpret_cast<const Quarter*>(&eight);
    const Quarter four = q[0] + q[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
  } else {
    return fold(x, [](T a, T b) { return a + b; });
  }
}

/// A pack with x in every lane. (0 + x would be an addition, because it turns -0 into +0; x - 0 is x and costs nothing.)
template <class T> GRADUS_INLINE pack<T> broadcast(T x) { return x - typename pack<T>::R{}; }

/// Keeps a loaded pack in its register; else the compiler may load it again for every use, and loads become the limit.
template <class T> GRADUS_INLINE void keep_in_register(pack<T>& x) { asm("" : "+v"(x.r)); }

/// Splits 2 * width elements in a row into even and odd ones, and interleaves them again.
template <class T, int... lane>
GRADUS_INLINE std::pair<pack<T>, pack<T>> deinterleave(pack<T> a, pack<T> b, std::integer_sequence<int, lane...>) {
  return {__builtin_shufflevector(a.r, b.r, (2 * lane)...), __builtin_shufflevector(a.r, b.r, (2 * lane + 1)...)};
}
template <class T, int... lane>
GRADUS_INLINE std::pair<pack<T>, pack<T>> interleave(pack<T> a, pack<T> b, std::integer_sequence<int, lane...>) {
  constexpr int w = pack<T>::width;
  return {__builtin_shufflevector(a.r, b.r, (lane / 2 + (lane % 2) * w)...),
          __builtin_shufflevector(a.r, b.r, (w / 2 + lane / 2 + (lane % 2) * w)...)};
}

/// One stage of the transpose: exchanges, in each square of 2*step, the upper right with the lower left quarter.
template <class T, int step, int... lane>
GRADUS_INLINE void exchange_quarters(pack<T>& a, pack<T>& b, std::integer_sequence<int, lane...>) {
  constexpr int w = pack<T>::width;
  const auto low = __builtin_shufflevector(a.r, b.r, ((lane & step) == 0 ? lane : w + lane - step)...);
  const auto high = __builtin_shufflevector(a.r, b.r, ((lane & step) == 0 ? lane + step : w + lane)...);
  a.r = low;
  b.r = high;
}

template <class T, int step> GRADUS_INLINE void transpose_stages(pack<T>* v) {
  constexpr int w = pack<T>::width;
  if constexpr (step < w) {
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i)
      if ((i & step) == 0) exchange_quarters<T, step>(v[i], v[i + step], std::make_integer_sequence<int, w>{});
    transpose_stages<T, 2 * step>(v);
  }
}

/// Transposes width packs of width lanes in registers.
template <class T> GRADUS_INLINE void transpose(pack<T>* v) { transpose_stages<T, 1>(v); }

/// to[j * to_stride + i] = from[i * from_stride + j] for a full square of width by width.
template <class T>
GRADUS_INLINE void transpose_square(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride) {
  constexpr int w = pack<T>::width;
  pack<T> v[w];
#pragma GCC unroll 16
  for (int i = 0; i < w; ++i) v[i] = pack<T>::load(from + i * from_stride);
  transpose<T>(v);
#pragma GCC unroll 16
  for (int i = 0; i < w; ++i) v[i].store(to + i * to_stride);
}

/// Transposes `rows` by `columns` of the source, each at most width. Writes whole packs of `to` (zeros where there are fewer
/// rows), `columns` of them.
template <class T>
inline void transpose_part(const T* from, std::int64_t from_stride, int rows, int columns, T* to, std::int64_t to_stride) {
  constexpr int w = pack<T>::width;
  pack<T> v[w];
  const Lanes<T> lanes(columns);
#pragma GCC unroll 16
  for (int i = 0; i < w; ++i) v[i] = i < rows ? lanes.load(from + i * from_stride) : pack<T>(typename pack<T>::R{});
  transpose<T>(v);
#pragma GCC unroll 16
  for (int i = 0; i < w; ++i)
    if (i < columns) v[i].store(to + i * to_stride);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
