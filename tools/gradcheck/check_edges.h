// Every op at the edges of its numbers: `gradus gradcheck --edges`.
//
// Every real input of every sample gets 0, -0, the smallest subnormal, 1e-30, 1e-8, 1, 1e8, 1e20, the largest, infinity and
// NaN, with both signs, in all its elements and in one; two inputs, and two elements of one, get pairs of them; and the
// samples of size 0 and 1 are run. Asked is, of values, gradients (by kernels, and recorded), and gradients of gradients:
//
//   nan     an output that depends on an element is NaN where the element is; so is a gradient that depends on it, but not
//           one that is one of a few constants (of relu, at NaN: any of them)
//   digits  f32 is as good as f64: within eight roundings of inputs and result; second order: finite where f64 is
//   finite  no NaN from numbers; no NaN nor infinity in a gradient where the function has a slope
//   form    as the closed form in long double says (closed_forms.h), f32 and f64
//
// What an op does otherwise on purpose stands in its record with the reason (EdgeException); an exception that is not needed
// is a failure, too.
#pragma once

#include <gradus/tools/gradcheck/edges/run_at_edges.h>
#include <gradus/tools/gradcheck/gradcheck.h>

#include <map>
#include <string>
#include <vector>

namespace gradus::tools {

const char* rule_name(EdgeRule rule);

struct EdgeFailure {
  EdgeRule rule;
  int order;
  std::string text;
};

struct EdgeRow {
  std::string name;
  int points = 0;  ///< places, each in f32 and f64
  int forms = 0;   ///< of them compared with a closed form
  std::vector<EdgeFailure> failures;
  std::map<const EdgeException*, int> excused;  ///< exceptions of the record: how often each was needed
  std::vector<std::string> unneeded;            ///< exceptions that were not
  bool passed() const { return failures.empty() && unneeded.empty(); }
  int count(EdgeRule rule, int order) const;
};

EdgeRow check_edges(const OpInfo& op);

/// Prints the table of every op, or of the one named, the exceptions with their reasons, and what failed; writes it to
/// `json_path` unless that is empty. Returns 0 if nothing failed, 1 otherwise. Errors: as gradcheck_command().
int edges_command(const std::string& op, const std::string& json_path);

}  // namespace gradus::tools
