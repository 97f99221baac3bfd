// Losses of numbers, as functions and as modules. prediction and target must have one shape and dtype. Each takes
// {.reduction = Reduction::mean, sum or none}. Errors of all: DtypeError, ShapeError naming the inputs.
#pragma once

#include <gradus/nn/module.h>

namespace gradus {

/// |prediction - target|; the gradient is 0 where they are equal.
Tensor l1_loss(const Tensor& prediction, const Tensor& target, Reduction reduction = Reduction::mean);

struct SmoothL1Options {
  double beta = 1;  ///< where the parabola becomes a line; 0 is l1_loss
  Reduction reduction = Reduction::mean;
};
/// d^2 / (2 beta) where d = |prediction - target| < beta, else d - beta / 2: Girshick, "Fast R-CNN", 2015.
Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, const SmoothL1Options& options = {});

struct HuberOptions {
  double delta = 1;  ///< above 0
  Reduction reduction = Reduction::mean;
};
/// d^2 / 2 where d = |prediction - target| < delta, else delta (d - delta / 2): Huber, 1964.
Tensor huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& options = {});

struct GaussianNllOptions {
  bool full = false;  ///< with the constant log(2 pi) / 2
  double eps = 1e-6;  ///< a variance is at least this; its gradient is as if it were not cut off
  Reduction reduction = Reduction::mean;
};
/// (log var + (prediction - target)^2 / var) / 2: Nix and Weigend, 1994. var has the prediction's shape, a last axis of 1,
/// or no last axis. Errors: Error for a negative variance.
Tensor gaussian_nll_loss(const Tensor& prediction, const Tensor& target, const Tensor& var,
                         const GaussianNllOptions& options = {});

struct PoissonNllOptions {
  bool log_input = true;  ///< the prediction is the rate's logarithm
  bool full = false;      ///< with Stirling's t log t - t + log(2 pi t) / 2 where t > 1
  double eps = 1e-8;      ///< added to the rate before its logarithm, without log_input
  Reduction reduction = Reduction::mean;
};
/// e^x - t x, or x - t log(x + eps) of a rate x.
Tensor poisson_nll_loss(const Tensor& prediction, const Tensor& target, const PoissonNllOptions& options = {});

namespace nn {

struct L1Loss : Module<L1Loss> {
  explicit L1Loss(Reduction how = Reduction::mean) : reduction(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return l1_loss(prediction, target, reduction); }
  Reduction reduction;
};
struct SmoothL1Loss : Module<SmoothL1Loss> {
  explicit SmoothL1Loss(SmoothL1Options how = {}) : options(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return smooth_l1_loss(prediction, target, options); }
  SmoothL1Options options;
};
struct HuberLoss : Module<HuberLoss> {
  explicit HuberLoss(HuberOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return huber_loss(prediction, target, options); }
  HuberOptions options;
};
struct GaussianNLLLoss : Module<GaussianNLLLoss> {
  explicit GaussianNLLLoss(GaussianNllOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target, const Tensor& var) {
    return gaussian_nll_loss(prediction, target, var, options);
  }
  GaussianNllOptions options;
};
struct PoissonNLLLoss : Module<PoissonNLLLoss> {
  explicit PoissonNLLLoss(PoissonNllOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return poisson_nll_loss(prediction, target, options); }
  PoissonNllOptions options;
};

}  // namespace nn
}  // namespace gradus
