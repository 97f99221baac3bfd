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

/// An index per lane, held as an integer of the element's size and widened on the way to memory.
template <class T>
class Places {
  using Bits = typename Register<T>::bits;
  using Wide = typename Register<double>::bits;
  static constexpr int w = pack<T>::width, half = pack<double>::width;

 public:
  GRADUS_INLINE explicit Places(int n) : count_(n), first_(std::min(n, half)), second_(std::max(n - half, 0)) {}

  GRADUS_INLINE void store(std::int64_t* to, Bits places, std::int64_t base) const {
#if GRADUS_VECTOR_BYTES >= 32
    if constexpr (sizeof(T) == 8) {
      store_wide(first_, to, places + base);
    } else {
      store_wide(first_, to, widen(places, 0, std::make_integer_sequence<int, half>{}) + base);
      if (count_ > half) store_wide(second_, to + half, widen(places, half, std::make_integer_sequence<int, half>{}) + base);
    }
#else
    for (int i = 0; i < count_; ++i) to[i] = base + places[i];
#endif
  }
  GRADUS_INLINE Bits load(const std::int64_t* from, std::int64_t base) const {
#if GRADUS_VECTOR_BYTES >= 32
    const Wide low = load_wide(first_, from) - base;
    if constexpr (sizeof(T) == 8) {
      return low;
    } else {
      const Wide high = count_ > half ? load_wide(second_, from + half) - base : Wide{};
      return narrow(low, high, std::make_integer_sequence<int, w>{});
    }
#else
    Bits places{};
    for (int i = 0; i < count_; ++i) places[i] = static_cast<std::remove_reference_t<decltype(places[0])>>(from[i] - base);
    return places;
#endif
  }

 private:
  int count_;
  Lanes<double> first_, second_;

#if GRADUS_VECTOR_BYTES >= 32
  // The masked instructions for 64-bit lanes are those of double; the bits pass through unchanged.
  GRADUS_INLINE static void store_wide(const Lanes<double>& lanes, std::int64_t* to, Wide x) {
    lanes.store(reinterpret_cast<double*>(to), pack<double>(reinterpret_cast<Register<double>::type>(x)));
  }
  GRADUS_INLINE static Wide load_wide(const Lanes<double>& lanes, const std::int64_t* from) {
    return reinterpret_cast<Wide>(lanes.load(reinterpret_cast<const double*>(from)).r);
  }
  template <int... lane>
  GRADUS_INLINE static Wide widen(Bits x, int from, std::integer_sequence<int, lane...>) {
    if (from == 0) return __builtin_convertvector(__builtin_shufflevector(x, x, lane...), Wide);
    return __builtin_convertvector(__builtin_shufflevector(x, x, (half + lane)...), Wide);
  }
  template <int... lane>
  GRADUS_INLINE static Bits narrow(Wide low, Wide high, std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(reinterpret_cast<Bits>(low), reinterpret_cast<Bits>(high), (2 * lane)...);
  }
#endif
};

/// Pairs of neighbours: `count` even and `count` odd elements of a row, 2 * count elements long.
template <class T>
struct Pairs {
  static constexpr int w = pack<T>::width;
  static constexpr auto all = std::make_integer_sequence<int, w>{};
  int count;
  Lanes<T> out, first, second;
  Places<T> places;
  GRADUS_INLINE explicit Pairs(int n)
      : count(n), out(n), first(std::min(2 * n, w)), second(std::max(2 * n - w, 0)), places(n) {}
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
template <class T, class F>
GRADUS_INLINE void for_pairs(std::int64_t oh, std::int64_t ow, F f) {
  constexpr int w = pack<T>::width;
  const Pairs<T> whole(w), rest(static_cast<int>(ow % w));
  for (std::int64_t y = 0; y < oh; ++y) {
    std::int64_t x = 0;
    for (; x + w <= ow; x += w) f(whole, y, x);
    if (x < ow) f(rest, y, x);
  }
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
  for_pairs<T>(oh, ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const std::int64_t corner = 2 * r * g.w + 2 * c;
    const auto [a, b] = pairs.load(x + corner);
    const auto [d, e] = pairs.load(x + corner + g.w);
    P best = a;
    Bits place{};
    const auto consider = [&](P v, Int at) {
      const Bits take = (v > best).bits | (v != v).bits;
      best.r = take ? v.r : best.r;
      place = take ? Bits{} + at : place;
    };
    consider(b, 1), consider(d, width), consider(e, static_cast<Int>(width + 1));
    pairs.out.store(y + r * ow + c, best);
    if (where) pairs.places.store(where + r * ow + c, place + twice, corner);
  });
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
  for_pairs<T>(oh, ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const std::int64_t corner = 2 * r * g.w + 2 * c;
    const P v = pairs.out.load(dy + r * ow + c), zero(typename P::R{});
    const Bits place = pairs.places.load(where + r * ow + c, corner) - twice;
    const auto chosen = [&](Int at) -> P { return place == Bits{} + at ? v.r : zero.r; };
    pairs.store(dx + corner, chosen(0), chosen(1));
    pairs.store(dx + corner + g.w, chosen(width), chosen(static_cast<Int>(width + 1)));
  });
  zero_leftover(g, dx);
}

template <class T>
void halve_mean(const PoolGeometry& g, const T* x, T* y) {
  const std::int64_t ow = g.out_w();
  for_pairs<T>(g.out_h(), ow, [&](const Pairs<T>& pairs, std::int64_t r, std::int64_t c) {
    const auto [a, b] = pairs.load(x + 2 * r * g.w + 2 * c);
    const auto [d, e] = pairs.load(x + (2 * r + 1) * g.w + 2 * c);
    pairs.out.store(y + r * ow + c, (a + b + d + e) * pack<T>(0.25));
  });
}

template <class T>
void unhalve_mean(const PoolGeometry& g, const T* dy, T* dx) {
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
