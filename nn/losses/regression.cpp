#include <gradus/nn/losses/regression.h>

#include <gradus/nn/losses/internal/loss_parts.h>

#include <cmath>
#include <numbers>

namespace gradus {
namespace {

/// d^2 / 2 up to `bend`, the tangent behind it; one formula, so that an infinite d has a finite slope.
Tensor parabola_then_line(const Tensor& d, double bend) {
  const Tensor bent = min(d, bend);
  return bent * (d - 0.5 * bent);
}

/// var as it broadcasts to the prediction.
Tensor variance_for(const Tensor& prediction, const Tensor& var) {
  const Shape& s = prediction.shape();
  if (var.dtype() == prediction.dtype()) {
    if (var.shape() == s || (s.rank() > 0 && var.shape() == s.erase(s.rank() - 1).insert(s.rank() - 1, 1))) return var;
    if (s.rank() > 0 && var.shape() == s.erase(s.rank() - 1)) return unsqueeze(var, -1);
  } else {
    throw DtypeError("gaussian_nll_loss",
                     join("var is ", describe(var), ", the prediction ", describe(prediction), "; they must have one dtype"),
                     join("var.to(", prediction.dtype(), ")"));
  }
  throw ShapeError("gaussian_nll_loss", join("var is ", describe(var), ", the prediction ", describe(prediction),
                                             "; var must have its shape, a last axis of 1, or no last axis"));
}

}  // namespace

Tensor l1_loss(const Tensor& prediction, const Tensor& target, Reduction reduction) {
  check_alike("l1_loss", {{"prediction", &prediction}, {"target", &target}});
  return reduced_loss(abs(prediction - target), reduction);
}

Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, const SmoothL1Options& o) {
  check_alike("smooth_l1_loss", {{"prediction", &prediction}, {"target", &target}});
  if (!(o.beta >= 0)) throw Error("smooth_l1_loss", join("beta must not be negative, got ", text(o.beta)));
  const Tensor d = abs(prediction - target);
  return reduced_loss(o.beta == 0 ? d : parabola_then_line(d, o.beta) / o.beta, o.reduction);
}

Tensor huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& o) {
  check_alike("huber_loss", {{"prediction", &prediction}, {"target", &target}});
  if (!(o.delta > 0)) throw Error("huber_loss", join("delta must be above 0, got ", text(o.delta)));
  return reduced_loss(parabola_then_line(abs(prediction - target), o.delta), o.reduction);
}

Tensor gaussian_nll_loss(const Tensor& prediction, const Tensor& target, const Tensor& var, const GaussianNllOptions& o) {
  check_alike("gaussian_nll_loss", {{"prediction", &prediction}, {"target", &target}});
  if (!(o.eps > 0)) throw Error("gaussian_nll_loss", join("eps must be above 0, got ", text(o.eps)));
  const Tensor given = variance_for(prediction, var);
  const int64_t at = first_wrong(var, [](double v) { return v < 0; });
  if (at >= 0)
    throw Error("gaussian_nll_loss", join("a variance must not be negative, got ", text(var.array().element(at)),
                                          " at element ", at, " of ", describe(var)));
  const Tensor v = given + (max(given.detach(), o.eps) - given.detach());
  const Tensor losses = 0.5 * (log(v) + square(prediction - target) / v);
  return reduced_loss(o.full ? losses + 0.5 * std::log(2 * std::numbers::pi) : losses, o.reduction);
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& o) {
  check_alike("poisson_nll_loss", {{"prediction", &x}, {"target", &target}});
  Tensor losses = o.log_input ? exp(x) - target * x : x - target * log(x + o.eps);
  if (o.full) {
    const Tensor large = target > Tensor(1.0), t = where(large, target, Tensor(1.0));
    losses = losses + where(large, t * log(t) - t + 0.5 * log(2 * std::numbers::pi * t), Tensor(0.0));
  }
  return reduced_loss(losses, o.reduction);
}

}  // namespace gradus
