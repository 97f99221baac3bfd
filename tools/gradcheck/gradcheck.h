// `gradus gradcheck`: the gradient of every op that can be recorded, against differences.
#pragma once

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/op.h>

#include <string>
#include <vector>

namespace gradus::tools {

/// One op, over all its samples.
struct OpVerdict {
  std::string name;
  int samples = 0;
  double first_order = 0, second_order = 0;  ///< worst norm-wise errors
  double f32 = 0;                            ///< worst of f32 against f64, the condition number taken off: see run_sample.h
  bool same_bits = true;                     ///< with 1, 2, 3 and 7 threads
  std::int64_t draws = 0, inconclusive = 0;
  bool passed = true;
  std::vector<std::string> complaints;  ///< one a sample and order that failed
};

/// Every op, or the one named. Errors: SpecError for an unknown name, with the nearest.
std::vector<const OpInfo*> ops_named(const std::string& name);

/// Checks an op's samples to first (1e-8) and second order (1e-6), f32 against f64 (1e-5 times the condition number), and
/// the bits at several numbers of threads. Fails also if there are no samples, if more than 1 % of its
/// draws (and more than one) were inconclusive, or if all gradients of a sample are zero though the op is not known as a
/// step function.
OpVerdict check_op(const OpInfo& op);

/// Prints a table of every op, or of the one named, and writes it to `json_path` unless that is empty. Returns 0 if all
/// passed, 1 if one failed. Errors: SpecError for an unknown op, naming the nearest; DataError if the file cannot be
/// written.
int gradcheck_command(const std::string& op, const std::string& json_path);

}  // namespace gradus::tools
