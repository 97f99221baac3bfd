// Max and average pooling. Average pooling computes a row of outputs one window position at a time, so that the inner loop
// runs over neighbouring outputs; the 2 by 2 window with stride 2, by far the most frequent, has its own loops.
#include <gradus/core/kernels/internal/window_halving.h>
#include <gradus/core/kernels/internal/window_lines.h>
#include <gradus/core/kernels/window.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

template <class F> void for_planes(const PoolGeometry& g, F f) {
  const std::int64_t work = g.h * g.w + 2 * g.out_h() * g.out_w();
  parallel_ranges(g.planes, std::max<std::int64_t>(1, 2 * grain_elements / std::max<std::int64_t>(1, work)), f);
}

// The positions of windows that lie inside the image.
class Inside {
 public:
  explicit Inside(const PoolGeometry& g) : g_(g), rows_(g.rows()), columns_(g.columns()), ow_(g.out_w()) {}

  // Calls f(input row, column offset, outputs in reach) for the positions of output row y inside the image.
  template <class F> void each(std::int64_t y, F f) const {
    for (std::int64_t r = rows_.begin; r < rows_.end; ++r) {
      const std::int64_t row = y * g_.stride_h - g_.pad_h + r * g_.dil_h;
      if (row < 0 || row >= g_.h) continue;
      for (std::int64_t c = columns_.begin; c < columns_.end; ++c) {
        const std::int64_t offset = c * g_.dil_w - g_.pad_w;
        f(row, offset, OutputRange(ow_, g_.w, g_.stride_w, offset));
      }
    }
  }

 private:
  const PoolGeometry& g_;
  PoolGeometry::Seen rows_, columns_;
  std::int64_t ow_;
};

// Calls f(output, its index in the plane) for the outputs of a plane whose window lies somewhere in the image.
template <class Position, class F> void for_positions(const PoolGeometry& g, const Position* where, F f) {
  const std::int64_t oh = g.out_h(), ow = g.out_w(), columns = g.columns().count();
  const std::int64_t top = g.rows().begin * g.dil_h - g.pad_h, left = g.columns().begin * g.dil_w - g.pad_w;
  const auto offset = [&](std::int64_t i) { return (i / columns * g.dil_h + top) * g.w + i % columns * g.dil_w + left; };
  const std::int64_t tabled = sizeof(Position) == 1 ? g.rows().count() * columns : 0;  // a table of more would not pay
  Scratch<std::int64_t> offsets(tabled);
  for (std::int64_t i = 0; i < tabled; ++i) offsets[i] = offset(i);
  for (std::int64_t y = 0, i = 0; y < oh; ++y)
    for (std::int64_t x = 0; x < ow; ++x, ++i) {
      if (where[i] == nowhere<Position>) continue;
      const auto position = static_cast<std::int64_t>(where[i]);
      f(i, y * g.stride_h * g.w + x * g.stride_w + (sizeof(Position) == 1 ? offsets[position] : offset(position)));
    }
}

// One over the number of positions that count, for each output of row y.
template <class T> void divisors(const PoolGeometry& g, const Inside& inside, bool count_padding, std::int64_t y, T* count) {
  const std::int64_t ow = g.out_w();
  std::fill(count, count + ow, count_padding ? static_cast<T>(g.kh * g.kw) : T(0));
  if (count_padding) return;
  inside.each(y, [&](std::int64_t, std::int64_t, OutputRange reach) {
    for (std::int64_t o = reach.begin; o < reach.end; ++o) count[o] += T(1);
  });
  for (std::int64_t o = 0; o < ow; ++o) count[o] = std::max(count[o], T(1));
}

}  // namespace

template <class T, class Position> void max_pool2d_forward(const PoolGeometry& g, const T* x, T* y, Position* where) {
  const std::int64_t out = g.out_h() * g.out_w(), in = g.h * g.w;
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (sizeof(Position) == 1)
      if (halves(g)) {
        for (std::int64_t p = begin; p < end; ++p) halve_max(g, x + p * in, y + p * out, where ? where + p * out : nullptr);
        return;
      }
    Lines<T> lines(g);
    for (std::int64_t p = begin; p < end; ++p) {
      lines.fill(x + p * in);
      max_plane(g, lines, y + p * out, where ? where + p * out : nullptr);
    }
  });
}

