// The two of the three linear maps of a convolution that other ops use (conv.cpp).
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/kernels/conv.h>

namespace gradus::convolution {

/// x [N,C,H,W] with weight [O,C/groups,KH,KW], plus bias [O] unless absent: conv2d with arguments already checked.
Tensor correlate(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dGeometry& g);
/// The transposed convolution of dy [N,O,H',W'] to [N,C,H,W].
Tensor conv2d_input(const Tensor& dy, const Tensor& weight, const Conv2dGeometry& g);

}  // namespace gradus::convolution
