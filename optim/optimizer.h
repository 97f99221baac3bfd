// Optimizer: moves parameters by their gradients.
//
//   auto opt = optim::make("adamw(lr=3e-4, weight_decay=0.1)", model.named_parameters());
//   opt.group("*.bias", "weight_decay=0");
//   for (auto& [x, y] : loader) {
//     opt.zero_grad();
//     Tensor loss = cross_entropy(model(x), y);
//     loss.backward();
//     opt.step();
//   }
#pragma once

#include <gradus/optim/audit.h>
#include <gradus/optim/rule/closure_rule.h>
#include <gradus/optim/norms.h>
#include <gradus/optim/rule/pass.h>
#include <gradus/optim/spec/registry.h>
#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/spec/spec.h>
#include <gradus/optim/stages/stages.h>
#include <gradus/optim/typed.h>

#include <functional>
#include <initializer_list>
#include <memory>

namespace gradus::optim {

/// One element through the step that would be taken now; see Optimizer::explain.
struct Explanation {
  std::string rule, parameter;
  std::int64_t index = 0, t = 0;    ///< row-major place; number of the step, from 1
  std::vector<NamedValue> once;     ///< numbers per step
  ElementValues values;
};
/// Two lines for a person.
std::string to_string(const Explanation& e);

/// A borrowed callable without arguments that returns the loss.
class Closure {
 public:
  template <class F>
    requires(std::is_invocable_r_v<Tensor, F&> && !std::is_same_v<std::remove_const_t<F>, Closure>)
  explicit Closure(F& f)
      : object_(const_cast<std::remove_const_t<F>*>(&f)), call_([](void* o) -> Tensor { return (*static_cast<F*>(o))(); }) {}
  Tensor operator()() const { return call_(object_); }

 private:
  void* object_;
  Tensor (*call_)(void*);
};

class SavedState;

class Optimizer {
 public:
  /// Frozen leaves may be among them, for later: they do not move until they are thawed. Errors: OptimError for an empty
  /// list, a tensor that is absent or not a leaf, one given twice, nothing but frozen ones, options out of range.
  Optimizer(std::unique_ptr<AnyRule> rule, NamedTensors parameters);
  template <TypedRule R>
  Optimizer(const R& options, NamedTensors parameters)
      : Optimizer(rule_with(new_rule(R::rule_name), given_options(options)), std::move(parameters)) {}
  template <TypedRule R>
  Optimizer(const R& options, const std::vector<Tensor>& parameters) : Optimizer(options, with_names(parameters)) {}

  /// One step. Never touches gradients; a parameter whose gradient is absent, or that is frozen, is left as it is, with its
  /// state and step count. One that its module has converted (net.to(f64)) goes on with its state converted. Errors:
  /// OptimError if the rule needs a closure or another shape of parameter, if it is the first step and no gradient is there
  /// at all, or if a parameter's module has replaced it by one of another shape or dropped it; nothing has changed then.
  void step();
  /// The closure computes the loss and returns it. Before each call the gradients become absent; after it backward() is run,
  /// unless the closure has done so itself. Returns the loss before the step.
  template <class F>
  double step(F&& closure) { return step_closure(Closure(closure), nullptr); }
  /// For sophia_g: `sampled` returns the loss of labels that were sampled from the model's own output; it is run at the
  /// steps at which the rule estimates curvature.
  template <class F, class G>
  double step(F&& closure, G&& sampled) {
    const Closure other(sampled);
    return step_closure(Closure(closure), &other);
  }
  /// Rules that train at one point and are evaluated at another (schedule_free_*): eval() moves the parameters to the
  /// second, train() back to the first, bit for bit. Between them step() and explain() refuse. Other rules: nothing happens.
  void eval();
  void train();
  bool evaluating() const { return evaluating_; }
  /// Gradients become absent.
  void zero_grad();

  /// Parameters whose names match (`*`: any characters, `?`: one) get these options ("weight_decay=0"), the others are
  /// inherited; or a rule of their own ("sgd(lr=0.1)"). The same pattern again adds to its options. Errors: OptimError if
  /// nothing matches or a parameter is in another group already.
  Optimizer& group(const std::string& pattern, const std::string& options);
  template <TypedRule R>
  Optimizer& group(const std::string& pattern, const R& options) {
    return group_values(pattern, R::rule_name, given_options(options));
  }

