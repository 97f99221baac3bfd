// Audit: the rule and options of every parameter, for a person to check before a long run.
#pragma once

#include <gradus/core/shape.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gradus::optim {

struct AuditRow {
  std::string parameter;
  Shape shape;
  std::string rule;                         ///< name of the rule
  std::optional<double> lr, weight_decay;   ///< absent if the rule has no such option
  std::string lr_schedule, decay_schedule;  ///< as a spec writes them, or ""
  std::string group;                        ///< the pattern that chose it, or ""
  std::int64_t steps = 0;                   ///< steps the parameter has taken
};

struct Audit {
  std::vector<AuditRow> parameters;
  std::vector<std::string> warnings;  ///< biases and norms under decay, lr 0, gradients that never came
};

/// The audit as text: a table, and the warnings under it.
std::string to_string(const Audit& audit);

}  // namespace gradus::optim
