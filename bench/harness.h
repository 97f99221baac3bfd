// Timing of one step of a workload: warm-up, then samples for a budget; the figure is the median.
#pragma once

#include <gradus/bench/workloads.h>

namespace gradus::bench {

struct Timing {
  double median, min;  ///< seconds a step
  long n;              ///< samples
};
Timing measure(const Step& step, double budget_seconds);

/// One JSON line for each network, what grows in it, how often, and number of threads: multiply-adds and time of a step.
void print_growth(const std::vector<int>& threads, double budget_seconds);

}  // namespace gradus::bench
