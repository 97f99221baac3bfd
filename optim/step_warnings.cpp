// Four mistakes that would train on without a message, looked for at each step before anything moves: docs/warnings.md.
#include <gradus/autograd/last_loss.h>
#include <gradus/core/error.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/warning.h>
#include <gradus/optim/step_warnings.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace gradus::optim {
namespace {

/// True if the gradient is not finite. A NaN loss makes all of it NaN, so one element tells; now and then all are tested.
bool not_finite(const Array& g, bool all) {
  if (g.size() == 0) return false;
  return all ? !all_finite(g) : visit_real(g.dtype(), [&]<class T>() { return !std::isfinite(*g.data<T>()); });
}
bool thorough(std::int64_t call) { return call % 128 == 0 || std::has_single_bit(static_cast<std::uint64_t>(call)); }

std::string quoted(const std::vector<const std::string*>& names) {
  constexpr std::size_t shown = 4;
  std::string s;
  for (std::size_t i = 0; i < std::min(names.size(), shown); ++i) s += (i ? ", \"" : "\"") + *names[i] + "\"";
  return names.size() > shown ? join(s, " and ", names.size() - shown, " more") : s;
}

}  // namespace

void StepWarnings::look(const std::vector<ParameterState>& parameters, const OptimizerSpec& spec, std::int64_t steps) {
  ++calls_;
  const AnyRule& rule = spec.rule();
  const auto guards = [](const auto& stage) { return stage->skipped() != nullptr; };
  const bool look_at_numbers = warning_due(Warning::non_finite_gradient) && rule.takes_gradients() &&  // no line search
                               std::none_of(spec.stages.begin(), spec.stages.end(), guards);
  const bool all_numbers = thorough(calls_);
  const ParameterState *grown = nullptr, *bad = nullptr;
  std::vector<const std::string*> unreached;
  std::size_t present = 0, cleared = 0;
  bool by_backward = false;
  for (const auto& e : parameters) {
    const Leaf& l = *e.leaf.leaf();
    if (l.frozen) continue;
    if (!l.has_grad()) {
      if (l.reached > passes_seen_) ++cleared;
      if (calls_ == 2 && l.reached == 0 && !l.gone) unreached.push_back(&e.name);
      continue;
    }
    ++present;
    by_backward |= l.reached > 0;
    if (!grown && l.begun <= passes_seen_ && l.reached > passes_seen_) grown = &e;
    if (look_at_numbers && !bad && not_finite(l.grad_numbers(), all_numbers)) bad = &e;
  }
  const bool backward_since = backward_passes() > passes_seen_;
  passes_seen_ = backward_passes();

  if (grown)
    warn_once(
        Warning::no_zero_grad, "step",
        join("the gradient of \"", grown->name, "\" still holds what the last step was made with, and a backward() since ",
             "has added to it: two backward passes or more"),
        "opt.zero_grad() after each step; to gather gradients on purpose, \"accumulate(n) | " + rule.name() + "\"");
  if (present == 0 && cleared > 0 && steps > 0)
    warn_once(Warning::zero_grad_before_step, "step",
              join("none of the ", parameters.size(),
                   " parameters has a gradient, so nothing moves; zero_grad() ran after backward()"),
              "zero_grad(), backward(), step(), in this order");
  if (!unreached.empty() && by_backward)
    warn_once(Warning::parameter_without_gradient, "step",
              join(unreached.size(), " of ", parameters.size(), " parameters never got a gradient: ", quoted(unreached),
                   "; no loss has reached them"),
              "use them in forward(), or requires_grad_(false) if they are to stay as they are");
  const auto help = [&] {
    return join(
        "FiniteWatch watch(net.parameters()); watch.backward([&] { return loss; }) names the op that made it; "
        "\"skip_nonfinite | ",
        rule.name(), "\" leaves out steps whose gradients are not finite");
  };
  if (bad)
    warn_once(Warning::non_finite_gradient, "step",
              join("at step ", steps + 1, " the gradient of \"", bad->name, "\" (", describe(bad->leaf.array()),
                   ") is not finite, and the weight will not be either"),
              help());
  else if (look_at_numbers && backward_since && by_backward && last_loss_was_nan())
    warn_once(Warning::non_finite_gradient, "step", join("at step ", steps + 1, " the loss of the last backward() was NaN"),
              help());
}

}  // namespace gradus::optim
