// What the tests of elementwise ops at the edges of the number range share: derivatives at a point, in f32 or f64, and how
// near they must be.
#pragma once

#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace edge_values {

using namespace gradus;
using Op = Tensor (*)(const Tensor&);
using PairOp = Tensor (*)(const Tensor&, const Tensor&);

inline constexpr double inf = std::numeric_limits<double>::infinity(), NaN = std::numeric_limits<double>::quiet_NaN();

/// f, f' by the kernels, f' as it is recorded, and f''.
struct Derivatives {
  double value, first, recorded, second;
};
inline double number(const Tensor& t) { return t.defined() ? t.item() : 0; }
inline Derivatives derivatives(Op op, double at, Dtype dtype) {
  const Tensor x = leaf(Array::full({}, at, dtype)), y = op(x);
  const double value = y.item(), first = number(grad({y}, {x}, {.allow_unused = true})[0]);
  const Tensor recorded = grad({op(x)}, {x}, {.create_graph = true, .allow_unused = true})[0];
  if (!recorded.defined() || !recorded.requires_grad()) return {value, first, number(recorded), 0};
  return {value, first, recorded.item(), number(grad({recorded}, {x}, {.allow_unused = true})[0])};
}

/// NaN for NaN, the same infinity, and some roundings of the dtype apart, or two of its smallest numbers.
inline bool near(double got, double right, Dtype dtype) {
  if (dtype == f32) right = static_cast<double>(static_cast<float>(right));
  if (std::isnan(right)) return std::isnan(got);
  if (std::isinf(right)) return got == right;
  const double least = dtype == f32 ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min();
  return std::fabs(got - right) <= (dtype == f32 ? 4e-6 : 1e-13) * std::fabs(right) + 2 * least;
}

}  // namespace edge_values

using namespace edge_values;
