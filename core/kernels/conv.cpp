// Chooses the convolution algorithm by geometry: direct from the padded image where that suits, otherwise the general one.
#include <gradus/core/kernels/conv.h>
#include <gradus/core/kernels/internal/conv_detail.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/parallel.h>
#include <gradus/core/simd/pack.h>

#include <algorithm>

namespace gradus {
namespace {

std::int64_t multiply_adds_of(const Conv2dGeometry& g) {
  return g.n * g.c_out * g.out_h() * g.out_w() * (g.c_in / g.groups) * g.kh * g.kw;
}

}  // namespace

template <class T> void conv2d_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const CountMultiplyAdds counted(multiply_adds_of(g));
  if (conv_detail::direct_suits(g)) conv_detail::direct_forward(g, x, weight, bias, y);
  else conv_detail::general_forward(g, x, weight, bias, y);
}

template <class T> void conv2d_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx) {
  const CountMultiplyAdds counted(multiply_adds_of(g));
  if (conv_detail::direct_gradient_suits(g)) conv_detail::direct_input_gradient(g, dy, weight, dx);
  else conv_detail::general_input_gradient(g, dy, weight, dx);
}

template <class T> void conv2d_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, T* dbias) {
  const CountMultiplyAdds counted(multiply_adds_of(g));
  if (conv_detail::direct_weight_gradient(g, x, dy, dweight, dbias)) return;
  conv_detail::general_weight_gradient(g, x, dy, dweight);
  if (dbias) conv2d_bias_gradient(g, dy, dbias);
}

template <class T> void conv2d_bias_gradient(const Conv2dGeometry& g, const T* dy, T* dbias) {
  conv_detail::BiasSums<T> sums(g, dy);
  const std::int64_t work = std::max<std::int64_t>(1, g.c_out * g.out_h() * g.out_w());
  parallel_ranges(g.n, std::max<std::int64_t>(1, 8 * grain_elements / work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) sums.take(i);
  });
  sums.add_up(dbias);
}

#define GRADUS_CONV(T)                                                                        \
  template void conv2d_forward<T>(const Conv2dGeometry&, const T*, const T*, const T*, T*);   \
  template void conv2d_input_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*);      \
  template void conv2d_weight_gradient<T>(const Conv2dGeometry&, const T*, const T*, T*, T*); \
  template void conv2d_bias_gradient<T>(const Conv2dGeometry&, const T*, T*);
GRADUS_CONV(float)
GRADUS_CONV(double)
#undef GRADUS_CONV

}  // namespace gradus
