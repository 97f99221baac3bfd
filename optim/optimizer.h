// Optimizer: moves parameters by their gradients.
//
//   auto opt = optim::make("adamw(lr=3e-4, weight_decay=0.1)", model.named_parameters());
//   opt.group("*.bias", "weight_decay=0");
//   for (auto& batch : loader) {
//     opt.zero_grad();
//     Tensor loss = cross_entropy(model(batch.x), batch.y);
//     loss.backward();
//     opt.step();
//   }
#pragma once

#include <gradus/optim/audit.h>
#include <gradus/optim/driver/closure_objective.h>
#include <gradus/optim/norms.h>
#include <gradus/optim/rule/pass.h>
#include <gradus/optim/spec/optimizer_spec.h>
#include <gradus/optim/spec/registry.h>
#include <gradus/optim/spec/spec.h>
#include <gradus/optim/step_warnings.h>
#include <gradus/optim/typed_options.h>

#include <functional>
#include <initializer_list>
#include <memory>

namespace gradus::optim {

/// The step that would be taken now, for one element; see Optimizer::explain.
struct Explanation {
  std::string rule, parameter;
  std::int64_t index = 0, t = 0;  ///< row-major index; number of the step, from 1
  std::vector<NamedValue> once;   ///< per-step values
  ElementValues values;
};
/// The explanation as two lines of text.
std::string to_string(const Explanation& e);

class Optimizer {
 public:
  /// Takes the parameters, which may include frozen leaves: these do not move until they are thawed. Errors: OptimError for
  /// an empty list, a tensor that is absent, not a leaf or given twice, frozen leaves only, options out of range.
  Optimizer(OptimizerSpec spec, NamedTensors parameters);
  Optimizer(std::unique_ptr<AnyRule> rule, NamedTensors parameters);
  template <TypedRule R>
  Optimizer(const R& options, NamedTensors parameters)
      : Optimizer(rule_with(new_rule(R::rule_name), given_options(options)), std::move(parameters)) {}
  template <TypedRule R>
  Optimizer(const R& options, const std::vector<Tensor>& parameters) : Optimizer(options, with_names(parameters)) {}

  /// Takes one step. Never writes gradients; a parameter whose gradient is absent, or that is frozen, keeps its value, state
  /// and step count. If its module has converted it (net.to(f64)) its state is converted. Errors: OptimError if the rule
  /// needs a closure or another shape of parameter, if no gradient is present at the first step, or if a parameter's module
  /// has dropped it or replaced it by one of another shape; nothing has changed then.
  void step();
  /// Takes one step of the loss that the closure computes and returns. Before each call the gradients become absent; after
  /// it backward() runs, unless the closure has run it. Returns the loss before the step.
  template <class F> double step(F&& closure) { return step_closure(Closure(closure), nullptr); }
  /// Takes one step of sophia_g: `sampled` returns the loss of labels sampled from the model's own output; it is called at
  /// the steps at which the rule estimates curvature.
  template <class F, class G> double step(F&& closure, G&& sampled) {
    const Closure other(sampled);
    return step_closure(Closure(closure), &other);
  }
  /// Move the parameters of rules that train at one point and are evaluated at another (schedule_free_*): eval() to the
  /// second, train() back to the first, bit for bit. In between step() and explain() throw. No effect for other rules.
  void eval();
  void train();
  bool evaluating() const { return evaluating_; }
  /// Makes all gradients absent.
  void zero_grad();

  /// Gives the parameters whose names match (`*`: any characters, `?`: one) these options ("weight_decay=0"), the others
  /// being inherited; or a rule of their own ("sgd(lr=0.1)"). The same pattern again adds to its options. Errors: OptimError
  /// if no name matches or a parameter is in another group already.
  Optimizer& group(const std::string& pattern, const std::string& options);
  template <TypedRule R> Optimizer& group(const std::string& pattern, const R& options) {
    return group_values(pattern, R::rule_name, given_options(options));
  }

  /// A hyperparameter by name. set() reaches every group that has no value of its own. Errors: OptimError.
  double get(const std::string& option) const { return rule().get(option); }
  void set(const std::string& option, double value);
  double lr() const { return get("lr"); }
  void set_lr(double value) { set("lr", value); }
  /// The value of an option for the parameter of this name.
  double get(const std::string& option, const std::string& parameter) const;
  /// The rule of a parameter, with its options.
  std::string spec_of(const std::string& parameter) const;

  /// Lets the option follow a schedule of the steps taken: "cosine(0.1, total=100)", a Schedule, or any function of the
  /// step, whose listed fields are its state. Groups with a value of their own keep it. set() ends it. Saved with the state;
  /// a function of the user's own must be given again before load_state_dict. Errors: OptimError if the option is no number.
  void schedule(const std::string& option, Schedule schedule);
  void schedule(const std::string& option, const char* text) { schedule(option, Schedule(std::string(text))); }
  template <class F>
  requires(std::is_invocable_r_v<double, F&, std::int64_t>) void schedule(const std::string& option, F f) {
    schedule(option, Schedule(std::move(f)));
  }
  /// Reports a metric to the schedules that wait for one (plateau); it counts from the next step on. Errors: OptimError if
  /// none does.
  void report(double metric);

