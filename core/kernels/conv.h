// Two-dimensional convolution (cross-correlation) and its gradients, on plain dense NCHW pointers.
#pragma once

#include <cstdint>

namespace gradus {

/// x [n, c_in, h, w], weight [c_out, c_in / groups, kh, kw], y [n, c_out, out_h, out_w]. c_in and c_out are multiples of
/// groups; group i of the outputs sees group i of the inputs only.
struct Conv2dGeometry {
  std::int64_t n, c_in, h, w, c_out, kh, kw;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t dil_h = 1, dil_w = 1;
  std::int64_t groups = 1;
  std::int64_t out_h() const { return (h + 2 * pad_h - dil_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t out_w() const { return (w + 2 * pad_w - dil_w * (kw - 1) - 1) / stride_w + 1; }
};

/// y = x * weight (+ bias [c_out]; may be null).
template <class T> void conv2d_forward(const Conv2dGeometry& g, const T* x, const T* weight, const T* bias, T* y);

/// dx = the gradient of sum(y * dy) to x; also the transposed convolution of dy.
template <class T> void conv2d_input_gradient(const Conv2dGeometry& g, const T* dy, const T* weight, T* dx);

/// dweight = the gradient of sum(y * dy) to weight. dbias, which may be null, as of conv2d_bias_gradient, but cheaper here,
/// while dy is in cache.
template <class T>
void conv2d_weight_gradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dweight, T* dbias = nullptr);

/// dbias [c_out] = dy summed over images and positions.
template <class T> void conv2d_bias_gradient(const Conv2dGeometry& g, const T* dy, T* dbias);

}  // namespace gradus
