// What sharpness-aware rules share: a step by the gradient found a little uphill.
#pragma once

#include <gradus/optim/closure_rule.h>

#include <cmath>

namespace gradus::optim {

/// The wrapped rule steps from w with the gradient found at w + rho T T g / |T g|, where T = scale(w_i) for each number and
/// |.| is over all parameters. Returns the loss at w.
template <class Scale>
double step_by_uphill_gradient(Objective& f, double rho, Scale scale) {
  const auto w = f.parameters();
  const double loss = f.evaluate();
  const auto g = f.gradient();
  double squares = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double scaled = scale(w[i]) * g[i];
    squares += scaled * scaled;
  }
  if (squares > 0) {
    auto uphill = w;
    const double length = rho / std::sqrt(squares);
    for (std::size_t i = 0; i < w.size(); ++i) uphill[i] += length * scale(w[i]) * scale(w[i]) * g[i];
    f.set_parameters(uphill);
    f.evaluate();
    f.set_parameters(w);
  }
  f.step_inner();
  return loss;
}

}  // namespace gradus::optim
