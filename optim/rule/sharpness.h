// The step that sharpness-aware rules share: by the gradient found a little uphill.
#pragma once

#include <gradus/optim/norms.h>
#include <gradus/optim/rule/closure_rule.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {

/// Lets the wrapped rule step from w with the gradient found at w + rho T T g / |T g|, where T = scale(w_i) for each element
/// and |.| is over all parameters. Returns the loss at w.
template <class Scale> double step_by_uphill_gradient(Objective& f, double rho, Scale scale) {
  const auto w = f.parameters();
  const double loss = f.evaluate();
  const auto g = f.gradient();
  double squares = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double scaled = scale(w[i]) * g[i];
    squares += scaled * scaled;
  }
  double most = 0;
  for (std::size_t i = 0; i < w.size() && !squares_fit(squares); ++i) most = std::max(most, std::fabs(scale(w[i]) * g[i]));
  const bool wide = most > 0 && std::isfinite(most);  // squares leave double's range, elements do not
  if (wide) {
    squares = 0;
    for (std::size_t i = 0; i < w.size(); ++i) squares += std::pow(scale(w[i]) * g[i] / most, 2);
  }
  if (squares > 0) {
    auto uphill = w;
    const double unit = wide ? most : 1, length = rho / std::sqrt(squares);
    for (std::size_t i = 0; i < w.size(); ++i) uphill[i] += length * scale(w[i]) * scale(w[i]) * (g[i] / unit);
    f.set_parameters(uphill);
    f.evaluate();
    f.set_parameters(w);
  }
  f.step_inner();
  return loss;
}

}  // namespace gradus::optim
