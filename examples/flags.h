// The command line that the examples share, and what they report.
#pragma once

#include <gradus/nn/module.h>
#include <gradus/optim/optimizer.h>
#include <gradus/train/fit.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gradus::examples {

/// What came of a run. The program ends with 0 if `value` is better than `baseline`, what one gets without learning.
struct Outcome {
  std::string task, metric;
  double value = 0, baseline = 0;
  bool higher_is_better = true;
  std::int64_t steps = 0, parameters = 0;
  std::vector<training::Record> curve = {};
  std::vector<std::pair<std::string, double>> more = {};  ///< other figures, by name
};

/// An example gives its defaults; the command line changes them.
struct Flags {
  std::string optimizer;               ///< TOTAL stands for the steps of the run
  std::int64_t epochs = 0, steps = 0;  ///< one of them is given
  std::int64_t batch = 32;
  std::int64_t quick_length = 1;  ///< epochs, or steps, with --quick
  std::string data = {}, save = {}, resume = {}, json = {}, report = {}, profile = {};
  std::uint64_t seed = 1;
  int threads = 0;
  bool quick = false, find_lr = false;
  std::string program = {};

  /// The optimizer of the spec, for a run over `loader`.
  optim::Optimizer make_optimizer(nn::ModuleBase& net, const data::DataLoader& loader) const;
  /// Epochs, steps, --find-lr, --report and, with --resume, the checkpoint.
  training::FitOptions fit(const data::DataLoader* validation, std::vector<training::Metric> metrics = {}) const;
  /// The first metric, or the validation loss, of the last row; --save writes the weights.
  Outcome outcome(nn::ModuleBase& net, const training::FitResult& result, const training::FitOptions& options,
                  const std::string& task, double baseline) const;
};

/// main() of an example: reads the options, seeds, runs it, prints and writes (--json) what came of it. Errors end it with 1.
int run(int argc, char** argv, const std::string& about, Flags defaults,
        const std::function<Outcome(const Flags&)>& example);

}  // namespace gradus::examples
