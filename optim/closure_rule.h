// Rules that evaluate the loss themselves: line searches, sharpness-aware steps.
#pragma once

#include <gradus/optim/any_rule.h>

namespace gradus::optim {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// How often a closure was run, and how often for its gradient.
struct Evaluations {
  std::int64_t loss = 0, gradient = 0;
};

/// The loss as a closure rule sees it: a function of one long vector, all parameters one after the other. With
/// maximize=true loss and gradient change their signs here.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Runs the closure at the parameters as they are; their gradients are there afterwards.
  virtual double evaluate() = 0;
  virtual std::int64_t size() const = 0;
  virtual std::vector<double> parameters() const = 0;
  /// Written in each parameter's own dtype.
  virtual void set_parameters(const std::vector<double>& values) = 0;
  /// Of the last evaluation; 0 where a parameter has none.
  virtual std::vector<double> gradient() const = 0;
  /// The wrapped rule takes one step with the gradients that are there.
  virtual void step_inner() = 0;
};

class ClosureRule : public AnyRule {
 public:
  /// One step. Returns the loss before it.
  virtual double step(Objective& f) = 0;
  /// What must be saved: vectors over all parameters, f64[size], and numbers, f64[].
  virtual NamedArrays state() const { return {}; }
  virtual void load_state(const NamedArrays&) {}

 protected:
  using AnyRule::AnyRule;
};

}  // namespace gradus::optim
