// One training run of `gradus compare`: a copy of the initial network, one optimizer, everything measured on the way.
#pragma once

#include <gradus/data/dataset.h>
#include <gradus/nn/module.h>
#include <gradus/optim/optimizer.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gradus::tools {

struct EpochResult {
  std::int64_t epoch;                        ///< from 1
  double train_loss;                         ///< mean over the epoch's batches
  double test_loss, test_accuracy, seconds;  ///< seconds of training alone
};

/// One number a step. NaN where there is none.
struct StepTrace {
  std::vector<double> loss, update_norm, lr, seconds;  ///< update_norm: |w after - w before| / |w before|
};

struct RunResult {
  std::string optimizer;  ///< the full spec, all defaults written out
  std::vector<EpochResult> epochs;
  StepTrace steps;
  std::optional<double> time_to_target;
  std::optional<std::int64_t> steps_to_target;
  std::int64_t gradient_evaluations = 0;
  double state_bytes_per_parameter = 0;
  bool diverged = false;  ///< a loss was not finite; the run ended there
  std::string cause;      ///< of that: which op made the first number that is not finite
  bool finished = false;
};

struct TrainingPlan {
  data::ImageSet train, test;
  std::int64_t epochs, batch;
  std::uint64_t seed;
  double target;  ///< test accuracy; looked at four times an epoch, outside the clock
};

/// What the run tells while it goes on; returning false ends it (the result is then not finished).
struct RunProgress {
  std::int64_t epoch, batch, batches;
  double loss, accuracy, images_per_second, seconds_left;
};
using Watch = std::function<bool(const RunProgress&)>;

/// Mean loss and share of right answers of `network` on `set`.
struct Score {
  double loss, accuracy;
};
Score evaluate(nn::ModuleBase& network, const data::ImageSet& set);

/// Trains `network` in place. Errors: SpecError or OptimError for an optimizer that cannot be made.
RunResult train(nn::ModuleBase& network, const std::string& optimizer_spec, const TrainingPlan& plan, const Watch& watch);

}  // namespace gradus::tools
