// Pooling over windows of an image, on plain pointers.
#pragma once

#include <cstdint>

namespace gradus {

/// `planes` images of h by w (batch times channels), pooled by windows of kh by kw. Positions in the padding count as
/// minus infinity (max) or as zero (average).
struct PoolGeometry {
  std::int64_t planes, h, w;
  std::int64_t kh, kw;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;  ///< a window wholly in the padding gives minus infinity at place 0
  std::int64_t dil_h = 1, dil_w = 1;  ///< max pooling only
  std::int64_t out_h() const { return (h + 2 * pad_h - dil_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t out_w() const { return (w + 2 * pad_w - dil_w * (kw - 1) - 1) / stride_w + 1; }
};

/// y[planes, out_h, out_w] = the largest of each window, and its place y * w + x in the input plane; the first of
/// equals. A NaN in the window is the result, its place that of the last one, as in PyTorch. `where` may be null.
template <class T>
void max_pool2d_forward(const PoolGeometry& g, const T* x, T* y, std::int64_t* where);

/// dx[planes, h, w] = for every element the sum of dy over the windows that chose it.
template <class T>
void max_pool2d_backward(const PoolGeometry& g, const T* dy, const std::int64_t* where, T* dx);

/// y = the mean of each window, over all kh * kw positions or, unless `count_padding`, over those inside the image.
template <class T>
void avg_pool2d_forward(const PoolGeometry& g, bool count_padding, const T* x, T* y);

/// dx = every dy spread evenly over its window.
template <class T>
void avg_pool2d_backward(const PoolGeometry& g, bool count_padding, const T* dy, T* dx);

}  // namespace gradus