template <class T, class Position>
void max_pool2d_backward(const PoolGeometry& g, const T* dy, const Position* where, T* dx) {
  const std::int64_t out = g.out_h() * g.out_w(), in = g.h * g.w;
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (sizeof(Position) == 1)
      if (halves(g)) {
        for (std::int64_t p = begin; p < end; ++p) unhalve_max(g, dy + p * out, where + p * out, dx + p * in);
        return;
      }
    for (std::int64_t p = begin; p < end; ++p) {
      T* to = dx + p * in;
      std::fill(to, to + in, T(0));
      for_positions(g, where + p * out, [&](std::int64_t i, std::int64_t place) { to[place] += dy[p * out + i]; });
    }
  });
}

template <class Position> void max_pool2d_places(const PoolGeometry& g, const Position* where, std::int64_t* places) {
  const std::int64_t out = g.out_h() * g.out_w();
  std::fill(places, places + g.planes * out, -1);
  for (std::int64_t p = 0; p < g.planes; ++p)
    for_positions(g, where + p * out, [&](std::int64_t i, std::int64_t place) { places[p * out + i] = place; });
}

template <class T> void avg_pool2d_forward(const PoolGeometry& g, bool count_padding, const T* x, T* y) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    const Inside inside(g);
    Scratch<T> count(ow);
    for (std::int64_t p = begin; p < end; ++p) {
      const T* from = x + p * g.h * g.w;
      if (halves(g)) {
        halve_mean(g, from, y + p * oh * ow);
        continue;
      }
      for (std::int64_t r = 0; r < oh; ++r) {
        T* sum = y + (p * oh + r) * ow;
        std::fill(sum, sum + ow, T(0));
        inside.each(r, [&](std::int64_t row, std::int64_t offset, OutputRange reach) {
          const T* in = from + row * g.w + offset;
          for (std::int64_t o = reach.begin; o < reach.end; ++o) sum[o] += in[o * g.stride_w];
        });
        divisors(g, inside, count_padding, r, count.data());
        for (std::int64_t o = 0; o < ow; ++o) sum[o] /= count[o];
      }
    }
  });
}

template <class T> void avg_pool2d_backward(const PoolGeometry& g, bool count_padding, const T* dy, T* dx) {
  const std::int64_t oh = g.out_h(), ow = g.out_w(), in = g.h * g.w;
  for_planes(g, [&](std::int64_t begin, std::int64_t end) {
    const Inside inside(g);
    Scratch<T> share(ow);
    for (std::int64_t p = begin; p < end; ++p) {
      T* to = dx + p * in;
      if (halves(g)) {
        unhalve_mean(g, dy + p * oh * ow, to);
        continue;
      }
      std::fill(to, to + in, T(0));
      for (std::int64_t r = 0; r < oh; ++r) {
        divisors(g, inside, count_padding, r, share.data());
        for (std::int64_t o = 0; o < ow; ++o) share[o] = dy[(p * oh + r) * ow + o] / share[o];
        inside.each(r, [&](std::int64_t row, std::int64_t offset, OutputRange reach) {
          T* out = to + row * g.w + offset;
          for (std::int64_t o = reach.begin; o < reach.end; ++o) out[o * g.stride_w] += share[o];
        });
      }
    }
  });
}

#define GRADUS_MAX_POOL(T, P)                                              \
  template void max_pool2d_forward(const PoolGeometry&, const T*, T*, P*); \
  template void max_pool2d_backward(const PoolGeometry&, const T*, const P*, T*);
#define GRADUS_POOL(T)                                                          \
  GRADUS_MAX_POOL(T, std::uint8_t)                                              \
  GRADUS_MAX_POOL(T, std::int64_t)                                              \
  template void avg_pool2d_forward<T>(const PoolGeometry&, bool, const T*, T*); \
  template void avg_pool2d_backward<T>(const PoolGeometry&, bool, const T*, T*);
GRADUS_POOL(float)
GRADUS_POOL(double)
#undef GRADUS_POOL
#undef GRADUS_MAX_POOL
template void max_pool2d_places(const PoolGeometry&, const std::uint8_t*, std::int64_t*);
template void max_pool2d_places(const PoolGeometry&, const std::int64_t*, std::int64_t*);

}  // namespace gradus
