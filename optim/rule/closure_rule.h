// Rules that evaluate the loss themselves: line searches, sharpness-aware steps.
#pragma once

#include <gradus/core/error.h>
#include <gradus/optim/rule/reflection.h>
#include <gradus/optim/spec/registry.h>

namespace gradus::optim {

/// Counts of evaluations: calls of the closure, calls for its gradient, and products with the Hessian.
struct Evaluations {
  std::int64_t loss = 0, gradient = 0, hessian_vector = 0;
};

/// The loss as a closure rule sees it: a function of one long vector, all parameters one after the other. With maximize=true
/// loss and gradient change their signs here.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Runs the closure at the present parameters; their gradients exist afterwards.
  virtual double evaluate() = 0;
  /// As evaluate(), with the gradient recorded for hessian_times(). Errors: OptimError if the closure has run backward()
  /// itself.
  virtual double evaluate_for_hessian() = 0;
  /// The Hessian at the last evaluate_for_hessian() times v; to be called before the parameters are written.
  virtual std::vector<double> hessian_times(const std::vector<double>& v) = 0;
  virtual std::int64_t size() const = 0;
  virtual std::vector<double> parameters() const = 0;
  /// Writes all parameters, each in its own dtype.
  virtual void set_parameters(const std::vector<double>& values) = 0;
  /// The gradient of the last evaluation; 0 where a parameter has none.
  virtual std::vector<double> gradient() const = 0;
  /// Lets the wrapped rule take one step with the present gradients. False if a stage has held it back.
  virtual bool step_inner() = 0;
};

class ClosureRule : public AnyRule {
 public:
  /// Takes one step. Returns the loss before it.
  virtual double step(Objective& f) = 0;
  /// The state to save: vectors over all parameters, f64[size], and numbers, f64[].
  virtual NamedArrays state() const { return {}; }
  virtual void load_state(const NamedArrays&) {}

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "closure"; }
  bool needs_closure() const override { return true; }
  bool evaluates_loss() const override { return true; }

 protected:
  using AnyRule::AnyRule;
};

/// The base of every wrapper: it holds the wrapped rule, sgd by default.
template <class Base> class Wrapper : public Base {
 public:
  explicit Wrapper(RuleInfo info) : Base(std::move(info)), inner_(new_rule("sgd")) {}
  AnyRule* inner() override { return inner_.get(); }
  using Base::inner;

 protected:
  Cloned<AnyRule> inner_;
};

/// `rule` itself, checked to need no more than gradients. Errors: OptimError.
std::unique_ptr<AnyRule> moves_by_gradients(const AnyRule& wrapper, std::unique_ptr<AnyRule> rule);

/// A rule whose options are the listed fields of `Options`, a plain struct with `ranges` as in rule.h.
template <class Base, class Options> class RuleWith : public Base {
 public:
  explicit RuleWith(RuleInfo info) : Base(std::move(info)) {}

 protected:
  std::vector<Option> own_options() const override { return read_options(Options::field_names, option_places(options_)); }
  void write_option(std::size_t place, double value) override { optim::write_option(option_places(options_)[place], value); }
  Range range_of(const std::string& option) const override {
    for (const NamedRange& r : Options::ranges)
      if (option == r.name) return r.range;
    return usual_range(option);
  }

  Options options_;
};
template <class Options> class ClosureRuleWith : public RuleWith<ClosureRule, Options> {
 public:
  using RuleWith<ClosureRule, Options>::RuleWith;
};

}  // namespace gradus::optim

/// The one line in optim/rules/NAME.cpp that makes a built-in rule of a class.
#define GRADUS_RULE_CLASS(name, Class, paper, year)                                                                    \
  void register_##name();                                                                                              \
  void register_##name() {                                                                                             \
    register_rule({#name, paper, year},                                                                                \
                  [](RuleInfo info) -> std::unique_ptr<AnyRule> { return std::make_unique<Class>(std::move(info)); }); \
  }