  /// Sets the stages before the rule, as a spec has them: "skip_nonfinite | accumulate(4) | clip_norm(1)"; "": none.
  /// Gradients pass from left to right and are never written. Errors: SpecError, OptimError; nothing has changed then.
  void stages(const std::string& spec);
  /// Clips the common norm of the gradients inside the step, without changing them; 0: no clipping. A spec says
  /// "clip_norm(1) | adamw(...)".
  void clip_norm(double max_norm);
  /// The steps that skip_nonfinite has held back.
  Skipped skipped() const;

  /// Adds a function to call before each step (with gradients present, unless the rule evaluates the loss itself), or after
  /// each step that was taken. Not saved.
  void before_step(std::function<void(Optimizer&)> f) { before_.push_back(std::move(f)); }
  void after_step(std::function<void(Optimizer&)> f) { after_.push_back(std::move(f)); }

  /// Every parameter with its rule, lr and decay, and likely mistakes. (group() throws for a pattern without a match, the
  /// constructor for a parameter given twice.)
  Audit audit() const;

  const AnyRule& rule() const { return value().rule(); }
  /// The optimizer's spec, with the state of its schedules and stages.
  const OptimizerSpec& value() const {
    if (spec_.groups.empty()) [[unlikely]]
      throw_moved_from();
    return spec_;
  }
  std::string spec() const;  ///< the text of an equal optimizer without groups
  std::string equations() const { return rule().equations(); }
  /// Steps taken; calls that only accumulated gradients, or were skipped, do not count.
  std::int64_t steps() const { return steps_; }
  std::int64_t steps(const std::string& parameter) const { return parameters_[find(parameter)].t; }
  Evaluations evaluations() const { return evaluations_; }
  NamedTensors parameters() const;
  /// Bytes of state per element of the parameters, on average; for a closure rule, those in use now.
  double state_bytes_per_parameter() const;

  /// Explains the step that step() would take now for one element, with every named intermediate; a replay gives the same
  /// bits. Errors: OptimError if the gradient is absent, the name unknown, or the rule not an element or layer rule;
  /// IndexError.
  Explanation explain(const std::string& parameter, std::int64_t index) const;
  Explanation explain(const std::string& parameter, std::initializer_list<std::int64_t> index) const;

  /// The state by parameter name ("adamw/m/head.weight"), step counts and options, as copies. Errors of loading: OptimError
  /// listing missing and unexpected names and those of another shape; nothing is changed then.
  NamedArrays state_dict() const;
  void load_state_dict(const NamedArrays& state);

  static NamedTensors with_names(const std::vector<Tensor>& parameters);  ///< the leaf's name, or its index

 private:
  Optimizer() = default;  // for load_state_dict
  static std::unique_ptr<AnyRule> rule_with(std::unique_ptr<AnyRule> rule, const std::vector<NamedValue>& options);
  [[noreturn]] static void throw_moved_from();
  void check_parameters() const;
  void check_mode(const char* op) const;
  void follow_parameters() const;
  std::size_t find(const std::string& name) const;
  const AnyRule& rule_of(const ParameterState& p) const { return *spec_.groups[p.group].rule; }
  Optimizer& group_values(const std::string& pattern, const std::string& rule_name, const std::vector<NamedValue>& options);
  void put_group(Group group);
  void options_changed();
  std::vector<Driven> driven_by(std::size_t driver) const;
  void archive(StateArchive& a);

  // optimizer_step.cpp
  double step_closure(Closure closure, const Closure* sampled);
  void before_moving();
  void after_moving();
  std::vector<ParameterState*> ready_parameters();
  bool move_parameters(const std::vector<Array>& curvature);
  std::vector<Array> estimate_curvature(ClosureObjective& loss, const Closure* sampled);
  bool asks(Curvature kind) const;

  OptimizerSpec spec_;
  mutable std::vector<ParameterState> parameters_;  // mutable: const functions, too, follow moved storage
  std::vector<std::unique_ptr<Driver>> drivers_;
  std::vector<std::size_t> driver_of_group_;
  std::vector<std::vector<Driven>> moved_;  // by driver, in this step
  std::vector<std::function<void(Optimizer&)>> before_, after_;
  StepWarnings warnings_;
  Evaluations evaluations_;
  double loss_ = 0;  // the loss before this step, if a closure has returned one
  std::int64_t steps_ = 0;
  bool evaluating_ = false;
};

/// Makes an Optimizer from its spec. Errors: SpecError with a caret under the position, OptimError.
Optimizer make(const std::string& spec, NamedTensors parameters);
Optimizer make(const std::string& spec, const std::vector<Tensor>& parameters);

}  // namespace gradus::optim
