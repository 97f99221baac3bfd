// What losses share: refusing inputs that do not fit, and the reduction.
#pragma once

#include <gradus/autograd/ops.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace gradus {

/// The sum or mean of all losses; they themselves for `none`.
Tensor reduced_loss(const Tensor& losses, Reduction reduction);

using NamedInput = std::pair<const char*, const Tensor*>;
/// DtypeError unless all are f32 or all f64; ShapeError unless they have one shape, and something to compare.
void check_alike(const char* op, std::initializer_list<NamedInput> inputs);

/// DtypeError, ShapeError unless the weight, if there is one, is [classes] of the dtype of `like`.
void check_class_weight(const char* op, const char* name, const Tensor& weight, int64_t classes, const Tensor& like);

/// As i64; DtypeError unless i64 or u8, IndexError unless each is in [0, classes) or ignore_index.
Tensor checked_labels(const char* op, const Tensor& labels, int64_t classes, int64_t ignore_index);

/// The first element of a real tensor, in row-major order, that is wrong(it), or -1.
template <class Wrong> int64_t first_wrong(const Tensor& t, Wrong wrong) {
  const Array dense = t.array().contiguous();
  return visit_real(dense.dtype(), [&]<class T>() -> int64_t {
    const T *p = dense.data<T>(), *end = p + dense.size();
    const T* at = std::find_if(p, end, [&](T v) { return wrong(static_cast<double>(v)); });
    return at == end ? -1 : at - p;
  });
}

/// Error unless every element of y is 1 or -1.
void check_signs(const char* op, const Tensor& y);

}  // namespace gradus
