// Copies of an image in which the inputs of a run of neighbouring outputs are contiguous for each term.
#pragma once

#include <gradus/core/kernels/internal/conv_detail.h>
#include <gradus/core/kernels/internal/gemm_kernel.h>
#include <gradus/core/memory/scratch.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace gradus::conv_detail {
inline namespace GRADUS_ISA {

// The copies of a band of output rows. With stride_h 1 copy kx holds all input rows of the band; else, or if most of these
// would be padding because the kernel's rows lie far apart, copy (ky, kx) holds just the rows of that ky.
template <class T> struct Bands {
  std::int64_t oh, ow, rows, count;      // output rows in a band
  std::int64_t copies, copy_rows, copy;  // per channel; rows and elements of one
  bool per_row;                          // copies for each ky
  bool none;                             // the image itself is its copy
  bool even;                             // output rows are as long as input rows: a copy is the image, moved
  Scratch<T> inside;                     // if so: [kw, ow + a pack], all bits set where a column's term kx is in the image

  explicit Bands(const Conv2dGeometry& g)
      : oh(g.out_h()),
        ow(g.out_w()),
        per_row(g.stride_h != 1 || g.dil_h * (g.kh - 1) > 4 * (g.h + g.kh)),
        even(!per_row && g.stride_w == 1 && ow == g.w),
        inside(even ? g.kw * (ow + pack<T>::width) : 0) {
    constexpr std::int64_t element = sizeof(T);
    // reads must not go behind the last image, so its planes must be whole packs
    none = g.kh == 1 && g.kw == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_h == 0 && g.pad_w == 0 &&
           oh * ow * element % GRADUS_VECTOR_BYTES == 0;
    copies = per_row ? g.kh * g.kw : g.kw;
    const std::int64_t halo = per_row ? 0 : g.dil_h * (g.kh - 1);
    constexpr std::int64_t cache = 192 << 10;
    const std::int64_t row = g.c_in / g.groups * copies * ow * element;
    rows = std::clamp<std::int64_t>(cache / row - halo, std::min<std::int64_t>(oh, std::max<std::int64_t>(4, 64 / ow)), oh);
    if (none) rows = oh;
    count = (oh + rows - 1) / rows;
    rows = (oh + count - 1) / count;  // about equal
    count = (oh + rows - 1) / rows;
    copy_rows = rows + halo, copy = (copy_rows * ow + pack<T>::width - 1) / pack<T>::width * pack<T>::width;
    for (std::int64_t kx = 0, i = 0; even && kx < g.kw; ++kx) {
      const OutputRange columns(ow, g.w, 1, kx * g.dil_w - g.pad_w);
      for (std::int64_t n = 0, x = 0; n < ow + pack<T>::width; ++n, ++i, x = x + 1 < ow ? x + 1 : 0)
        std::memset(&inside[i], x >= columns.begin && x < columns.end ? -1 : 0, sizeof(T));
    }
  }

  // The offset of term i, in the order of the weights, of the band's first output.
  std::int64_t offset(const Conv2dGeometry& g, std::int64_t i) const {
    const std::int64_t channel = i / (g.kh * g.kw), ky = i / g.kw % g.kh, kx = i % g.kw;
    if (none) return channel * g.h * g.w;
    return per_row ? i * copy : (channel * g.kw + kx) * copy + ky * g.dil_h * ow;
  }
  // The elements of the copies of some channels; the last tile reads up to a tile's width behind them.
  std::int64_t size(std::int64_t channels, std::int64_t width) const {
    return none ? 0 : channels * copies * copy + tile_vectors * width;
  }
};

// Copies from[0], from[step], ... to `to`; the runs are so short that a call would cost as much as the copy.
template <class T> GRADUS_INLINE void copy_run(const T* from, std::int64_t step, std::int64_t n, T* to) {
  constexpr int w = pack<T>::width;
  std::int64_t i = 0;
  if (step == 1) {
    for (; i + w <= n; i += w) pack<T>::load(from + i).store(to + i);
    if (i < n) {
      const Lanes<T> rest(static_cast<int>(n - i));
      rest.store(to + i, rest.load(from + i));
    }
  } else if (step == 2) {
    const auto even = std::make_integer_sequence<int, w>{};
    for (; i + w < n; i += w)  // two whole packs end before the last element
      deinterleave<T>(pack<T>::load(from + 2 * i), pack<T>::load(from + 2 * i + w), even).first.store(to + i);
    for (; i < n; i += w) {
      const int count = static_cast<int>(std::min<std::int64_t>(w, n - i)), read = 2 * count - 1;
      const pack<T> low = Lanes<T>(std::min(read, w)).load(from + 2 * i);
      const pack<T> high = Lanes<T>(std::max(read - w, 0)).load(from + 2 * i + w);
      Lanes<T>(count).store(to + i, deinterleave<T>(low, high, even).first);
    }
  } else {
    for (; i < n; ++i) to[i] = from[i * step];
  }
}

// Copies n elements that run over the ends of rows, from column `column` on; zero where `inside` is.
template <class T>
GRADUS_INLINE void copy_moved(const T* from, const T* inside, std::int64_t column, std::int64_t row, std::int64_t n, T* to) {
  using P = pack<T>;
  const auto kept = [&](P x) -> P {
    return reinterpret_cast<typename P::R>(reinterpret_cast<typename P::Bits>(x.r) &
                                           reinterpret_cast<typename P::Bits>(P::load(inside + column).r));
  };
  const auto part = [&](std::int64_t i, std::int64_t count) {
    const Lanes<T> lanes(static_cast<int>(count));
    lanes.store(to + i, kept(lanes.load(from + i)));
    column = (column + count) % row;
  };
  const std::int64_t step = P::width % row;
  std::int64_t i = std::min(n, static_cast<std::int64_t>(-reinterpret_cast<std::uintptr_t>(to) / sizeof(T) % P::width));
  if (i > 0) part(0, i);  // all other stores are aligned
  for (; i + P::width <= n; i += P::width) {
    kept(P::load(from + i)).store(to + i);
    column += step;
    if (column >= row) column -= row;
  }
  if (i < n) part(i, n - i);
}

// Fills the copies of the band that begins at output row y. They were all zero or filled for the same y before, so the
// elements in the padding are zero already.
template <class T>
void fill_copies(const Conv2dGeometry& g, const Bands<T>& b, std::int64_t y, std::int64_t channels, const T* x, T* copies) {
  for (std::int64_t c = 0; c < channels; ++c, x += g.h * g.w)
    for (std::int64_t k = 0; k < b.copies; ++k, copies += b.copy) {
      const std::int64_t ky = b.per_row ? k / g.kw : 0, offset = k % g.kw * g.dil_w - g.pad_w;
      const OutputRange columns(b.ow, g.w, g.stride_w, offset);
      const std::int64_t top = y * g.stride_h + ky * g.dil_h - g.pad_h;
      const OutputRange rows(b.copy_rows, g.h, g.stride_h, top);
      if (rows.begin == rows.end || columns.begin == columns.end) continue;
      const T* from = x + (top + rows.begin * g.stride_h) * g.w + offset + columns.begin * g.stride_w;
      T* to = copies + rows.begin * b.ow + columns.begin;
      const std::int64_t n = columns.end - columns.begin;
      if (b.even) {
        copy_moved(from, b.inside.data() + k * (b.ow + pack<T>::width), columns.begin, b.ow,
                   (rows.end - rows.begin - 1) * b.ow + n, to);
        continue;
      }
      for (std::int64_t r = rows.begin; r < rows.end; ++r, from += g.stride_h * g.w, to += b.ow)
        copy_run(from, g.stride_w, n, to);
    }
}

}  // namespace GRADUS_ISA
}  // namespace gradus::conv_detail
