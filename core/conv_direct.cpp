// Convolution with stride 1 without copying windows: a pack of neighbouring outputs needs, for each of the c * kh * kw terms,
// one pack of neighbouring inputs, found at a fixed offset in the padded image. The gradient to the input is the same with the
// kernel turned round and its channels exchanged.
#include <gradus/core/conv_detail.h>
#include <gradus/core/gemm_kernel.h>
#include <gradus/core/parallel.h>
#include <gradus/core/scratch.h>

#include <algorithm>

namespace gradus::conv_detail {
namespace {

inline constexpr int row_vectors = GRADUS_VECTOR_BYTES == 64 ? 3 : 2;  // packs of outputs in a tile
inline constexpr int row_channels = tile_registers / row_vectors;      // output channels in a tile

// One pack of outputs: where it is read in a padded plane, where it is written, and how much of it.
struct Vector {
  std::int64_t in, out;
};

// How one plane of outputs is cut into packs. A plane is seen as rows of out_w, or, where these fill packs badly, as one
// long row in the pitch of the padded input, from which the outputs are then picked.
template <class T>
struct Plan {
  static constexpr std::int64_t w = pack<T>::width;
  std::int64_t oh, ow, pitch, plane;  // of the padded input
  std::int64_t rows, row, out_plane;  // as seen by the tiles
  std::int64_t per_row;
  bool flat;

  explicit Plan(const Conv2dGeometry& g) : oh(g.out_h()), ow(g.out_w()), pitch(g.w + 2 * g.pad_w) {
    plane = (g.h + 2 * g.pad_h) * pitch;
    const std::int64_t long_row = (oh - 1) * pitch + ow;
    flat = 9 * (oh * ((ow + w - 1) / w)) > 10 * ((long_row + w - 1) / w);
    rows = flat ? 1 : oh, row = flat ? long_row : ow;
    per_row = (row + w - 1) / w;
    out_plane = rows * row;
  }
  std::int64_t vectors() const { return rows * per_row; }
  int lanes() const { return static_cast<int>(std::min(row, w)); }
  // The last pack of a row is moved back to end with the row: some outputs are computed twice, none is masked.
  Vector vector(std::int64_t i) const {
    const std::int64_t y = i / per_row, x = std::max<std::int64_t>(0, std::min(i % per_row * w, row - w));
    return {y * pitch + x, y * row + x};
  }
};

template <class T>
struct DirectTile {
  std::int64_t depth;
  const std::int64_t* offsets;  // [depth], of each term in the padded image
  const T* image;
  const T* weight;              // [channels, depth]
  const T* bias;                // [channels], or null
  T* out;                       // [channels, out_plane]
  std::int64_t out_plane;
  int lanes;
};

template <class T, int MR, int NV>
void direct_tile(const DirectTile<T>& t, const Vector* vectors) {
  using P = pack<T>;
  P sum[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j] = P(typename P::R{} + (t.bias ? t.bias[i] : T(0)));
  const T* from[NV];
#pragma GCC unroll 4
  for (int j = 0; j < NV; ++j) from[j] = t.image + vectors[j].in;
  const std::int64_t depth = t.depth;
  const T* weight = t.weight;
  for (std::int64_t p = 0; p < depth; ++p, ++weight) {
    const std::int64_t offset = t.offsets[p];
    P v[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) v[j] = P::load(from[j] + offset);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const P x(typename P::R{} + weight[i * depth]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) sum[i][j] = fma(x, v[j], sum[i][j]);
    }
  }
  const bool whole = t.lanes == P::width;
  const Lanes<T> part(t.lanes);
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      T* to = t.out + i * t.out_plane + vectors[j].out;
      if (whole) sum[i][j].store(to);
      else part.store(to, sum[i][j]);
    }
}

