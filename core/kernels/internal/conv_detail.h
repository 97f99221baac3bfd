// Declarations that the files of the convolution share.
#pragma once

#include <gradus/core/kernels/conv.h>
#include <gradus/core/kernels/internal/output_range.h>
#include <gradus/core/memory/scratch.h>
#include <gradus/core/simd/lanes.h>

#include <algorithm>
#include <cstdint>

namespace gradus::conv_detail {

/// Images per task of a pass over all images: about `work` multiply-adds, but rather 8 tasks than 1; by shape only.
inline std::int64_t images_per_task(const Conv2dGeometry& g) {
  constexpr std::int64_t work = 1 << 22;
  const std::int64_t one = g.c_out * g.out_h() * g.out_w() * (g.c_in / g.groups) * g.kh * g.kw;
  const std::int64_t least = std::max<std::int64_t>(1, (work / 16) / std::max<std::int64_t>(1, one));
  return std::max(least, std::min(work / std::max<std::int64_t>(1, one), (g.n + 7) / 8));
}

/// Images whose weight gradients are summed in one buffer.
inline std::int64_t images_per_partial(const Conv2dGeometry& g) { return std::max<std::int64_t>(1, (g.n + 7) / 8); }

inline namespace GRADUS_ISA {

/// The sum of a contiguous range, as width chains of each of four packs; the order depends on the length only.
template <class T> T plane_sum(const T* p, std::int64_t n) {
  using P = pack<T>;
  constexpr int chains = 64;  // the same for every instruction set
  constexpr int packs = chains / P::width;
  P sum[packs];
  for (auto& s : sum) s = P(0.0);
  std::int64_t i = 0;
  for (; i + chains <= n; i += chains)
    for (int j = 0; j < packs; ++j) sum[j] += P::load(p + i + j * P::width);
  for (int j = 0; i < n; i += P::width, ++j)
    sum[j] += P::load_first(p + i, static_cast<int>(std::min<std::int64_t>(P::width, n - i)));
  return fold_sum(fold(sum, packs, [](P a, P b) { return a + b; }));
}

/// The bias gradient: dy summed over positions image by image, then over images in order.
template <class T> class BiasSums {
 public:
  BiasSums(const Conv2dGeometry& g, const T* dy) : g_(g), dy_(dy), sums_(g.n * g.c_out) {}
  void take(std::int64_t image) {
    const std::int64_t plane = g_.out_h() * g_.out_w();
    for (std::int64_t i = image * g_.c_out; i < (image + 1) * g_.c_out; ++i) sums_[i] = plane_sum(dy_ + i * plane, plane);
  }
  void add_up(T* dbias) const {
    std::fill(dbias, dbias + g_.c_out, T(0));
    for (std::int64_t i = 0; i < g_.n * g_.c_out; ++i) dbias[i % g_.c_out] += sums_[i];
  }

 private:
  const Conv2dGeometry& g_;
  const T* dy_;
  Scratch<T> sums_;
};

}  // namespace GRADUS_ISA

/// The general algorithm, right for every geometry: windows copied to columns, then products.
template <class T> void general_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y);
template <class T> void general_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx);
template <class T> void general_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight);

/// The direct algorithm for stride 1, straight from the padded image.
bool direct_suits(const Conv2dGeometry& g);
template <class T> void direct_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y);
bool direct_gradient_suits(const Conv2dGeometry& g);
template <class T> void direct_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx);

/// The direct weight gradient, any stride; false, with nothing done, if no algorithm fills its packs. dbias may be null.
template <class T> bool direct_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, T* dbias);

/// The geometry of the convolution that computes dx from dy, for a convolution with stride 1.
Conv2dGeometry turned(const Conv2dGeometry& g);

}  // namespace gradus::conv_detail
