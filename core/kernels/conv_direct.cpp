// Convolution as a product whose right-hand side is never built: term (c, ky, kx) of a run of outputs is a run of inputs,
// and with one copy of the image for each kx, cut to the width of the output, that run goes on across the ends of rows. So
// packs are always full, and the copies are kw times the image, not kh * kw. The gradient to the input of a convolution with
// stride 1 is the same with the kernel turned round and its channels exchanged.
#include <gradus/core/kernels/internal/conv_copies.h>
#include <gradus/core/kernels/internal/conv_detail.h>
#include <gradus/core/kernels/internal/gemm_kernel.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>

#include <algorithm>

namespace gradus::conv_detail {
namespace {

// Terms summed in one chain before they are added to the output: about this many, in equal parts.
constexpr std::int64_t chain_terms = 640;

template <class T> struct BandProduct {
  std::int64_t channels, depth, columns;  // of the output
  const T* weight;                        // [channels, depth]
  const T* copies;
  const std::int64_t* offsets;  // [depth]
  const T* bias;
  T* y;
  std::int64_t y_row;
};

template <class T> void multiply(const BandProduct<T>& q) {
  constexpr std::int64_t w = pack<T>::width;
  const std::int64_t packs = (q.columns + w - 1) / w, tiles = (packs + tile_vectors - 1) / tile_vectors;
  const std::int64_t chains = (q.depth + chain_terms - 1) / chain_terms, chain = (q.depth + chains - 1) / chains;
  for (std::int64_t p = 0; p < q.depth; p += chain)
    for (std::int64_t t = 0; t < tiles; ++t) {  // about equally wide
      const std::int64_t j = packs * t / tiles * w, end = std::min(packs * (t + 1) / tiles * w, q.columns);
      const TileTarget<T> to{q.y + j, q.y_row, p == 0 ? q.bias : nullptr, nullptr, p > 0, 0};
      tile_column<T, RowsAt<T>>(q.channels, static_cast<int>(end - j), std::min(chain, q.depth - p), q.weight + p, q.depth,
                                1, {q.copies + j, q.offsets + p}, to);
    }
}

}  // namespace

bool direct_suits(const Conv2dGeometry& g) { return g.pad_h >= 0 && g.pad_w >= 0 && g.c_in > 0; }

template <class T> void direct_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, depth = c * g.kh * g.kw, out = g.out_h() * g.out_w();
  if (g.n == 0 || out == 0 || o == 0) return;
  const Bands<T> bands(g);
  Scratch<std::int64_t> offsets(depth);
  for (std::int64_t i = 0; i < depth; ++i) offsets[i] = bands.offset(g, i);
  // Bands at one position in all images are neighbours, so that the zeros around them need not be written again.
  const std::int64_t grain = std::max<std::int64_t>(1, std::min(g.n, images_per_task(g) * bands.count));
  const std::int64_t per_band = (g.n + grain - 1) / grain;
  parallel_for(bands.count * per_band, [&](std::int64_t task) {
    const std::int64_t first_row = task / per_band * bands.rows, begin = task % per_band * grain;
    const std::int64_t size = bands.size(c, pack<T>::width);
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
  return {g.n,
          g.c_out,
          g.out_h(),
          g.out_w(),
          g.c_in,
          g.kh,
          g.kw,
          1,
          1,
          g.dil_h * (g.kh - 1) - g.pad_h,
          g.dil_w * (g.kw - 1) - g.pad_w,
          g.dil_h,
          g.dil_w,
          g.groups};
}

template <class T> void direct_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx) {
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, window = g.kh * g.kw;
  Scratch<T> turned_weight(g.c_out * c * window);
  for (std::int64_t i = 0; i < g.c_out; ++i)
    for (std::int64_t j = 0; j < c; ++j) {
      const T* from = weight + (i * c + j) * window;
      std::reverse_copy(from, from + window, turned_weight.data() + ((i / o * c + j) * o + i % o) * window);
    }
  direct_forward<T>(turned(g), dy, turned_weight.data(), nullptr, dx);
}

#define GRADUS_CONV(T)                                                                      \
  template void direct_forward<T>(const Conv2dGeometry&, const T*, const T*, const T*, T*); \
  template void direct_input_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);
GRADUS_CONV(float)
GRADUS_CONV(double)
#undef GRADUS_CONV

}  // namespace gradus::conv_detail
