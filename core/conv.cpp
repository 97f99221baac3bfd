// Chooses how to convolve.
#include <gradus/core/conv.h>
#include <gradus/core/conv_detail.h>
#include <gradus/core/pack.h>
#include <gradus/core/parallel.h>
#include <gradus/core/scratch.h>

#include <algorithm>

namespace gradus {
namespace {

// Sum of a contiguous range, as width chains of each of four packs; the order depends on the length only.
template <class T>
T plane_sum(const T* p, std::int64_t n) {
  using P = pack<T>;
  constexpr int chains = 64;  // the same for every instruction set
  constexpr int packs = chains / P::width;
  P sum[packs];
  for (auto& s : sum) s = P(0.0);
  std::int64_t i = 0;
  for (; i + chains <= n; i += chains)
    for (int j = 0; j < packs; ++j) sum[j] += P::load(p + i + j * P::width);
  T lanes[chains];
  for (int j = 0; j < packs; ++j) sum[j].store(lanes + j * P::width);
  for (int j = 0; i < n; ++i, ++j) lanes[j] += p[i];
  for (int half = chains / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  return lanes[0];
}

}  // namespace

template <class T>
void conv2d_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (conv_detail::direct_suits(g)) conv_detail::direct_forward(g, x, weight, bias, y);
  else conv_detail::general_forward(g, x, weight, bias, y);
}

template <class T>
void conv2d_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx) {
  if (conv_detail::direct_gradient_suits(g)) conv_detail::direct_input_gradient(g, dy, weight, dx);
  else conv_detail::general_input_gradient(g, dy, weight, dx);
}

template <class T>
void conv2d_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight) {
  if (!conv_detail::direct_weight_gradient(g, x, dy, dweight)) conv_detail::general_weight_gradient(g, x, dy, dweight);
}

template <class T>
void conv2d_bias_gradient(const Conv2dGeometry& g, const T* dy, T* dbias) {
  const std::int64_t plane = g.out_h() * g.out_w();
  Scratch<T> sums(g.n * g.c_out);
  parallel_ranges(g.n, std::max<std::int64_t>(1, 8 * grain_elements / std::max<std::int64_t>(1, g.c_out * plane)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin * g.c_out; i < end * g.c_out; ++i) sums[i] = plane_sum(dy + i * plane, plane);
                  });
  std::fill(dbias, dbias + g.c_out, T(0));
  for (std::int64_t n = 0; n < g.n; ++n)
    for (std::int64_t o = 0; o < g.c_out; ++o) dbias[o] += sums[n * g.c_out + o];
}

#define GRADUS_CONV(T)                                                                            \
  template void conv2d_forward<T>(const Conv2dGeometry&, const T*, const T*, const T*, T*);       \
  template void conv2d_input_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);          \
  template void conv2d_weight_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);         \
  template void conv2d_bias_gradient<T>(const Conv2dGeometry&, const T*, T*);
GRADUS_CONV(float)
GRADUS_CONV(double)
#undef GRADUS_CONV

}  // namespace gradus
