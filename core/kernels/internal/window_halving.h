// Pooling by 2 by 2 windows with stride 2, one pack of outputs at a time.
#pragma once

#include <gradus/core/kernels/window.h>
#include <gradus/core/simd/lanes.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace gradus {
inline namespace GRADUS_ISA {

inline bool halves(const PoolGeometry& g) {
  return g.kh == 2 && g.kw == 2 && g.stride_h == 2 && g.stride_w == 2 && g.pad_h == 0 && g.pad_w == 0 && g.dil_h == 1 &&
         g.dil_w == 1;
}

/// A small number per lane, one byte each in memory.
template <class T> class Bytes {
  using Bits = typename Register<T>::bits;

 public:
#if GRADUS_VECTOR_BYTES == 64
  GRADUS_INLINE explicit Bytes(int n) : first_(static_cast<__mmask16>((1u << n) - 1u)) {}
  GRADUS_INLINE void store(std::uint8_t* to, Bits numbers) const {
    const auto wide = reinterpret_cast<__m512i>(numbers);
    if constexpr (sizeof(T) == 4) _mm_mask_storeu_epi8(to, first_, _mm512_maskz_cvtepi32_epi8(first_, wide));
    else _mm_mask_storeu_epi8(to, first_, _mm512_maskz_cvtepi64_epi8(static_cast<__mmask8>(first_), wide));
  }
  GRADUS_INLINE Bits load(const std::uint8_t* from) const {
    const __m128i bytes = _mm_maskz_loadu_epi8(first_, from);
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Bits>(_mm512_maskz_cvtepu8_epi32(first_, bytes));
    else return reinterpret_cast<Bits>(_mm512_maskz_cvtepu8_epi64(static_cast<__mmask8>(first_), bytes));
  }

 private:
  __mmask16 first_;
#else
  GRADUS_INLINE explicit Bytes(int n) : count_(n) {}
  GRADUS_INLINE void store(std::uint8_t* to, Bits numbers) const {
    for (int i = 0; i < count_; ++i) to[i] = static_cast<std::uint8_t>(numbers[i]);
  }
  GRADUS_INLINE Bits load(const std::uint8_t* from) const {
    Bits numbers{};
    for (int i = 0; i < count_; ++i) numbers[i] = from[i];
    return numbers;
  }

 private:
  int count_;
#endif
};

/// The `count` even and the `count` odd elements of a row of 2 * count elements.
template <class T> struct Pairs {
  static constexpr int w = pack<T>::width;
  static constexpr auto all = std::make_integer_sequence<int, w>{};
  int count;
  Lanes<T> out, first, second;
  Bytes<T> bytes;
  GRADUS_INLINE explicit Pairs(int n)
      : count(n), out(n), first(std::min(2 * n, w)), second(std::max(2 * n - w, 0)), bytes(n) {}
  GRADUS_INLINE std::pair<pack<T>, pack<T>> load(const T* p) const {
    return deinterleave<T>(first.load(p), 2 * count > w ? second.load(p + w) : pack<T>(typename pack<T>::R{}), all);
  }
  GRADUS_INLINE void store(T* p, pack<T> even, pack<T> odd) const {
    const auto both = interleave<T>(even, odd, all);
    first.store(p, both.first);
    if (2 * count > w) second.store(p + w, both.second);
  }
};

/// Calls f(pairs, row, column) for the outputs of a plane, a pack of one row at a time.
template <class T, class F> GRADUS_INLINE void for_pairs(std::int64_t oh, std::int64_t ow, F f) {
  constexpr int w = pack<T>::width;
  const Pairs<T> whole(w), rest(static_cast<int>(ow % w));
  for (std::int64_t y = 0; y < oh; ++y) {
    std::int64_t x = 0;
    for (; x + w <= ow; x += w) f(whole, y, x);
    if (x < ow) f(rest, y, x);
  }
}

template <class T> void halve_max(const PoolGeometry& g, const T* x, T* y, std::uint8_t* where) {
  using P = pack<T>;
  using Bits = typename P::Bits;
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for_pairs<T>(oh, ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const std::int64_t corner = 2 * r * g.w + 2 * c;
    const auto [a, b] = pairs.load(x + corner);
    const auto [d, e] = pairs.load(x + corner + g.w);
    P best = a;
    Bits place{};
    const auto consider = [&](P v, int at) {
      const Bits take = (v > best).bits | (v != v).bits;
      best.r = take ? v.r : best.r;
      place = take ? Bits{} + at : place;
    };
    consider(b, 1), consider(d, 2), consider(e, 3);
    pairs.out.store(y + r * ow + c, best);
    if (where) pairs.bytes.store(where + r * ow + c, place);
  });
}

// Sets the gradient of the row and column to zero that the windows leave over of an image with odd sides.
template <class T> void zero_leftover(const PoolGeometry& g, T* dx) {
  const std::int64_t h = 2 * g.out_h(), w = 2 * g.out_w();
  if (w < g.w)
    for (std::int64_t y = 0; y < h; ++y) dx[y * g.w + w] = T(0);
  std::fill(dx + h * g.w, dx + g.h * g.w, T(0));
}

template <class T> void unhalve_max(const PoolGeometry& g, const T* dy, const std::uint8_t* where, T* dx) {
  using P = pack<T>;
  using Bits = typename P::Bits;
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for_pairs<T>(oh, ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const std::int64_t corner = 2 * r * g.w + 2 * c;
    const P v = pairs.out.load(dy + r * ow + c), zero(typename P::R{});
    const Bits place = pairs.bytes.load(where + r * ow + c);
    const auto chosen = [&](int at) -> P { return place == Bits{} + at ? v.r : zero.r; };
    pairs.store(dx + corner, chosen(0), chosen(1));
    pairs.store(dx + corner + g.w, chosen(2), chosen(3));
  });
  zero_leftover(g, dx);
}

template <class T> void halve_mean(const PoolGeometry& g, const T* x, T* y) {
  const std::int64_t ow = g.out_w();
  for_pairs<T>(g.out_h(), ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const auto [a, b] = pairs.load(x + 2 * r * g.w + 2 * c);
    const auto [d, e] = pairs.load(x + (2 * r + 1) * g.w + 2 * c);
    pairs.out.store(y + r * ow + c, (a + b + d + e) * pack<T>(0.25));
  });
}

template <class T> void unhalve_mean(const PoolGeometry& g, const T* dy, T* dx) {
  const std::int64_t ow = g.out_w();
  for_pairs<T>(g.out_h(), ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const pack<T> share = pairs.out.load(dy + r * ow + c) * pack<T>(0.25);
    pairs.store(dx + 2 * r * g.w + 2 * c, share, share);
    pairs.store(dx + (2 * r + 1) * g.w + 2 * c, share, share);
  });
  zero_leftover(g, dx);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
