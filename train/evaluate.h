// evaluate: the loss and the metrics of a model over a data set.
#pragma once

#include <gradus/data/loader.h>
#include <gradus/nn/module.h>
#include <gradus/train/metrics.h>

#include <functional>
#include <vector>

namespace gradus::training {

/// What a model makes of one batch: the loss [], and the output that metrics compare with batch.y. A loss alone will do
/// where there are no metrics.
struct StepResult {
  Tensor loss, output;
  StepResult(Tensor of_loss, Tensor of_output = {}) : loss(std::move(of_loss)), output(std::move(of_output)) {}
};
using StepFunction = std::function<StepResult(const data::Batch&)>;

struct Evaluation {
  double loss = 0;              ///< the mean over items, not over batches
  std::vector<double> metrics;  ///< in the order they were asked for
};

/// Epoch 0 of `loader`, in eval mode, unrecorded; every module has its own mode again afterwards. step() is called once a
/// batch, and its loss counts as often as the batch has items.
Evaluation evaluate(nn::ModuleBase& net, const data::DataLoader& loader, const StepFunction& step,
                    const std::vector<Metric>& metrics = {});

}  // namespace gradus::training
