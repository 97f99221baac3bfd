// Invariants of every optimizer, checked on one rule: built-in or registered by a program.
//
//   optim::register_rule<MyRule>("mine", {.paper = "...", .year = 2026});
//   const auto report = optim::check_rule("mine");
//   std::puts(to_string(report).c_str());
//   return report.ok() ? 0 : 1;
#pragma once

#include <string>
#include <vector>

namespace gradus::optim {

struct Invariant {
  std::string name;                 ///< the invariant
  int checked = 0;                  ///< number of specs checked; 0: the invariant does not apply to this kind of rule
  std::vector<std::string> broken;  ///< failures, "spec: what was seen"
};

struct RuleReport {
  std::string rule;
  std::vector<std::string> specs;  ///< the defaults, and specs with an option turned on or set to another word
  std::vector<Invariant> invariants;
  bool ok() const;
};
/// The report as text: a line for each invariant, and for each spec that breaks it.
std::string to_string(const RuleReport& report);

/// Checks the rule with each of the specs by a few steps on small made-up parameters: the pass has the bits of num<T>, one
/// element at a time; the bits are the same with 1, 2, 3 and 7 threads; gradients are not modified, and may be views; a
/// parameter without a gradient stays as it is; groups with equal options act as one; a state saved and loaded at any step
/// continues unchanged; maximize negates the gradient; permuted elements (of a matrix rule: rows) move as before; a decay or
/// momentum near 0 acts as 0; the step on Tensors is the same; eval() and train() change nothing. A NaN gradient, in one
/// element, a row or all, makes its weight NaN for good; others move as without it, or (where norms or sums of the parameter
/// enter) are NaN too; nor do infinite and huge gradients harm others. Zero and subnormal ones leave finite weights;
/// parameters may be empty or 0-d. Sets the number of threads and restores it. Errors: OptimError if there is no such rule.
RuleReport check_rule(const std::string& name);

}  // namespace gradus::optim
