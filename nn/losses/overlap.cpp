#include <gradus/nn/losses/overlap.h>

#include <gradus/nn/losses/classification.h>
#include <gradus/nn/losses/internal/loss_parts.h>

namespace gradus {

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& targets, const FocalOptions& o) {
  check_alike("sigmoid_focal_loss", {{"logits", &logits}, {"targets", &targets}});
  const Tensor loss = binary_cross_entropy_with_logits(logits, targets, {.reduction = Reduction::none});
  const Tensor p = sigmoid(logits);
  Tensor y = loss * pow(1.0 - (p * targets + (1.0 - p) * (1.0 - targets)), o.gamma);
  if (o.alpha >= 0) y = y * (o.alpha * targets + (1 - o.alpha) * (1.0 - targets));
  return reduced_loss(y, o.reduction);
}

Tensor dice_loss(const Tensor& p, const Tensor& t, const DiceOptions& o) {
  check_alike("dice_loss", {{"probabilities", &p}, {"targets", &t}});
  if (p.rank() == 0) throw ShapeError("dice_loss", join("the inputs must be [N, ..], got ", describe(p)));
  const auto samples = [](const Tensor& x) { return sum(reshape(x, {x.dim(0), -1}), {1}); };
  const Tensor both = samples(p * t) * 2.0 + o.smooth;
  return reduced_loss(1.0 - both / (samples(p) + samples(t) + o.smooth), o.reduction);
}

}  // namespace gradus
