// Values and gradients where numbers end: what the tests at the edges share.
#pragma once

#include <doctest/doctest.h>
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace gradus::edges {

inline constexpr double inf = std::numeric_limits<double>::infinity(),
                        not_a_number = std::numeric_limits<double>::quiet_NaN();

inline Tensor numbers(const Shape& shape, const std::vector<double>& x, Dtype dtype) {
  return leaf(Array::of(shape, x).to(dtype));
}
inline std::vector<double> values(const Array& a) {
  std::vector<double> v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}
inline bool equal(const Array& a, const std::vector<double>& wanted, double tolerance = 0) {
  const std::vector<double> v = values(a);
  bool same = v.size() == wanted.size();
  for (std::size_t i = 0; same && i < v.size(); ++i)
    same = (std::isnan(wanted[i]) && std::isnan(v[i])) || v[i] == wanted[i] ||
           std::fabs(v[i] - wanted[i]) <= tolerance * std::max(1.0, std::fabs(wanted[i]));
  if (!same) MESSAGE(to_string(a));
  return same;
}
inline bool finite(const Array& a) {
  for (const double v : values(a))
    if (!std::isfinite(v)) return false;
  return true;
}

/// The gradient of sum(w y), w = 1, 2, 3, ...; and whether its own gradient is finite.
struct Orders {
  Array first;
  bool second_finite;
};
inline Orders orders_of(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  const Tensor y = f(x), w = reshape(arange(y.size()).to(y.dtype()) + 1.0, y.shape());
  const Array plain = grad({sum(y * w)}, {x})[0].array();
  const Tensor recorded = grad({sum(f(x) * w)}, {x}, {.create_graph = true})[0];
  CHECK(equal(recorded.array(), values(plain), 1e-6));
  if (!recorded.requires_grad()) return {plain, true};
  const Tensor second = grad({sum(recorded * recorded)}, {x}, {.allow_unused = true})[0];
  return {plain, !second.defined() || finite(second.array())};
}

}  // namespace gradus::edges
