// Pooling by 2 by 2 windows with stride 2, one pack of outputs at a time.
#pragma once

#include <gradus/core/lanes.h>
#include <gradus/core/window.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace gradus {
inline namespace GRADUS_ISA {

inline bool halves(const PoolGeometry& g) {
  return g.kh == 2 && g.kw == 2 && g.stride_h == 2 && g.stride_w == 2 && g.pad_h == 0 && g.pad_w == 0 && g.dil_h == 1 &&
         g.dil_w == 1 && g.h * g.w < (std::int64_t(1) << 31);
}

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

/// Pairs of neighbours: `count` even and `count` odd elements of a row, 2 * count elements long.
template <class T>
struct Pairs {
  static constexpr int w = pack<T>::width;
  static constexpr auto all = std::make_integer_sequence<int, w>{};
  int count;
  Lanes<T> out, first, second;
  GRADUS_INLINE explicit Pairs(int n) : count(n), out(n), first(std::min(2 * n, w)), second(std::max(2 * n - w, 0)) {}
  GRADUS_INLINE std::pair<pack<T>, pack<T>> load(const T* p) const {
    return deinterleave<T>(first.load(p), 2 * count > w ? second.load(p + w) : pack<T>(typename pack<T>::R{}), all);
  }
  GRADUS_INLINE void store(T* p, pack<T> even, pack<T> odd) const {
    const auto both = interleave<T>(even, odd, all);
    first.store(p, both.first);
    if (2 * count > w) second.store(p + w, both.second);
  }
};

/// An index per lane, held as an integer of the element's size and widened on the way to memory.
template <class T>
GRADUS_INLINE void store_places(std::int64_t* to, typename Register<T>::bits places, std::int64_t base, int n) {
  constexpr int w = pack<T>::width;
  if (n == w)
    for (int i = 0; i < w; ++i) to[i] = base + places[i];
  else
    for (int i = 0; i < n; ++i) to[i] = base + places[i];
}
template <class T>
GRADUS_INLINE typename Register<T>::bits load_places(const std::int64_t* from, std::int64_t base, int n) {
  using Int = std::remove_reference_t<decltype(typename Register<T>::bits{}[0])>;
  typename Register<T>::bits places{};
  constexpr int w = pack<T>::width;
  if (n == w)
    for (int i = 0; i < w; ++i) places[i] = static_cast<Int>(from[i] - base);
  else
    for (int i = 0; i < n; ++i) places[i] = static_cast<Int>(from[i] - base);
  return places;
}

/// Calls f(pairs, column) for the outputs of a row, a pack at a time.
template <class T, class F>
GRADUS_INLINE void for_pairs(std::int64_t ow, F f) {
  constexpr int w = pack<T>::width;
  const Pairs<T> whole(w);
  std::int64_t x = 0;
  for (; x + w <= ow; x += w) f(whole, x);
  if (x < ow) f(Pairs<T>(static_cast<int>(ow - x)), x);
}

template <class T>
void halve_max(const PoolGeometry& g, const T* x, T* y, std::int64_t* where) {
  using P = pack<T>;
  using Bits = typename P::Bits;
  using Int = std::remove_reference_t<decltype(Bits{}[0])>;
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  Bits twice{};
  for (int i = 0; i < P::width; ++i) twice[i] = static_cast<Int>(2 * i);
  const Int width = static_cast<Int>(g.w);
  for (std::int64_t r = 0; r < oh; ++r, y += ow) {
    const T* top = x + 2 * r * g.w;
    for_pairs<T>(ow, [&](const Pairs<T>& pairs, std::int64_t c) {
      const auto [a, b] = pairs.load(top + 2 * c);
      const auto [d, e] = pairs.load(top + g.w + 2 * c);
      P best = a;
      Bits place{};
      const auto consider = [&](P v, Int at) {
        const Bits take = (v > best).bits | (v != v).bits;
        best.r = take ? v.r : best.r;
        place = take ? Bits{} + at : place;
      };
      consider(b, 1), consider(d, width), consider(e, static_cast<Int>(width + 1));
      pairs.out.store(y + c, best);
      if (where) store_places<T>(where + r * ow + c, place + twice, 2 * r * g.w + 2 * c, pairs.count);
    });
  }
}

// What the windows leave over of an image with odd sides.
template <class T>
void zero_leftover(const PoolGeometry& g, T* dx) {
  const std::int64_t h = 2 * g.out_h(), w = 2 * g.out_w();
  if (w < g.w)
    for (std::int64_t y = 0; y < h; ++y) dx[y * g.w + w] = T(0);
  std::fill(dx + h * g.w, dx + g.h * g.w, T(0));
}

template <class T>
void unhalve_max(const PoolGeometry& g, const T* dy, const std::int64_t* where, T* dx) {
  using P = pack<T>;
  using Bits = typename P::Bits;
  using Int = std::remove_reference_t<decltype(Bits{}[0])>;
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  Bits twice{};
  for (int i = 0; i < P::width; ++i) twice[i] = static_cast<Int>(2 * i);
  const Int width = static_cast<Int>(g.w);
  for (std::int64_t r = 0; r < oh; ++r, dy += ow, where += ow) {
    T* top = dx + 2 * r * g.w;
    for_pairs<T>(ow, [&](const Pairs<T>& pairs, std::int64_t c) {
      const P v = pairs.out.load(dy + c), zero(typename P::R{});
      const Bits place = load_places<T>(where + c, 2 * r * g.w + 2 * c, pairs.count) - twice;
      const auto chosen = [&](Int at) -> P { return place == Bits{} + at ? v.r : zero.r; };
      pairs.store(top + 2 * c, chosen(0), chosen(1));
      pairs.store(top + g.w + 2 * c, chosen(width), chosen(static_cast<Int>(width + 1)));
    });
  }
  zero_leftover(g, dx);
}

template <class T>
void halve_mean(const PoolGeometry& g, const T* x, T* y) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for (std::int64_t r = 0; r < oh; ++r, y += ow)
    for_pairs<T>(ow, [&](const Pairs<T>& pairs, std::int64_t c) {
      const auto [a, b] = pairs.load(x + 2 * r * g.w + 2 * c);
      const auto [d, e] = pairs.load(x + (2 * r + 1) * g.w + 2 * c);
      pairs.out.store(y + c, (a + b + d + e) * pack<T>(0.25));
    });
}

template <class T>
void unhalve_mean(const PoolGeometry& g, const T* dy, T* dx) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for (std::int64_t r = 0; r < oh; ++r, dy += ow)
    for_pairs<T>(ow, [&](const Pairs<T>& pairs, std::int64_t c) {
      const pack<T> share = pairs.out.load(dy + c) * pack<T>(0.25);
      pairs.store(dx + 2 * r * g.w + 2 * c, share, share);
      pairs.store(dx + (2 * r + 1) * g.w + 2 * c, share, share);
    });
  zero_leftover(g, dx);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
