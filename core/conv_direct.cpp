// Convolution as a product whose right-hand side is never built: term (c, ky, kx) of a run of outputs is a run of inputs, and
// with one copy of the image for each kx, cut to the width of the output, that run goes on across the ends of rows. So packs
// are always full, and the copies are kw times the image, not kh * kw. The gradient to the input of a convolution with
// stride 1 is the same with the kernel turned round and its channels exchanged.
#include <gradus/core/conv_detail.h>
#include <gradus/core/gemm_kernel.h>
#include <gradus/core/parallel.h>
#include <gradus/core/scratch.h>

#include <algorithm>

namespace gradus::conv_detail {
namespace {

// Terms summed in one chain before they are added to the output, as in gemm.
constexpr std::int64_t chain_terms = 512;

// Copies of a band of output rows. With stride_h 1 copy kx holds all input rows the band needs; else copy (ky, kx) holds just
// the rows of that ky.
struct Bands {
  std::int64_t oh, ow, rows, count;      // output rows in a band
  std::int64_t copies, copy_rows, copy;  // per channel; rows and elements of one
  bool per_row;                          // copies for each ky
  bool none;                             // the image itself is its copy

  Bands(const Conv2dGeometry& g, std::int64_t element) : oh(g.out_h()), ow(g.out_w()), per_row(g.stride_h != 1) {
    // nothing may be read behind the last image, so its planes must be whole packs
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
    copy_rows = rows + halo, copy = copy_rows * ow;
  }
};

// from[0], from[step], ... to `to`; the copied parts of rows are short, a call would cost as much as the copy.
template <class T>
GRADUS_INLINE void copy_run(const T* from, std::int64_t step, std::int64_t n, T* to) {
  constexpr int w = pack<T>::width;
  std::int64_t i = 0;
  if (step == 1) {
    for (; i + w <= n; i += w) pack<T>::load(from + i).store(to + i);
    if (i < n) {
      const Lanes<T> rest(static_cast<int>(n - i));
      rest.store(to + i, rest.load(from + i));
    }
  } else {
    for (; i < n; ++i) to[i] = from[i * step];
  }
}

// Fills the copies of the band that begins at output row y. They were all zero or filled for the same y before, so what lies
// in the padding is zero already.
template <class T>
void fill_copies(const Conv2dGeometry& g, const Bands& b, std::int64_t y, std::int64_t channels, const T* x, T* copies) {
  for (std::int64_t c = 0; c < channels; ++c, x += g.h * g.w)
    for (std::int64_t k = 0; k < b.copies; ++k, copies += b.copy) {
      const std::int64_t ky = b.per_row ? k / g.kw : 0, offset = k % g.kw * g.dil_w - g.pad_w;
      const Inside columns(b.ow, g.w, g.stride_w, offset);
      const std::int64_t top = y * g.stride_h + ky * g.dil_h - g.pad_h;
      const Inside rows(b.copy_rows, g.h, g.stride_h, top);
      const T* from = x + (top + rows.begin * g.stride_h) * g.w + offset + columns.begin * g.stride_w;
      T* to = copies + rows.begin * b.ow + columns.begin;
      for (std::int64_t r = rows.begin; r < rows.end; ++r, from += g.stride_h * g.w, to += b.ow)
        copy_run(from, g.stride_w, columns.end - columns.begin, to);
    }
}

template <class T>
struct BandProduct {
  std::int64_t channels, depth, columns;  // of the output
  const T* weight;                        // [channels, depth]
  const T* copies;
  const std::int64_t* offsets;            // [depth]
  const T* bias;
  T* y;
  std::int64_t y_row;
};

template <class T>
void multiply(const BandProduct<T>& q) {
  constexpr std::int64_t widest = tile_vectors * pack<T>::width;
  for (std::int64_t p = 0; p < q.depth; p += chain_terms)
    for (std::int64_t j = 0; j < q.columns; j += widest)
      tile_column<T, RowsAt<T>>(q.channels, static_cast<int>(std::min(widest, q.columns - j)), std::min(chain_terms, q.depth - p),
                                q.weight + p, q.depth, 1, {q.copies + j, q.offsets + p},
                                {q.y + j, q.y_row, p == 0 ? q.bias : nullptr, nullptr, p > 0, 0});
}

}  // namespace

bool direct_suits(const Conv2dGeometry& g) { return g.pad_h >= 0 && g.pad_w >= 0 && g.c_in > 0; }

template <class T>
void direct_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, depth = c * g.kh * g.kw, out = g.out_h() * g.out_w();
  if (g.n == 0 || out == 0 || o == 0) return;
  const Bands bands(g, sizeof(T));
  Scratch<std::int64_t> offsets(depth);
  for (std::int64_t i = 0; i < depth; ++i) {
    const std::int64_t channel = i / (g.kh * g.kw), ky = i / g.kw % g.kh, kx = i % g.kw;
    offsets[i] = bands.per_row ? i * bands.copy : (channel * g.kw + kx) * bands.copy + ky * g.dil_h * bands.ow;
    if (bands.none) offsets[i] = channel * g.h * g.w;
  }
  // Bands of one position in all images are neighbours, so that the zeros around them need not be written again.
  const std::int64_t grain = std::max<std::int64_t>(1, std::min(g.n, images_per_task(g) * bands.count));
  const std::int64_t per_band = (g.n + grain - 1) / grain;
  parallel_for(bands.count * per_band, [&](std::int64_t task) {
    const std::int64_t first_row = task / per_band * bands.rows, begin = task % per_band * grain;
    const std::int64_t size = bands.none ? 0 : c * bands.copies * bands.copy + tile_vectors * pack<T>::width;
    Scratch<T> copies(size);
    std::fill_n(copies.data(), size, T(0));
    const std::int64_t columns = std::min(bands.rows, bands.oh - first_row) * bands.ow;
    for (std::int64_t i = begin * g.groups; i < std::min(g.n, begin + grain) * g.groups; ++i) {
      const T* image = x + i * c * g.h * g.w;
      const std::int64_t group = i % g.groups;
      if (!bands.none) fill_copies(g, bands, first_row, c, image, copies.data());
      multiply<T>({o, depth, columns, weight + group * o * depth, bands.none ? image + first_row * bands.ow : copies.data(),
                   offsets.data(), bias ? bias + group * o : nullptr, y + i * o * out + first_row * bands.ow, out});
    }
  });
}

