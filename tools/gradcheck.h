// `gradus gradcheck`: the gradient of every op that can be recorded, against differences.
#pragma once

#include <gradus/autograd/gradcheck.h>
#include <gradus/autograd/op.h>

#include <string>
#include <vector>

namespace gradus::tools {

/// One op, over all its samples.
struct OpVerdict {
  std::string name;
  int samples = 0;
  double first_order = 0, second_order = 0;  ///< worst norm-wise errors
  std::int64_t draws = 0, inconclusive = 0;
  bool passed = true;
  std::vector<std::string> complaints;       ///< one a sample and order that failed
};

/// Checks an op's samples to first (1e-8) and second order (1e-6). Fails if there are no samples, if more than 1 % of its
/// draws (and more than one) were inconclusive, or if all gradients of a sample are zero though the op is not known as a
/// step function.
OpVerdict check_op(const OpInfo& op);

/// Prints a table of every op, or of the one named, and writes it to `json_path` unless that is empty. Returns 0 if all
/// passed, 1 if one failed. Errors: SpecError for an unknown op, naming the nearest; DataError if the file cannot be
/// written.
int gradcheck_command(const std::string& op, const std::string& json_path);

}  // namespace gradus::tools
