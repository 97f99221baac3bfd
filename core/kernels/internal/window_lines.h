// Max pooling by any window, one pack of outputs at a time. A row of the input is split into as many lines as the stride, so
// that the inputs of neighbouring outputs at one window position are contiguous; the padding is minus infinity.
#pragma once

#include <gradus/core/kernels/internal/output_range.h>
#include <gradus/core/kernels/internal/window_halving.h>
#include <gradus/core/memory/scratch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace gradus {

/// The position recorded for a window that lies wholly in the padding.
template <class Position> constexpr Position nowhere = std::numeric_limits<Position>::max();

inline namespace GRADUS_ISA {

template <class T> class Lines {
 public:
  explicit Lines(const PoolGeometry& g)
      : g_(g),
        count_(g.columns().count()),
        first_(g.columns().begin * g.dil_w - g.pad_w),
        apart_(count_ < g.stride_w),
        lines_(apart_ ? count_ : g.stride_w),
        length_(g.out_w() + (apart_ ? 0 : std::max<std::int64_t>(0, count_ - 1) * g.dil_w / g.stride_w) + pack<T>::width),
        values_(g.h * lines_ * length_),
        columns_(count_) {
    std::fill_n(values_.data(), g.h * lines_ * length_, -std::numeric_limits<T>::infinity());
    for (std::int64_t c = 0; c < count_; ++c)
      columns_[c] = apart_ ? c * length_ : c * g.dil_w % g.stride_w * length_ + c * g.dil_w / g.stride_w;
  }
  void fill(const T* x) {
    const std::int64_t s = g_.stride_w;
    for (std::int64_t y = 0; y < g_.h; ++y)
      for (std::int64_t line = 0; line < lines_; ++line) {
        const std::int64_t offset = first_ + (apart_ ? line * g_.dil_w : line);
        const OutputRange inside(length_, g_.w, s, offset);
        if (inside.begin >= inside.end) continue;
        const T* from = x + y * g_.w + offset;
        T* to = values_.data() + (y * lines_ + line) * length_;
        if (s == 1) std::copy(from + inside.begin, from + inside.end, to + inside.begin);
        else if (s == 2)
          for (std::int64_t i = inside.begin; i < inside.end; ++i) to[i] = from[2 * i];
        else
          for (std::int64_t i = inside.begin; i < inside.end; ++i) to[i] = from[i * s];
      }
  }
  /// The inputs at a window position (input row, seen column c) from output 0 on.
  const T* at(std::int64_t row, std::int64_t c) const { return values_.data() + row * lines_ * length_ + columns_[c]; }

 private:
  const PoolGeometry& g_;
  std::int64_t count_, first_;  // seen columns; the index of the first one of output 0
  bool apart_;                  // a stride wider than the window: a line for each column, not for each step of the stride
  std::int64_t lines_, length_;
  Scratch<T> values_;
  Scratch<std::int64_t> columns_;
};

/// The first position in the window of output (y, x) that lies in the image.
template <class Position> Position first_inside(const PoolGeometry& g, std::int64_t y, std::int64_t x) {
  using Seen = PoolGeometry::Seen;
  const auto first = [](std::int64_t start, std::int64_t step, Seen seen, std::int64_t size) {
    std::int64_t i = seen.begin;
    while (i < seen.end && (start + i * step < 0 || start + i * step >= size)) ++i;
    return i;
  };
  const Seen rows = g.rows(), columns = g.columns();
  const std::int64_t r = first(y * g.stride_h - g.pad_h, g.dil_h, rows, g.h);
  const std::int64_t c = first(x * g.stride_w - g.pad_w, g.dil_w, columns, g.w);
  if (r == rows.end || c == columns.end) return nowhere<Position>;
  return static_cast<Position>((r - rows.begin) * columns.count() + c - columns.begin);
}

/// Computes row y of a plane's outputs. Lanes in which nothing exceeds minus infinity get the position `nowhere`.
template <class T, class Position>
void max_row(const PoolGeometry& g, PoolGeometry::Seen rows, std::int64_t columns, std::int64_t y, const Lines<T>& lines,
             T* best, Position* where) {
  using P = pack<T>;
  using Bits = typename P::Bits;
  const std::int64_t ow = g.out_w(), top = y * g.stride_h - g.pad_h;
  for (std::int64_t o = 0; o < ow; o += P::width) {
    P largest(-std::numeric_limits<double>::infinity());
    Bits place = Bits{} - 1;
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      const std::int64_t row = top + r * g.dil_h;
      if (row < 0 || row >= g.h) continue;
      const std::int64_t first = (r - rows.begin) * columns;
      for (std::int64_t c = 0; c < columns; ++c) {
        const P v = P::load(lines.at(row, c) + o);
        const Bits take = (v > largest).bits | (v != v).bits;
        largest.r = take ? v.r : largest.r;
        place = take ? Bits{} + static_cast<std::remove_reference_t<decltype(place[0])>>(first + c) : place;
      }
    }
    const int n = static_cast<int>(std::min<std::int64_t>(P::width, ow - o));
    largest.store_first(best + o, n);
    if (!where) continue;
    if constexpr (sizeof(Position) == 1) Bytes<T>(n).store(where + o, place);
    else
      for (int i = 0; i < n; ++i) where[o + i] = place[i] < 0 ? nowhere<Position> : static_cast<Position>(place[i]);
  }
}

/// Computes the outputs of one plane; `where` may be null.
template <class T, class Position> void max_plane(const PoolGeometry& g, const Lines<T>& lines, T* best, Position* where) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  const PoolGeometry::Seen rows = g.rows();
  const std::int64_t columns = g.columns().count();
  for (std::int64_t y = 0; y < oh; ++y) max_row(g, rows, columns, y, lines, best + y * ow, where ? where + y * ow : nullptr);
  if (!where) return;
  const auto next = [end = where + oh * ow](Position* p) {
    if constexpr (sizeof(Position) == 1) {
      void* found = std::memchr(p, nowhere<Position>, static_cast<std::size_t>(end - p));
      return found ? static_cast<Position*>(found) : end;
    } else {
      return std::find(p, end, nowhere<Position>);
    }
  };
  for (Position* p = next(where); p != where + oh * ow; p = next(p + 1))
    *p = first_inside<Position>(g, (p - where) / ow, (p - where) % ow);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
