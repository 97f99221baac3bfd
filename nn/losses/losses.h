// All losses, as functions and as modules for those who configure them.
#pragma once

#include <gradus/nn/losses/classification.h>
#include <gradus/nn/losses/ctc.h>
#include <gradus/nn/losses/embedding.h>
#include <gradus/nn/losses/overlap.h>
#include <gradus/nn/losses/regression.h>

namespace gradus::nn {

/// (prediction - target)^2; the shapes must be equal.
struct MSELoss : Module<MSELoss> {
  explicit MSELoss(Reduction how = Reduction::mean) : reduction(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return mse_loss(prediction, target, reduction); }
  Reduction reduction;
};

}  // namespace gradus::nn
