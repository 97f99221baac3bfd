// What the files of the convolution share.
#pragma once

#include <gradus/core/conv.h>

#include <algorithm>
#include <cstdint>

namespace gradus::conv_detail {

/// Images one task of a pass over all images takes: about `work` multiply-adds, but rather 8 tasks than 1; by shape only.
inline std::int64_t images_per_task(const Conv2dGeometry& g) {
  constexpr std::int64_t work = 1 << 22;
  const std::int64_t one = g.c_out * g.out_h() * g.out_w() * (g.c_in / g.groups) * g.kh * g.kw;
  const std::int64_t least = std::max<std::int64_t>(1, (work / 16) / std::max<std::int64_t>(1, one));
  return std::max(least, std::min(work / std::max<std::int64_t>(1, one), (g.n + 7) / 8));
}

/// Images whose weight gradients are summed in one buffer.
inline std::int64_t images_per_partial(const Conv2dGeometry& g) { return std::max<std::int64_t>(1, (g.n + 7) / 8); }

/// The range of output positions o whose input position o * stride + offset lies in [0, size).
struct Inside {
  std::int64_t begin, end;
  Inside(std::int64_t outputs, std::int64_t size, std::int64_t stride, std::int64_t offset) {
    begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    end = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    end = std::min(end, outputs);
    begin = std::min(begin, std::max<std::int64_t>(end, 0));
    end = std::max(begin, end);
  }
};

/// The general way, right for every geometry: windows copied to columns, then products.
template <class T>
void general_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y);
template <class T>
void general_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx);
template <class T>
void general_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight);

/// Stride 1, straight from the padded image.
bool direct_suits(const Conv2dGeometry& g);
template <class T>
void direct_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y);
bool direct_gradient_suits(const Conv2dGeometry& g);
template <class T>
void direct_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx);

/// Any stride; false if neither way fills its packs, then nothing is done.
template <class T>
bool direct_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight);

/// The convolution from dy to dx of a convolution with stride 1.
Conv2dGeometry turned(const Conv2dGeometry& g);

}  // namespace gradus::conv_detail
