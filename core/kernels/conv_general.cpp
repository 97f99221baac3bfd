// Convolution for every geometry: the windows of one image become columns [c_in / groups * kh * kw, out_h * out_w], and each
// pass is a product with them.
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/internal/conv_detail.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>

#include <algorithm>

namespace gradus::conv_detail {
namespace {

// The sizes of one image and one group.
struct Sizes {
  std::int64_t c, o, window, in_plane, out_plane, depth;
  explicit Sizes(const Conv2dGeometry& g)
      : c(g.c_in / g.groups),
        o(g.c_out / g.groups),
        window(g.kh * g.kw),
        in_plane(g.h * g.w),
        out_plane(g.out_h() * g.out_w()),
        depth(c * window) {}
};

bool windows_are_pixels(const Conv2dGeometry& g) {
  return g.kh == 1 && g.kw == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_h == 0 && g.pad_w == 0;
}

// Calls row(plane row of x, out row of columns, inside range, offset) for all rows of all columns.
template <class F> void for_each_row(const Conv2dGeometry& g, const Sizes& s, F row) {
  const std::int64_t oh = g.out_h(), ow = g.out_w();
  for (std::int64_t c = 0; c < s.c; ++c)
    for (std::int64_t ky = 0; ky < g.kh; ++ky)
      for (std::int64_t kx = 0; kx < g.kw; ++kx) {
        const std::int64_t column = ((c * g.kh + ky) * g.kw + kx) * s.out_plane;
        const std::int64_t offset = kx * g.dil_w - g.pad_w;
        const OutputRange inside(ow, g.w, g.stride_w, offset);
        for (std::int64_t y = 0; y < oh; ++y) {
          const std::int64_t in_y = y * g.stride_h + ky * g.dil_h - g.pad_h;
          const bool outside = in_y < 0 || in_y >= g.h || inside.begin == inside.end;
          row(outside ? -1 : (c * g.h + in_y) * g.w, column + y * ow, inside, offset);
        }
      }
}

template <class T> void image_to_columns(const Conv2dGeometry& g, const Sizes& s, const T* x, T* columns) {
  for_each_row(g, s, [&](std::int64_t from, std::int64_t to, OutputRange inside, std::int64_t offset) {
    T* out = columns + to;
    const std::int64_t ow = g.out_w();
    if (from < 0) {
      std::fill(out, out + ow, T(0));
      return;
    }
    const T* in = x + from + offset;
    std::fill(out, out + inside.begin, T(0));
    if (g.stride_w == 1) std::copy(in + inside.begin, in + inside.end, out + inside.begin);
    else
      for (std::int64_t i = inside.begin; i < inside.end; ++i) out[i] = in[i * g.stride_w];
    std::fill(out + inside.end, out + ow, T(0));
  });
}

template <class T> void add_columns_to_image(const Conv2dGeometry& g, const Sizes& s, const T* columns, T* x) {
  for_each_row(g, s, [&](std::int64_t to, std::int64_t from, OutputRange inside, std::int64_t offset) {
    if (to < 0) return;
    T* out = x + to + offset;
    const T* in = columns + from;
    if (g.stride_w == 1)
      for (std::int64_t i = inside.begin; i < inside.end; ++i) out[i] += in[i];
    else
      for (std::int64_t i = inside.begin; i < inside.end; ++i) out[i * g.stride_w] += in[i];
  });
}

}  // namespace

template <class T> void general_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const Sizes s(g);
  const bool direct = windows_are_pixels(g);
  parallel_ranges(g.n, images_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> columns(direct ? 0 : s.depth * s.out_plane);
    for (std::int64_t i = begin * g.groups; i < end * g.groups; ++i) {
      const std::int64_t group = i % g.groups;
      const T* image = x + i * s.c * s.in_plane;
      if (!direct) image_to_columns(g, s, image, columns.data());
      gemm<T>(s.o, s.out_plane, s.depth, {weight + group * s.o * s.depth, s.depth, 1},
              {direct ? image : columns.data(), s.out_plane, 1}, y + i * s.o * s.out_plane, s.out_plane,
              {.accumulate = false, .row_bias = bias ? bias + group * s.o : nullptr, .column_bias = nullptr});
    }
  });
}

template <class T> void general_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx) {
  const Sizes s(g);
  const bool direct = windows_are_pixels(g);
  parallel_ranges(g.n, images_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> columns(direct ? 0 : s.depth * s.out_plane);
    for (std::int64_t i = begin * g.groups; i < end * g.groups; ++i) {
      T* image = dx + i * s.c * s.in_plane;
      gemm<T>(s.depth, s.out_plane, s.o, {weight + i % g.groups * s.o * s.depth, 1, s.depth},
              {dy + i * s.o * s.out_plane, s.out_plane, 1}, direct ? image : columns.data(), s.out_plane);
      if (direct) continue;
      std::fill(image, image + s.c * s.in_plane, T(0));
      add_columns_to_image(g, s, columns.data(), image);
    }
  });
}

template <class T> void general_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight) {
  const Sizes s(g);
  const bool direct = windows_are_pixels(g);
  const std::int64_t size = g.c_out * s.depth, grain = images_per_partial(g);
  const std::int64_t parts = (g.n + grain - 1) / grain;
  if (parts == 0) {
    std::fill(dweight, dweight + size, T(0));
    return;
  }
  Scratch<T> partial((parts - 1) * size);
  const auto part_of = [&](std::int64_t part) { return part == 0 ? dweight : partial.data() + (part - 1) * size; };
  parallel_for(parts, [&](std::int64_t part) {
    Scratch<T> columns(direct ? 0 : s.depth * s.out_plane);
    for (std::int64_t n = part * grain; n < std::min(g.n, (part + 1) * grain); ++n)
      for (std::int64_t group = 0; group < g.groups; ++group) {
        const std::int64_t i = n * g.groups + group;
        const T* image = x + i * s.c * s.in_plane;
        if (!direct) image_to_columns(g, s, image, columns.data());
        gemm<T>(s.o, s.depth, s.out_plane, {dy + i * s.o * s.out_plane, s.out_plane, 1},
                {direct ? image : columns.data(), 1, s.out_plane}, part_of(part) + group * s.o * s.depth, s.depth,
                {.accumulate = n > part * grain, .row_bias = nullptr, .column_bias = nullptr});
      }
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i) dweight[i] += part_of(part)[i];
}

#define GRADUS_CONV(T)                                                                       \
  template void general_forward<T>(const Conv2dGeometry&, const T*, const T*, const T*, T*); \
  template void general_input_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);    \
  template void general_weight_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);
GRADUS_CONV(float)
GRADUS_CONV(double)
#undef GRADUS_CONV

}  // namespace gradus::conv_detail
