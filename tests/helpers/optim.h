// Parameters, gradients and comparisons for the tests of optimizers.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace optim_testing {

using namespace gradus;
using optim::Optimizer;

/// Numbers in about [-1, 1], a function of seed and place.
inline Array numbers(const Shape& shape, unsigned seed, Dtype dtype = f64) {
  Array a(shape, f64);
  double* x = a.uninitialized<double>();
  std::uint64_t state = 88172645463325252ull + seed * 7919ull;
  for (int64_t i = 0; i < a.size(); ++i) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    x[i] = static_cast<double>(state >> 11) / 4503599627370496.0 - 1.0;
  }
  return a.to(dtype);
}

/// Norm-wise.
inline double error(const Array& a, const Array& b) { return relative_distance(a, b); }

inline bool same_bits(const NamedArrays& a, const NamedArrays& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || !same_bits(a[i].second, b[i].second)) return false;
  return true;
}

/// Copies of the parameters' numbers.
inline NamedArrays values(const Optimizer& opt) {
  NamedArrays all;
  for (const auto& [name, tensor] : opt.parameters()) all.emplace_back(name, tensor.array().copy());
  return all;
}

/// Leaves named a, b, c ...
inline NamedTensors leaves(const std::vector<Shape>& shapes, Dtype dtype = f64) {
  NamedTensors all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    all.emplace_back(name, leaf(numbers(shapes[i], static_cast<unsigned>(i) + 1, dtype), name));
  }
  return all;
}

inline Array gradient_at(std::size_t parameter, int t, const Tensor& w) {
  return numbers(w.shape(), 1000u * static_cast<unsigned>(t) + static_cast<unsigned>(parameter) + 17, w.dtype());
}

/// One step with the gradients of step t, through a closure where the rule wants one.
inline void step_with(Optimizer& opt, int t) {
  const auto parameters = opt.parameters();
  if (opt.rule().needs_closure()) {
    const auto loss_of = [&] {
      Tensor loss;
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Tensor& w = parameters[i].second;
        const Tensor part = sum(w * w * 0.5 + w * Tensor(gradient_at(i, t, w)));
        loss = loss.defined() ? loss + part : part;
      }
      return loss;
    };
    opt.step(loss_of, loss_of);
    return;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].second.set_grad(gradient_at(i, t, parameters[i].second));
  opt.step();
}

/// Whether f throws E with `part` in its message.
template <class E, class F> bool refuses(F f, const std::string& part) {
  try {
    f();
  } catch (const E& e) {
    if (std::string(e.what()).find(part) != std::string::npos) return true;
    std::fprintf(stderr, "message was: %s\n", e.what());
  }
  return false;
}

}  // namespace optim_testing
