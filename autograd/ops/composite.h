// Small ops made of others (ops/composite.cpp), and the largest over several axes.
#pragma once

#include <gradus/autograd/tensor.h>

#include <cmath>
#include <vector>

namespace gradus {

/// The replacements for NaN and the infinities; by default the infinities become the extreme numbers of the dtype.
struct NanToNum {
  double nan = 0, posinf = HUGE_VAL, neginf = -HUGE_VAL;  ///< infinite: the largest, the smallest number of x's dtype
};
Tensor nan_to_num(const Tensor& x, NanToNum numbers = {});
/// The largest over several axes (none: all); where several are largest, each gets an equal share of the gradient.
Tensor amax(const Tensor& x, const Axes& axes = {}, bool keep = false);
Tensor amin(const Tensor& x, const Axes& axes = {}, bool keep = false);
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);  ///< start + weight (end - start)
/// beta x + alpha a b, with x broadcast to the product's shape.
Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);
Tensor logcumsumexp(const Tensor& x, Axis axis);  ///< log(e^x_0 + ... + e^x_i), at i along an axis
Tensor trace(const Tensor& x);                    ///< the sum of the diagonal of a matrix [M, N]
/// Distances in the p-norm between rows: a [.., M, D], b [.., N, D] -> [.., M, N]; a distance of 0 has the gradient 0.
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2);

}  // namespace gradus
