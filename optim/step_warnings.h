// Warnings of a step: mistakes that would go on training without a message (docs/warnings.md).
#pragma once

#include <gradus/optim/spec/optimizer_spec.h>

namespace gradus::optim {

class StepWarnings {
 public:
  /// Checks the gradients before anything moves; `steps`: taken so far.
  void look(const std::vector<ParameterState>& parameters, const OptimizerSpec& spec, std::int64_t steps);

 private:
  std::uint64_t passes_seen_ = 0;  // backward_passes() at the last call
  std::int64_t calls_ = 0;
};

}  // namespace gradus::optim