template <class T>
using DirectFunction = void (*)(const DirectTile<T>&, const Vector*);
template <class T, int NV, int... i>
DirectFunction<T> direct_of_rows(int rows, std::integer_sequence<int, i...>) {
  static constexpr DirectFunction<T> all[] = {direct_tile<T, i + 1, NV>...};
  return all[rows - 1];
}
template <class T>
DirectFunction<T> direct_function(int rows, int vectors) {
  constexpr auto any_rows = std::make_integer_sequence<int, row_channels>{};
  if (vectors == 1) return direct_of_rows<T, 1>(rows, any_rows);
  if (vectors == 2) return direct_of_rows<T, 2>(rows, any_rows);
  return direct_of_rows<T, row_vectors>(rows, any_rows);
}

template <class T>
void direct_image(DirectTile<T> t, std::int64_t channels, const Vector* vectors, std::int64_t count) {
  for (std::int64_t o = 0; o < channels;) {
    // 10 channels are cut 5 + 5, not 8 + 2
    const std::int64_t tiles = (channels - o + row_channels - 1) / row_channels;
    const int rows = static_cast<int>((channels - o + tiles - 1) / tiles);
    const auto tile = direct_function<T>(rows, row_vectors);
    std::int64_t i = 0;
    for (; i + row_vectors <= count; i += row_vectors) tile(t, vectors + i);
    if (i < count) direct_function<T>(rows, static_cast<int>(count - i))(t, vectors + i);
    t.weight += rows * t.depth, t.out += rows * t.out_plane, o += rows;
    if (t.bias) t.bias += rows;
  }
}

}  // namespace

bool direct_suits(const Conv2dGeometry& g) {
  const std::int64_t depth = g.c_in / g.groups * g.kh * g.kw;
  const std::int64_t image = g.c_in / g.groups * (g.h + 2 * g.pad_h) * (g.w + 2 * g.pad_w);
  return g.stride_h == 1 && g.stride_w == 1 && g.pad_h >= 0 && g.pad_w >= 0 && g.kh * g.kw > 1 && depth <= 2048 &&
         image <= 1 << 18;
}

template <class T>
void direct_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const Plan<T> plan(g);
  const std::int64_t c = g.c_in / g.groups, o = g.c_out / g.groups, depth = c * g.kh * g.kw, count = plan.vectors();
  Scratch<std::int64_t> offsets(depth);
  for (std::int64_t i = 0; i < depth; ++i)
    offsets[i] = i / (g.kh * g.kw) * plan.plane + i / g.kw % g.kh * g.dil_h * plan.pitch + i % g.kw * g.dil_w;
  Scratch<Vector> vectors(count);
  for (std::int64_t i = 0; i < count; ++i) vectors[i] = plan.vector(i);
  parallel_ranges(g.n, images_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> padded(c * plan.plane + plan.w), flat(plan.flat ? o * plan.out_plane : 0);
    std::fill_n(padded.data() + c * plan.plane, plan.w, T(0));
    for (std::int64_t i = begin * g.groups; i < end * g.groups; ++i) {
      const std::int64_t group = i % g.groups;
      T* to = y + i * o * plan.oh * plan.ow;
      pad_planes(g, c, x + i * c * g.h * g.w, padded.data());
      direct_image<T>({depth, offsets.data(), padded.data(), weight + group * o * depth, bias ? bias + group * o : nullptr,
                       plan.flat ? flat.data() : to, plan.out_plane, plan.lanes()},
                      o, vectors.data(), count);
      if (plan.flat)
        for (std::int64_t r = 0; r < o * plan.oh; ++r)
          std::copy_n(flat.data() + r / plan.oh * plan.out_plane + r % plan.oh * plan.pitch, plan.ow, to + r * plan.ow);
    }
  });
}

bool direct_gradient_suits(const Conv2dGeometry& g) {
  return g.stride_h == 1 && g.stride_w == 1 && g.out_h() > 0 && g.out_w() > 0 && direct_suits(turned(g));
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
