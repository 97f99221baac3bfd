// `gradus compare`: the same network from the same weights on the same batches with several optimizers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gradus::tools {

struct CompareOptions {
  std::string data;           ///< folder with MNIST's four files; empty: generated digits
  bool synthetic = false;     ///< says that `data` is empty
  std::string model = "cnn";  ///< cnn or mlp
  std::string optimizers;     ///< specs separated by ';'; empty: default_optimizers()
  std::int64_t epochs = 3, batch = 64;
  std::int64_t limit = 0;  ///< use only the first so many training images; 0: all (generated: 20,000)
  std::uint64_t seed = 1;
  double target = 0.97;  ///< test accuracy that is timed
  std::string out = "runs/compare";
  std::string profile;  ///< file for the spans of every op (autograd/inspect/profile.h); empty: none
  std::string command;  ///< as typed, for the report
};

/// SGD, SGD with momentum, Adagrad, RMSprop, Adam, AdamW; docs/compare.md tells how their learning rates were chosen.
const std::vector<std::string>& default_optimizers();

/// Trains, prints a table, writes OUT/metrics.json and OUT/report.html after each optimizer. Returns 0; 130 if interrupted
/// (what is finished is written). Errors: DataError, SpecError, OptimError before anything is trained or written.
int compare_command(const CompareOptions& options);

}  // namespace gradus::tools
