// Losses for classes of which one is rare, as functions and as modules: focal and Dice. Each takes {.reduction =
// Reduction::mean, sum or none}. Errors of all: DtypeError, ShapeError naming the inputs.
#pragma once

#include <gradus/nn/module.h>

namespace gradus {

struct FocalOptions {
  double alpha = 0.25;  ///< weight of a target of 1, and 1 - alpha of a 0; below 0: no weights
  double gamma = 2;     ///< the loss of a prediction p for what is true counts (1 - p)^gamma
  Reduction reduction = Reduction::none;
};
/// Binary cross-entropy of logits that easy elements hardly enter: Lin et al., "Focal loss for dense object detection", 2017,
/// equation 5; names and defaults are torchvision's. Targets lie in [0, 1], and are of the logits' shape.
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& targets, const FocalOptions& options = {});

struct DiceOptions {
  double smooth = 1;  ///< added above and below the line
  Reduction reduction = Reduction::mean;
};
/// 1 - (2 sum p t + smooth) / (sum p + sum t + smooth) for each sample, sums over all axes but the first: Milletari, Navab and
/// Ahmadi, "V-Net", 2016, without the squares. p [N, ..] are probabilities, t of the same shape.
Tensor dice_loss(const Tensor& p, const Tensor& t, const DiceOptions& options = {});

namespace nn {

struct FocalLoss : Module<FocalLoss> {
  explicit FocalLoss(FocalOptions how = {.reduction = Reduction::mean}) : options(how) {}
  Tensor forward(const Tensor& logits, const Tensor& targets) { return sigmoid_focal_loss(logits, targets, options); }
  FocalOptions options;
};
struct DiceLoss : Module<DiceLoss> {
  explicit DiceLoss(DiceOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& p, const Tensor& t) { return dice_loss(p, t, options); }
  DiceOptions options;
};

}  // namespace nn
}  // namespace gradus
