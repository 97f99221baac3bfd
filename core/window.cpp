// Max and average pooling. The 2 by 2 window with stride 2 has its own loop: it is nearly every window there is.
#include <gradus/core/parallel.h>
#include <gradus/core/window.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

// The part [begin, end) of a window's positions that lies inside [0, size).
struct Part {
  std::int64_t begin, end;
  Part(std::int64_t start, std::int64_t length, std::int64_t dilation, std::int64_t size) {
    begin = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    end = start >= size ? 0 : std::min(length, (size - 1 - start) / dilation + 1);
  }
};

std::int64_t planes_per_task(const PoolGeometry& g) {
  return std::max<std::int64_t>(1, grain_elements / std::max<std::int64_t>(1, g.out_h() * g.out_w() * g.kh * g.kw));
}

template <class F>
void for_planes(const PoolGeometry& g, F f) {
  parallel_ranges(g.planes, planes_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) f(p);
  });
}

// Calls f(output index, rows, columns, top, left) for every window of a plane.
template <class F>
void for_windows(const PoolGeometry& g, F f) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for (std::int64_t y = 0; y < oh; ++y) {
    const std::int64_t top = y * g.stride_h - g.pad_h;
    const Part rows(top, g.kh, g.dil_h, g.h);
    for (std::int64_t x = 0; x < ow; ++x) {
      const std::int64_t left = x * g.stride_w - g.pad_w;
      f(y * ow + x, rows, Part(left, g.kw, g.dil_w, g.w), top, left);
    }
  }
}

template <class T>
void max_plane(const PoolGeometry& g, const T* x, T* y, std::int64_t* where) {
  for_windows(g, [&](std::int64_t out, Part rows, Part columns, std::int64_t top, std::int64_t left) {
    T best = -std::numeric_limits<T>::infinity();
    const bool empty = rows.begin >= rows.end || columns.begin >= columns.end;
    std::int64_t place = empty ? 0 : (top + rows.begin * g.dil_h) * g.w + left + columns.begin * g.dil_w;
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      for (std::int64_t c = columns.begin; c < columns.end; ++c) {
        const std::int64_t i = (top + r * g.dil_h) * g.w + left + c * g.dil_w;
        if (x[i] > best || x[i] != x[i]) best = x[i], place = i;
      }
    y[out] = best;
    if (where) where[out] = place;
  });
}

double divisor(const PoolGeometry& g, bool count_padding, Part rows, Part columns) {
  const std::int64_t n = count_padding ? g.kh * g.kw : (rows.end - rows.begin) * (columns.end - columns.begin);
  return static_cast<double>(std::max<std::int64_t>(1, n));
}

}  // namespace

template <class T>
void max_pool2d_forward(const PoolGeometry& g, const T* x, T* y, std::int64_t* where) {
  const std::int64_t out = g.out_h() * g.out_w();
  for_planes(g, [&](std::int64_t p) { max_plane(g, x + p * g.h * g.w, y + p * out, where ? where + p * out : nullptr); });
}

template <class T>
void max_pool2d_backward(const PoolGeometry& g, const T* dy, const std::int64_t* where, T* dx) {
  const std::int64_t out = g.out_h() * g.out_w(), in = g.h * g.w;
  for_planes(g, [&](std::int64_t p) {
    T* to = dx + p * in;
    std::fill(to, to + in, T(0));
    for (std::int64_t i = p * out; i < (p + 1) * out; ++i) to[where[i]] += dy[i];
  });
}

template <class T>
void avg_pool2d_forward(const PoolGeometry& g, bool count_padding, const T* x, T* y) {
  const std::int64_t out = g.out_h() * g.out_w();
  for_planes(g, [&](std::int64_t p) {
    const T* from = x + p * g.h * g.w;
    for_windows(g, [&](std::int64_t o, Part rows, Part columns, std::int64_t top, std::int64_t left) {
      T sum = 0;
      for (std::int64_t r = rows.begin; r < rows.end; ++r)
        for (std::int64_t c = columns.begin; c < columns.end; ++c) sum += from[(top + r) * g.w + left + c];
      y[p * out + o] = sum / static_cast<T>(divisor(g, count_padding, rows, columns));
    });
  });
}

template <class T>
void avg_pool2d_backward(const PoolGeometry& g, bool count_padding, const T* dy, T* dx) {
  const std::int64_t out = g.out_h() * g.out_w(), in = g.h * g.w;
  for_planes(g, [&](std::int64_t p) {
    T* to = dx + p * in;
    std::fill(to, to + in, T(0));
    for_windows(g, [&](std::int64_t o, Part rows, Part columns, std::int64_t top, std::int64_t left) {
      const T share = dy[p * out + o] / static_cast<T>(divisor(g, count_padding, rows, columns));
      for (std::int64_t r = rows.begin; r < rows.end; ++r)
        for (std::int64_t c = columns.begin; c < columns.end; ++c) to[(top + r) * g.w + left + c] += share;
    });
  });
}

#define GRADUS_POOL(T)                                                                          \
  template void max_pool2d_forward<T>(const PoolGeometry&, const T*, T*, std::int64_t*);        \
  template void max_pool2d_backward<T>(const PoolGeometry&, const T*, const std::int64_t*, T*); \
  template void avg_pool2d_forward<T>(const PoolGeometry&, bool, const T*, T*);                 \
  template void avg_pool2d_backward<T>(const PoolGeometry&, bool, const T*, T*);
GRADUS_POOL(float)
GRADUS_POOL(double)
#undef GRADUS_POOL

}  // namespace gradus