  /// Hyper-parameters by name. set() reaches every group that has no value of its own. Errors: OptimError.
  double get(const std::string& option) const { return rule().get(option); }
  void set(const std::string& option, double value);
  double lr() const { return get("lr"); }
  void set_lr(double value) { set("lr", value); }
  /// What the parameter of this name gets.
  double get(const std::string& option, const std::string& parameter) const;
  /// The rule that moves it, with its options.
  std::string spec_of(const std::string& parameter) const;

  /// The option follows a schedule of the steps taken so far: "cosine(0.1, total=100)", a Schedule, or any function of the
  /// step, whose listed fields are its state. Groups with a value of their own keep it. set() ends it. Saved with the state;
  /// a function of the user's own must be given again before load_state_dict. Errors: OptimError if the option is no number.
  void schedule(const std::string& option, Schedule schedule);
  void schedule(const std::string& option, const char* spec) { schedule(option, Schedule(std::string(spec))); }
  template <class F>
    requires(std::is_invocable_r_v<double, F&, std::int64_t>)
  void schedule(const std::string& option, F f) {
    schedule(option, Schedule(std::move(f)));
  }
  /// Tells a metric to the schedules that wait for one (plateau); it counts from the next step on. Errors: OptimError if
  /// none does.
  void report(double metric);

  /// What stands before the rule in a spec: "skip_nonfinite | accumulate(4) | clip_norm(1)"; "": nothing. Gradients pass
  /// from left to right and are never written. Errors: SpecError, OptimError; nothing has changed then.
  void stages(const std::string& spec);
  /// Clips the common norm of the gradients inside the step, without touching them; 0: not at all. A spec says
  /// "clip_norm(1) | adamw(...)".
  void clip_norm(double max_norm);
  /// The calls that skip_nonfinite has held back.
  Skipped skipped() const;

  /// Called before each step (the gradients are there, unless the rule evaluates the loss itself), and after each step that
  /// was taken. Not saved.
  void before_step(std::function<void(Optimizer&)> f) { before_.push_back(std::move(f)); }
  void after_step(std::function<void(Optimizer&)> f) { after_.push_back(std::move(f)); }

  /// Every parameter with its rule, lr and decay, and what looks like a mistake. (A pattern without a match is refused by
  /// group(), a parameter given twice by the constructor.)
  Audit audit() const;

  const AnyRule& rule() const {
    if (groups_.empty()) [[unlikely]] throw_moved_from();
    return *groups_[0].rule;
  }
  std::string spec() const;       ///< reads back as an equal optimizer without groups
  std::string equations() const { return rule().equations(); }
  /// Steps taken: calls that only gathered gradients, or were skipped, do not count.
  std::int64_t steps() const { return steps_; }
  std::int64_t steps(const std::string& parameter) const { return find(parameter).t; }
  Evaluations evaluations() const { return evaluations_; }
  NamedTensors parameters() const;
  /// Bytes of state for one number of the parameters, on average; for a closure rule, of what it holds now.
  double state_bytes_per_parameter() const;

  /// What step() would do now to one element, with every named intermediate; replaying it gives the same bits. Errors:
  /// OptimError if the gradient is absent, the name unknown, or the rule not an element or layer rule; IndexError.
  Explanation explain(const std::string& parameter, std::int64_t index) const;
  Explanation explain(const std::string& parameter, std::initializer_list<std::int64_t> index) const;

  /// State by parameter name ("adamw/m/head.weight"), step counts and options, as copies. Errors of loading: OptimError
  /// listing names missing, unexpected and of another shape; nothing is changed then.
  NamedArrays state_dict() const;
  void load_state_dict(const NamedArrays& state);

  static NamedTensors with_names(const std::vector<Tensor>& parameters);  ///< the leaf's name, or its place

 private:
  struct Entry {
    std::string name;
    Tensor leaf;
    std::size_t group = 0;
    std::int64_t t = 0;
    std::vector<Array> slots;      // empty before the first step; absent where not kept
    std::vector<double> step;
    std::vector<void*> pointers;   // into slots, for the pass
    bool prepared = false;         // slots and pointers are those of the options in force
    Array flow;                    // what the stages have made of the gradient, during a step; absent: the gradient itself
    double factor = 1;
    Array kept;                    // of an AfterRule
    Array training_point;          // while evaluating
  };
  struct Shared {                  // the numbers per step of a global rule
    std::string rule;
    std::int64_t t = 0;
    std::vector<double> step;
  };
  struct Group {
    std::string pattern;                // "" for the first, which holds what no other group matches
    std::unique_ptr<AnyRule> rule;
    std::vector<std::string> own;       // options that do not follow the first group's
    bool own_rule = false;
    std::vector<Scheduled> schedules;
  };
  struct Change {
    std::size_t group;
    std::string option;
    double value;
  };
  class Loss;  // the Objective of step_closure

