// find_lr: a few batches with a learning rate that grows from one to the next show which ones learn.
#pragma once

#include <gradus/data/loader.h>
#include <gradus/nn/module.h>
#include <gradus/optim/optimizer.h>
#include <gradus/train/evaluate.h>

#include <string>
#include <vector>

namespace gradus::training {

struct LrFinderOptions {
  double from = 1e-7, to = 1;  ///< swept in equal factors
  std::int64_t steps = 100;    ///< batches; at least 20
  double smoothing = 0.98;     ///< the share of the past in the mean of losses, in [0, 1)
  double diverged = 4;         ///< the sweep ends where the smoothed loss is so many times the lowest one, or is not finite
};

struct LrFinding {
  std::vector<double> lr, loss, smoothed;  ///< of each batch; the loss is that before its step
  /// Where the smoothed loss falls fastest per factor of lr, the first 10 points and the last one left out; NaN if it falls
  /// nowhere.
  double suggestion;
};

/// The range test of Smith, "Cyclical learning rates for training neural networks", 2017 (3.3), with the smoothing (a mean
/// without the bias of its beginning) and the suggestion of fastai and PyTorch Lightning. A fresh optimizer of the same spec
/// does it, over epochs 0, 1, ... of `loader`, with what stands before the rule but without the schedule of lr; groups with
/// an lr of their own keep it. `optimizer` is only read; weights, buffers and the default generator are put back bit for bit,
/// also after an error; gradients are absent. What `step` itself remembers is its own affair.
/// Errors: DataError for options out of range, OptimError for a rule without lr; those of the parts.
LrFinding find_lr(nn::ModuleBase& net, const optim::Optimizer& optimizer, const data::DataLoader& loader,
                  const StepFunction& step, const LrFinderOptions& options = {});

/// One line for a terminal: the smoothed loss as little bars between its ends, and the suggestion.
std::string to_string(const LrFinding& found);

}  // namespace gradus::training
