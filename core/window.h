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

/// y[planes, out_h, out_w] = the largest of each window, and which position r * kw + c of the window it is; the first of
/// equals. A NaN in the window is the result, its position that of the last one, as in PyTorch. `where` may be null.
/// Position is uint8_t, if `fits_a_byte`, or int64_t.
template <class T, class Position>
void max_pool2d_forward(const PoolGeometry& g, const T* x, T* y, Position* where);

/// dx[planes, h, w] = for every element the sum of dy over the windows that chose it.
template <class T, class Position>
void max_pool2d_backward(const PoolGeometry& g, const T* dy, const Position* where, T* dx);

/// Positions as places y * w + x in the input plane.
template <class Position>
void max_pool2d_places(const PoolGeometry& g, const Position* where, std::int64_t* places);

inline bool fits_a_byte(const PoolGeometry& g) { return g.kh < 256 && g.kw < 256 && g.kh * g.kw < 256; }

/// y = the mean of each window, over all kh * kw positions or, unless `count_padding`, over those inside the image.
template <class T>
void avg_pool2d_forward(const PoolGeometry& g, bool count_padding, const T* x, T* y);

/// dx = every dy spread evenly over its window.
template <class T>
void avg_pool2d_backward(const PoolGeometry& g, bool count_padding, const T* dy, T* dx);

}  // namespace gradus
