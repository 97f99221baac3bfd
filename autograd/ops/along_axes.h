// Reductions, scans and sorting along axes. Sums and products of i64, u8 and bool are exact, in i64.
#pragma once

#include <gradus/autograd/tensor.h>

#include <vector>

namespace gradus {

// ---- reduction (ops/reduce.cpp); an empty list of axes means all; `keep` leaves length 1 ----
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keep = false);
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keep = false);
Tensor var(const Tensor& x, const Axes& axes = {}, int correction = 1, bool keep = false);
Tensor std(const Tensor& x, const Axes& axes = {}, int correction = 1, bool keep = false);
Tensor max(const Tensor& x, int64_t axis, bool keep = false);  ///< NaN wins; the gradient goes to the first largest element
Tensor min(const Tensor& x, int64_t axis, bool keep = false);
Tensor max(const Tensor& x);  ///< over all elements
Tensor min(const Tensor& x);
Tensor argmax(const Tensor& x, Axis axis, bool keep = false);  ///< i64 constant, the first largest
Tensor argmin(const Tensor& x, Axis axis, bool keep = false);
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep = false);
Tensor norm(const Tensor& x);  ///< Euclidean, over all elements
/// The norm (sum |x|^p)^(1/p); infinity: the largest |x|, -infinity: the smallest, 0: how many are not zero. At 0 the
/// gradient of p = 2 is 0.
Tensor norm(const Tensor& x, double p, const Axes& axes = {}, bool keep = false);
Tensor prod(const Tensor& x, Axis axis, bool keep = false);  ///< the gradient is exact also where factors are zero
Tensor prod(const Tensor& x);
Tensor sum_to(const Tensor& x, const Shape& shape);  ///< undoes expand

/// a . b / (|a| |b|) along an axis, either norm at least eps; a and b broadcast.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, Axis axis = 1, double eps = 1e-8);

// ---- running sums and products (ops/scan.cpp) ----
Tensor cumsum(const Tensor& x, Axis axis);
Tensor cumprod(const Tensor& x, Axis axis);  ///< the gradient is exact also where factors are zero
/// r_i = a_i r_(i-1) + b_i along an axis, with r_0 = b_0: a linear recurrence. Shapes must be equal.
Tensor linear_scan(const Tensor& a, const Tensor& b, Axis axis);

// ---- sorting (ops/sort.cpp): values with their gradient, indices (i64) constant; NaN counts as the largest ----
struct ValuesAndIndices {
  Tensor values, indices;
};
ValuesAndIndices sort(const Tensor& x, Axis axis = -1, bool descending = false);  ///< stable
Tensor argsort(const Tensor& x, Axis axis = -1, bool descending = false);
ValuesAndIndices topk(const Tensor& x, int64_t k, Axis axis = -1, bool largest = true);  ///< sorted
/// The k-th smallest, counted from 1.
ValuesAndIndices kthvalue(const Tensor& x, int64_t k, Axis axis = -1, bool keep = false);
ValuesAndIndices median(const Tensor& x, Axis axis = -1, bool keep = false);  ///< the lower of two middle elements

}  // namespace gradus
