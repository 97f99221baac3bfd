// Timing of one step of a workload: warm-up, then samples for a budget; the figure is the median.
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

/// W1 overhead of an op, W2 MLP, W3 LeNet, W7 optimizer alone; docs/benchmarks.md specifies them.
const std::vector<Workload>& workloads();

struct Timing {
  double median, min;  ///< seconds a step
  long n;              ///< samples
};
Timing measure(const Step& step, double budget_seconds);

}  // namespace gradus::bench
