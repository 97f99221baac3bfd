// Driver: what steps parameters under one kind of rule. The Optimizer hands each parameter to the driver of its rule's kind;
// a wrapper's driver holds the driver of the rule it wraps.
#pragma once

#include <gradus/optim/rule/closure_rule.h>
#include <gradus/optim/state_archive.h>

namespace gradus::optim {

/// A parameter's gradient on its way to the rule: its numbers are factor * g.
struct StagedGradient {
  std::size_t place = 0;  ///< among the optimizer's parameters
  Array g;                ///< dense; absent: the gradient of the leaf. Of a sparse one the touched rows: rows.packs(g)
  double factor = 1;
  double squares = -1;  ///< sum of the squares of g; below 0: not known yet
  TouchedRows rows{};   ///< that ops have handed something to
};

/// What an optimizer keeps of one parameter.
struct ParameterState {
  std::string name;
  Tensor leaf;
  std::size_t group = 0;
  std::int64_t t = 0;          ///< steps taken
  std::vector<Array> slots{};  ///< as the rule lists them, absent where not kept; empty before the first step
  std::vector<double> step{};  ///< the rule's numbers per step
  Array training_point{};      ///< while the parameter stands where it is evaluated

  std::vector<void*> pointers{};  ///< into slots, for the pass
  bool prepared = false;          ///< slots and pointers are those of the options in force
  StagedGradient staged{};        ///< what the stages have made of the gradient, during a step

  /// Makes the slots that the options in force need and that are not there yet. Errors: no memory.
  void prepare(const AnyRule& rule);
  /// Its numbers have moved, or were converted: so is what is kept of them. `steps`: of the optimizer. Errors: OptimError if
  /// what is kept does not fit.
  void follow(const AnyRule& rule, std::int64_t steps);
  /// As before the first step, if none was taken.
  void forget();
  /// Dense numbers that are nobody else's while the parameter is written; of a sparse gradient its touched rows.
  Array gradient() const;
  const TouchedRows& touched_rows() const { return staged.g.defined() ? staged.rows : leaf.leaf()->touched; }
};

/// One parameter, the rule that moves it, and for a rule that has asked its estimate of curvature.
struct Driven {
  ParameterState* state;
  const AnyRule* rule;
  Array curvature{};
};

class Driver {
 public:
  virtual ~Driver() = default;
  /// Whether it steps parameters under this rule.
  virtual bool drives(const AnyRule& rule) const = 0;
  /// The first group's rule that it drives, after each change of groups: what all parameters share follows its options.
  virtual void lead(AnyRule& /*rule*/) {}
  /// Errors: OptimError if the rule cannot move a parameter of this shape.
  virtual void check(const Driven&) const {}

  /// Gets a step of these parameters ready; their slots are there. If it throws, no parameter and no slot has changed.
  virtual void prepare(const std::vector<Driven>& all) = 0;
  /// Takes the step that was prepared. `loss`: where a closure has given it.
  virtual void step(double loss) = 0;
  /// Gives back what prepare() has made for a step, which is taken, or will not be.
  virtual void release() {}
  /// The same of a rule that evaluates the loss itself; returns the loss before.
  virtual double step_by(Objective& objective);

  /// The next step of one element, on copies. Errors: OptimError if the rule moves more than elements.
  virtual ElementValues explain(const Driven& one, std::int64_t index) const;
  /// Saves or loads what is kept of the parameters, and of all together.
  virtual void archive(StateArchive& a, const std::vector<Driven>& all);

 protected:
  /// Counts the step, and tells what kept the parameter for its gradient that its numbers change.
  static void begin(const Driven& d);
  virtual const char* moved_at_once() const { return "model"; }
  /// The parameter's own numbers per step.
  virtual void archive_step(StateArchive& a, const Driven& d) const;
};

}  // namespace gradus::optim
