// Losses as modules, for those who configure them; the functions cross_entropy and mse_loss do the same.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

/// logits [N, C] or [N, C, ..] against class numbers [N] or [N, ..] of any integer type.
struct CrossEntropyLoss : Module<CrossEntropyLoss> {
  explicit CrossEntropyLoss(Reduction how = Reduction::mean) : reduction(how) {}
  Tensor forward(const Tensor& logits, const Tensor& labels) { return cross_entropy(logits, labels, reduction); }
  Reduction reduction;
};

/// (prediction - target)^2; the shapes must be equal.
struct MSELoss : Module<MSELoss> {
  explicit MSELoss(Reduction how = Reduction::mean) : reduction(how) {}
  Tensor forward(const Tensor& prediction, const Tensor& target) { return mse_loss(prediction, target, reduction); }
  Reduction reduction;
};

}  // namespace gradus::nn