bool direct_gradient_suits(const Conv2dGeometry& g) {
  return g.stride_h == 1 && g.stride_w == 1 && g.c_out > 0 && direct_suits(turned(g));
}

Conv2dGeometry turned(const Conv2dGeometry& g) {
  return {g.n, g.c_out, g.out_h(), g.out_w(), g.c_in, g.kh, g.kw, 1, 1, g.dil_h * (g.kh - 1) - g.pad_h,
          g.dil_w * (g.kw - 1) - g.pad_w, g.dil_h, g.dil_w, g.groups};
}

template <class T>
void direct_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx) {
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, window = g.kh * g.kw;
  Scratch<T> turned_weight(g.c_out * c * window);
  for (std::int64_t i = 0; i < g.c_out; ++i)
    for (std::int64_t j = 0; j < c; ++j) {
      const T* from = weight + (i * c + j) * window;
      std::reverse_copy(from, from + window, turned_weight.data() + ((i / o * c + j) * o + i % o) * window);
    }
  direct_forward<T>(turned(g), dy, turned_weight.data(), nullptr, dx);
}

#define GRADUS_CONV(T)                                                                        \
  template void direct_forward<T>(const Conv2dGeometry&, const T*, const T*, const T*, T*);   \
  template void direct_input_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);
GRADUS_CONV(float)
GRADUS_CONV(double)
#undef GRADUS_CONV

}  // namespace gradus::conv_detail
