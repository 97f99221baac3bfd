// Driver: the object that steps the parameters under one kind of rule. The Optimizer gives each parameter to the driver of
// its rule's kind; a wrapper's driver holds the driver of the wrapped rule.
#pragma once

#include <gradus/optim/rule/closure_rule.h>
#include <gradus/optim/state_archive.h>

namespace gradus::optim {

/// A parameter's gradient on its way to the rule: its value is factor * g.
struct StagedGradient {
  std::size_t place = 0;  ///< index among the optimizer's parameters
  Array g;                ///< dense; absent: the leaf's gradient. Of a sparse gradient, the touched rows: rows.packs(g)
  double factor = 1;
  double squares = -1;  ///< sum of the squares of g; below 0: not known yet
  TouchedRows rows{};   ///< rows to which ops accumulated a gradient
};

/// The state that an optimizer keeps of one parameter.
struct ParameterState {
  std::string name;
  Tensor leaf;
  std::size_t group = 0;
  std::int64_t t = 0;          ///< steps taken
  std::vector<Array> slots{};  ///< in the order of the rule, absent where not kept; empty before the first step
  std::vector<double> step{};  ///< the rule's per-step values
  Array training_point{};      ///< the parameter's training value, while it holds its evaluation value

  std::vector<void*> pointers{};  ///< addresses of the slots, for the pass
  bool prepared = false;          ///< slots and pointers match the options in force
  StagedGradient staged{};        ///< the gradient after the stages, during a step

  /// Allocates the slots that the options in force need and that are missing. Errors: ResourceError.
  void prepare(const AnyRule& rule);
  /// Follows a leaf whose storage has moved or was converted: the state is converted, too. `steps`: of the optimizer.
  /// Errors: OptimError if the state does not fit.
  void follow(const AnyRule& rule, std::int64_t steps);
  /// Drops the state if the parameter has taken no step.
  void forget();
  /// The gradient as a dense Array that stays valid while the parameter is written; of a sparse gradient its touched rows.
  Array gradient() const;
  const TouchedRows& touched_rows() const { return staged.g.defined() ? staged.rows : leaf.leaf()->touched; }
};

/// One parameter, the rule that moves it, and, if the rule has asked for one, its estimate of curvature.
struct Driven {
  ParameterState* state;
  const AnyRule* rule;
  Array curvature{};
};

class Driver {
 public:
  virtual ~Driver() = default;
  /// True if this driver steps parameters under this rule.
  virtual bool drives(const AnyRule& rule) const = 0;
  /// Gets the first group's rule of this kind after each change of groups: common state follows that rule's options.
  virtual void lead(AnyRule& /*rule*/) {}
  /// Checks that the rule can move a parameter of this shape. Errors: OptimError.
  virtual void check(const Driven&) const {}

  /// Prepares a step of these parameters, whose slots exist. If it throws, no parameter and no slot has changed.
  virtual void prepare(const std::vector<Driven>& all) = 0;
  /// Takes the prepared step. `loss`: from the closure, where there is one.
  virtual void step(double loss) = 0;
  /// Releases what prepare() made, after the step or if there will be none.
  virtual void release() {}
  /// Takes a step of a rule that evaluates the loss itself; returns the loss before it.
  virtual double step_by(Objective& objective);

  /// Explains the next step of one element, on copies. Errors: OptimError if the rule's elements do not move one by one.
  virtual ElementValues explain(const Driven& one, std::int64_t index) const;
  /// Saves or loads the state of each parameter, and the state common to all.
  virtual void archive(StateArchive& a, const std::vector<Driven>& all);

 protected:
  /// Counts the step, and bumps the version of the parameter's Array, so that backward() notices the change.
  static void begin(const Driven& d);
  virtual const char* moved_at_once() const { return "model"; }
  /// Saves or loads the parameter's own per-step values.
  virtual void archive_step(StateArchive& a, const Driven& d) const;
};

}  // namespace gradus::optim
