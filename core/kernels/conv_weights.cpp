// The weight gradient without copying windows, by two algorithms. With the image's channels last, the weights of one kernel
// row and one output channel are neighbours: a register tile of (channels x weights) takes one pixel after the other. With
// few channels its packs would be half empty; then a tile of (channels x weights) takes a pack of neighbouring pixels at a
// time and is summed across its lanes at the end.
#include <gradus/core/kernels/internal/conv_copies.h>
#include <gradus/core/kernels/internal/conv_detail.h>
#include <gradus/core/kernels/internal/gemm_kernel.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>

#include <algorithm>
#include <optional>

namespace gradus::conv_detail {
namespace {

inline constexpr int tile_packs = GRADUS_VECTOR_BYTES == 64 ? 3 : 2;
inline constexpr int tile_channels = tile_registers / tile_packs;

// Pixels in one chain of sums; chains are added up afterwards, so rounding does not grow with the image.
constexpr std::int64_t chain_pixels = 1024;

constexpr std::int64_t whole(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// ---- channels last --------------------------------------------------------------------------------------------------

// Copies the image into rows of pixels, each pixel its channels: [h + 2 pad_h][w + 2 pad_w][c].
template <class T> void channels_last(const Conv2dGeometry& g, std::int64_t c, const T* x, T* to) {
  constexpr int w = pack<T>::width;
  const std::int64_t pitch = (g.w + 2 * g.pad_w) * c, plane = g.h * g.w;
  std::fill(to, to + g.pad_h * pitch, T(0));
  to += g.pad_h * pitch;
  for (std::int64_t y = 0; y < g.h; ++y, to += pitch) {
    std::fill(to, to + g.pad_w * c, T(0));
    T* pixels = to + g.pad_w * c;
    const T* row = x + y * g.w;
    std::int64_t k = 0;
    for (; k + w <= c; k += w)
      for (std::int64_t i = 0; i < g.w; i += w)
        transpose_part<T>(row + k * plane + i, plane, w, static_cast<int>(std::min<std::int64_t>(w, g.w - i)),
                          pixels + i * c + k, c);
    for (; k < c; ++k)
      for (std::int64_t i = 0; i < g.w; ++i) pixels[i * c + k] = row[k * plane + i];
    std::fill(pixels + g.w * c, to + pitch, T(0));
  }
  std::fill(to, to + g.pad_h * pitch, T(0));
}

template <class T> struct PixelTile {
  const T* x;  // first pixel's input for this tile's weights
  std::int64_t x_row, x_column;
  const T* dy;  // first channel of this tile
  std::int64_t dy_channel;
  std::int64_t rows, columns;
  T* sums;  // [channels][sums_channel], this tile's weights
  std::int64_t sums_channel;
};

template <class T, int MR, int NV> void pixel_tile(const PixelTile<T>& t) {
  using P = pack<T>;
  P sum[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j] = P(typename P::R{});
  const T* dy = t.dy;
  const std::int64_t channel = t.dy_channel, step = t.x_column;
  for (std::int64_t r = 0; r < t.rows; ++r) {
    const T* x = t.x + r * t.x_row;
    for (std::int64_t c = 0; c < t.columns; ++c, x += step, ++dy) {
      P v[NV];
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) v[j] = P::load(x + j * P::width);
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        const P d = broadcast<T>(dy[i * channel]);
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) sum[i][j] = fma(d, v[j], sum[i][j]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      T* to = t.sums + i * t.sums_channel + j * P::width;
      (P::load(to) + sum[i][j]).store(to);
    }
}

template <class T, int NV, int... i> auto pixel_of_rows(int rows, std::integer_sequence<int, i...>) {
  static constexpr void (*all[])(const PixelTile<T>&) = {pixel_tile<T, i + 1, NV>...};
  return all[rows - 1];
}
template <class T> auto pixel_function(int rows, int packs) {
  constexpr auto any_rows = std::make_integer_sequence<int, tile_channels>{};
  if (packs == 1) return pixel_of_rows<T, 1>(rows, any_rows);
  if (packs == 2) return pixel_of_rows<T, 2>(rows, any_rows);
  return pixel_of_rows<T, tile_packs>(rows, any_rows);
}

// Runs of weights that are neighbours in the channels-last image: a whole kernel row, or one position if it is dilated.
struct Runs {
  std::int64_t count, length, per_row;
  Runs(const Conv2dGeometry& g, std::int64_t c)
      : count(g.dil_w == 1 ? g.kh : g.kh * g.kw), length(g.dil_w == 1 ? g.kw * c : c), per_row(g.dil_w == 1 ? 1 : g.kw) {}
};

// Adds one image's gradients to sums [o][runs][run length in whole packs].
template <class T>
void add_pixels(const Conv2dGeometry& g, std::int64_t c, std::int64_t o, const T* x, const T* dy, T* sums) {
  constexpr std::int64_t w = pack<T>::width;
  const Runs runs(g, c);
  const std::int64_t oh = g.out_h(), ow = g.out_w(), pitch = (g.w + 2 * g.pad_w) * c;
  const std::int64_t packs = (runs.length + w - 1) / w, weights = runs.count * packs * w;
  const std::int64_t chunk = std::max<std::int64_t>(1, chain_pixels / ow);
  for (std::int64_t y = 0; y < oh; y += chunk)
    for (std::int64_t run = 0; run < runs.count; ++run) {
      const T* from = x + (y * g.stride_h + run / runs.per_row * g.dil_h) * pitch + run % runs.per_row * g.dil_w * c;
      for (std::int64_t k = 0; k < packs; k += tile_packs) {
        const int wide = static_cast<int>(std::min<std::int64_t>(tile_packs, packs - k));
        for (std::int64_t i = 0; i < o;) {
          const std::int64_t tiles = (o - i + tile_channels - 1) / tile_channels;
          const int rows = static_cast<int>((o - i + tiles - 1) / tiles);
          pixel_function<T>(rows,
                            wide)({from + k * w, g.stride_h * pitch, g.stride_w * c, dy + i * oh * ow + y * ow, oh * ow,
                                   std::min(chunk, oh - y), ow, sums + i * weights + (run * packs + k) * w, weights});
          i += rows;
        }
      }
    }
}

// ---- packs of pixels ------------------------------------------------------------------------------------------------

template <class T> struct LaneTile {
  const T* x;                   // copies of a band
  const std::int64_t* offsets;  // of the tile's weights
  const T* dy;
  std::int64_t dy_channel, pixels;
  T* sums;  // [channels][depth] packs, this tile's first weight
  std::int64_t depth;
};

template <class T, int MR, int NV> void lane_tile(const LaneTile<T>& t) {
  using P = pack<T>;
  constexpr int w = P::width;
  P sum[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j] = P(typename P::R{});
  const T* x[NV];
#pragma GCC unroll 4
  for (int j = 0; j < NV; ++j) x[j] = t.x + t.offsets[j];
  const std::int64_t channel = t.dy_channel, full = t.pixels / w * w;
  const auto take = [&](std::int64_t q, auto load) {
    P v[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) v[j] = load(x[j] + q);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      P d = load(t.dy + i * channel + q);
      keep_in_register(d);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) sum[i][j] = fma(d, v[j], sum[i][j]);
    }
  };
  for (std::int64_t q = 0; q < full; q += w) take(q, [](const T* p) { return P::load(p); });
  if (full < t.pixels) {
    const Lanes<T> part(static_cast<int>(t.pixels - full));
    take(full, [&](const T* p) { return part.load(p); });
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      T* to = t.sums + (i * t.depth + j) * w;
      (P::load(to) + sum[i][j]).store(to);
    }
}

template <class T, int NV, int... i> auto lane_of_rows(int rows, std::integer_sequence<int, i...>) {
  static constexpr void (*all[])(const LaneTile<T>&) = {lane_tile<T, i + 1, NV>...};
  return all[rows - 1];
}
template <class T> auto lane_function(int rows, int packs) {
  constexpr auto any_rows = std::make_integer_sequence<int, tile_channels>{};
  if (packs == 1) return lane_of_rows<T, 1>(rows, any_rows);
  if (packs == 2) return lane_of_rows<T, 2>(rows, any_rows);
  return lane_of_rows<T, tile_packs>(rows, any_rows);
}

// Adds the gradients from a run of pixels to sums [o][depth] packs, in chunks whose dy stays in the first-level cache.
template <class T>
void add_lanes(std::int64_t depth, std::int64_t o, std::int64_t pixels, const T* x, const std::int64_t* offsets, const T* dy,
               std::int64_t dy_channel, T* sums) {
  constexpr std::int64_t w = pack<T>::width, chunk = 32 * w;
  for (std::int64_t q = 0; q < pixels; q += chunk)
    for (std::int64_t i = 0; i < o;) {
      const std::int64_t tiles = (o - i + tile_channels - 1) / tile_channels;
      const int rows = static_cast<int>((o - i + tiles - 1) / tiles);
      for (std::int64_t k = 0; k < depth; k += tile_packs) {
        const int wide = static_cast<int>(std::min<std::int64_t>(tile_packs, depth - k));
        lane_function<T>(rows, wide)({x + q, offsets + k, dy + i * dy_channel + q, dy_channel, std::min(chunk, pixels - q),
                                      sums + (i * depth + k) * w, depth});
      }
      i += rows;
    }
}

// ---- choosing and adding up -----------------------------------------------------------------------------------------

double filled(std::int64_t n, std::int64_t w) { return double(n) / double(whole(n, w)); }

// Calls add(first image, last image, buffer [size]) for each fixed block of images, then sums the buffers in order.
template <class T, class F> void add_blocks(const Conv2dGeometry& g, std::int64_t size, T* total, F add) {
  const std::int64_t grain = images_per_partial(g), parts = (g.n + grain - 1) / grain;
  Scratch<T> partial(std::max<std::int64_t>(0, parts - 1) * size);
  const auto part_of = [&](std::int64_t part) { return part == 0 ? total : partial.data() + (part - 1) * size; };
  std::fill(total, total + size, T(0));
  parallel_for(parts, [&](std::int64_t part) {
    if (part > 0) std::fill_n(part_of(part), size, T(0));
    add(part * grain, std::min(g.n, (part + 1) * grain), part_of(part));
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i) total[i] += part_of(part)[i];
}

template <class T>
void pixel_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, BiasSums<T>* bias) {
  constexpr std::int64_t w = pack<T>::width;
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, out = g.out_h() * g.out_w();
  const Runs runs(g, c);
  const std::int64_t run_size = whole(runs.length, w), weights = runs.count * run_size;
  Scratch<T> total(g.c_out * weights);
  add_blocks(g, g.c_out * weights, total.data(), [&](std::int64_t begin, std::int64_t end, T* sums) {
    // the last packs of a run may reach behind the image
    const std::int64_t image = (g.h + 2 * g.pad_h) * (g.w + 2 * g.pad_w) * c;
    Scratch<T> pixels(image + w);
    std::fill_n(pixels.data() + image, w, T(0));
    for (std::int64_t i = begin * g.groups; i < end * g.groups; ++i) {
      channels_last(g, c, x + i * c * g.h * g.w, pixels.data());
      add_pixels(g, c, o, pixels.data(), dy + i * o * out, sums + i % g.groups * o * weights);
      if (bias && i % g.groups == 0) bias->take(i / g.groups);
    }
  });
  for (std::int64_t i = 0; i < g.c_out; ++i)
    for (std::int64_t k = 0; k < g.kh * g.kw; ++k) {
      const std::int64_t run = runs.per_row == 1 ? k / g.kw : k, at = runs.per_row == 1 ? k % g.kw * c : 0;
      const T* from = total.data() + i * weights + run * run_size + at;
      for (std::int64_t j = 0; j < c; ++j) dweight[(i * c + j) * g.kh * g.kw + k] = from[j];
    }
}

template <class T>
void lane_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, BiasSums<T>* bias) {
  constexpr std::int64_t w = pack<T>::width;
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, out = g.out_h() * g.out_w(), depth = c * g.kh * g.kw;
  const Bands<T> bands(g);
  Scratch<std::int64_t> offsets(depth);
  for (std::int64_t i = 0; i < depth; ++i) offsets[i] = bands.offset(g, i);
  Scratch<T> total(g.c_out * depth * w);
  add_blocks(g, g.c_out * depth * w, total.data(), [&](std::int64_t begin, std::int64_t end, T* sums) {
    const std::int64_t size = bands.size(c, w);
    Scratch<T> copies(size);
    for (std::int64_t row = 0; row < bands.oh; row += bands.rows) {
      std::fill_n(copies.data(), size, T(0));
      for (std::int64_t i = begin * g.groups; i < end * g.groups; ++i) {
        const T* image = x + i * c * g.h * g.w;
        if (!bands.none) fill_copies(g, bands, row, c, image, copies.data());
        add_lanes<T>(depth, o, std::min(bands.rows, bands.oh - row) * bands.ow, bands.none ? image : copies.data(),
                     offsets.data(), dy + i * o * out + row * bands.ow, out, sums + i % g.groups * o * depth * w);
        if (bias && row == 0 && i % g.groups == 0) bias->take(i / g.groups);
      }
    }
  });
  for (std::int64_t i = 0; i < g.c_out * depth; ++i) dweight[i] = fold_sum(pack<T>::load(total.data() + i * w));
}

}  // namespace

template <class T> bool direct_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, T* dbias) {
  constexpr std::int64_t w = pack<T>::width;
  const std::int64_t c = g.c_in / g.groups;
  const double image = double(g.h + 2 * g.pad_h) * double(g.w + 2 * g.pad_w);  // an int64_t may not hold it
  if (g.n == 0 || c == 0 || g.c_out == 0 || double(c) * image > 1 << 19) return false;
  const double by_pixel = filled(Runs(g, c).length, w);
  std::optional<BiasSums<T>> bias;
  if (dbias) bias.emplace(g, dy);
  if (by_pixel >= 0.75) pixel_weight_gradient(g, x, dy, dweight, bias ? &*bias : nullptr);
  else lane_weight_gradient(g, x, dy, dweight, bias ? &*bias : nullptr);
  if (bias) bias->add_up(dbias);
  return true;
}

template bool direct_weight_gradient<float>(const Conv2dGeometry&, const float*, const float*, float*, float*);
template bool direct_weight_gradient<double>(const Conv2dGeometry&, const double*, const double*, double*, double*);

}  // namespace gradus::conv_detail