  static std::unique_ptr<AnyRule> rule_with(std::unique_ptr<AnyRule> rule, const std::vector<NamedValue>& options);
  [[noreturn]] static void throw_moved_from();
  void check_parameters() const;
  void follow(Entry& e) const;
  void follow_all() const;
  std::string describe_entry(std::size_t i) const;
  const Entry& find(const std::string& name) const;
  const AnyRule& rule_of(const Entry& e) const { return groups_[e.group].rule->moving(); }
  double step_closure(Closure closure, const Closure* sampled);
  Optimizer& group_values(const std::string& pattern, const std::string& rule_name, const std::vector<NamedValue>& options);
  void put_group(Group group);
  std::vector<std::size_t> members(const Group& group) const;

  // hyper.cpp
  void add_changes(std::size_t group, const std::string& option, double value, std::vector<Change>& to) const;
  bool change(const std::vector<Change>& changes);
  void follow_schedules();
  std::unique_ptr<AnyRule> rule_now(std::size_t group) const;
  std::string spec_of(const Group& group, bool saved) const;

  // flow.cpp
  void check_stages(const std::vector<std::unique_ptr<Stage>>& stages) const;
  std::vector<FlowParameter> flow_parameters() const;
  bool pass_stages(std::vector<Entry*>& entries);
  Flow flow_of(const Entry& e) const;
  std::string stages_text(bool saved) const;
  void save_around(NamedArrays& to) const;
  std::vector<std::unique_ptr<Stage>> load_around(SavedState& from, const Spec& spec, std::vector<Group>& groups,
                                                  std::int64_t steps) const;

  // step.cpp
  std::vector<Entry*> ready();
  [[noreturn]] void throw_without_gradients() const;
  [[noreturn]] void throw_gone(const Entry& e) const;
  [[noreturn]] void throw_gradient(const Entry& e) const;
  void look_for_mistakes();  // mistakes.cpp
  void prepare(Entry& e, const AnyRule& rule) const;
  void move(const std::vector<Entry*>& entries, const std::vector<Array>& curvature);
  bool pass_and_move(const std::vector<Array>& curvature);
  void take_step(const std::vector<Array>& curvature);
  void take_curvature(Entry& e, const Array& estimate) const;
  void check_mode(const char* op) const;
  Shared& shared_of(const AnyRule& rule);
  void move_globally(std::vector<Entry*> entries, std::vector<Array>& kept_alive);
  Piece piece_of(Entry& e, std::vector<Array>& kept_alive);
  void finish(Entry& e) const;
  void add_work(Entry& e, std::vector<Array>& kept_alive);
  void move_matrix(Entry& e) const;
  Array gradient_of(const Entry& e) const;

  // step_closure.cpp
  bool asks(Curvature kind) const;
  std::vector<Array> estimate_curvature(Loss& loss, const Closure* sampled);

  // state.cpp
  std::string options_text() const;
  std::vector<Group> groups_from(const std::string& options_text) const;
  const Schedule& users_schedule(std::size_t group, const std::string& option) const;
  void closure_state(NamedArrays& to) const;

  mutable std::vector<Entry> entries_;  // const functions, too, follow numbers that have moved
  std::vector<Group> groups_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<std::function<void(Optimizer&)>> before_, after_;
  std::vector<ElementWork> element_work_;
  std::vector<LayerWork> layer_work_;
  std::vector<Shared> shared_;
  double loss_ = 0;                // before this step, where a closure has given it
  bool evaluating_ = false;
  std::int64_t steps_ = 0;
  Evaluations evaluations_;
  std::uint64_t passes_seen_ = 0;  // backward_passes() at the last call of step()
  std::int64_t calls_ = 0;         // of step(), since this optimizer was made
};

/// An Optimizer from its spec. Errors: SpecError with a caret under the place, OptimError.
Optimizer make(const std::string& spec, NamedTensors parameters);
Optimizer make(const std::string& spec, const std::vector<Tensor>& parameters);

}  // namespace gradus::optim
