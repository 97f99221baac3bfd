// What must hold for every optimizer, checked on one: yours, too.
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
  std::string name;                 ///< what must hold
  int checked = 0;                  ///< with how many specs; 0: it does not apply to this shape of rule
  std::vector<std::string> broken;  ///< "spec: what was seen"
};

struct RuleReport {
  std::string rule;
  std::vector<std::string> specs;  ///< the defaults, and each option that they leave alone turned on or to another word
  std::vector<Invariant> invariants;
  bool ok() const;
};
/// A line for each invariant, and for each spec that breaks it.
std::string to_string(const RuleReport& report);

/// Takes a few steps on small made-up parameters with each of the specs: the pass gives the bits of num<T>, one number at a
/// time; the same bits with 1, 2, 3 and 7 threads; gradients are not modified, and may be views; a parameter without one is
/// left alone; groups are one group; what is saved and loaded at any step goes on unchanged; maximize turns the gradient's
/// sign; permuted elements (of a matrix rule: rows) move as they did; a vanishing decay or momentum is none; a step in
/// tensors is the same step; eval() and train() change nothing. A gradient of NaN, in one number, a row or all, makes its
/// weight NaN for good; the others move as without it, or (where norms or sums of the parameter enter) are NaN too; nor do
/// infinite and huge gradients harm others. Gradients of 0 and subnormal ones leave finite weights; parameters may be empty
/// or 0-d. Sets the number of threads and puts it back. Errors: OptimError if there is no such rule.
RuleReport check_rule(const std::string& name);

}  // namespace gradus::optim
