// The workloads, each the same as its PyTorch twin in bench/peers: the eager step of a training loop, with gradients absent
// at its start, inputs made beforehand and rotated. docs/benchmarks.md specifies them.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace gradus::bench {

using Step = std::function<void()>;

struct Workload {
  std::string name;             ///< as the peers' script calls it
  const char* unit;             ///< "us" or "ns"
  double bytes;                 ///< least memory traffic of a step, 0 if not of interest
  std::function<Step()> build;  ///< makes models and data with the default generator, returns one step
};

std::vector<Workload> overhead_workloads();   ///< W1 (workloads_ops.cpp)
std::vector<Workload> training_workloads();   ///< W2 to W6 (workloads_training.cpp)
std::vector<Workload> optimizer_workloads();  ///< W7 (workloads_optimizers.cpp)
std::vector<Workload> op_workloads();         ///< W8 (workloads_ops.cpp)

/// All of them, W1 first.
const std::vector<Workload>& workloads();

}  // namespace gradus::bench
