#include <gradus/core/error.h>
#include <gradus/optim/check/check_rule.h>

#include <algorithm>

namespace gradus::optim {

bool RuleReport::ok() const {
  return std::all_of(invariants.begin(), invariants.end(), [](const Invariant& i) { return i.broken.empty(); });
}

std::string to_string(const RuleReport& report) {
  std::string s = join(report.rule, ": ", report.specs.size(), " specs\n");
  for (const auto& i : report.invariants) {
    s += join("  ", i.broken.empty() ? (i.checked ? "holds   " : "-       ") : "BROKEN  ", i.name, "\n");
    for (const auto& b : i.broken) s += join("            ", b, "\n");
  }
  return s;
}

}  // namespace gradus::optim
