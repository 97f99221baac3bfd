#include <gradus/core/error.h>
#include <gradus/optim/rule/sparse.h>
#include <gradus/optim/spec/registry.h>

namespace gradus::optim {
namespace {

/// Tries one step with a zero gradient on elements that have moved before; true if nothing moves.
bool zero_gradient_moves_nothing(const ElementRule& rule) {
  constexpr std::int64_t n = 16;
  const auto kept = rule.slots();
  std::vector<std::vector<double>> numbers(kept.size() + 1, std::vector<double>(n));
  for (std::size_t k = 0; k < numbers.size(); ++k)
    for (std::size_t i = 0; i < n; ++i)
      numbers[k][i] =
          0.125 + 0.25 * static_cast<double>((i + 1) * (k + 3) % 11);  // slots are positive, as sums of squares are
  for (std::size_t i = 0; i < n; i += 2) numbers[0][i] *= -1;
  auto moved = numbers;

  std::vector<void*> slots;
  for (std::size_t k = 0; k < kept.size(); ++k) slots.push_back(kept[k].kept ? moved[k + 1].data() : nullptr);
  std::vector<double> step;
  for (const auto& v : rule.first_step()) step.push_back(v.value);
  for (const std::int64_t t : {1, 2}) rule.advance(step.data(), t);
  const std::vector<double> g(n, 0.0);
  rule.run(f64, {moved[0].data(), g.data(), slots.data(), step.data(), 1, 0, n});
  return moved == numbers;
}

}  // namespace

bool steps_sparse(const AnyRule& rule) {
  const auto* element = dynamic_cast<const ElementRule*>(&rule.moving());
  if (!element || rule.evaluates_loss() || element->needs_closure() || element->two_points()) return false;
  return element->touched_rows_only() || zero_gradient_moves_nothing(*element);
}

void check_sparse(const AnyRule& rule, const std::string& parameter) {
  if (steps_sparse(rule)) return;
  std::string others;
  for (const RuleEntry& e : all_rules())
    if (e.shape == "element" && steps_sparse(*new_rule(e.info.name))) others += (others.empty() ? "" : ", ") + e.info.name;
  throw OptimError(rule.name(),
                   join("the gradient of \"", parameter, "\" is sparse, and ", rule.spec(),
                        " moves rows without a gradient, too; with the defaults these do not: ", others),
                   "lazy_adam, or an embedding without .sparse");
}

}  // namespace gradus::optim
