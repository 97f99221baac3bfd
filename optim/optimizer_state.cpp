// Saving, loading and explaining of an Optimizer.
#include <gradus/core/error.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>
#include <sstream>

namespace gradus::optim {

std::vector<Driven> Optimizer::driven_by(std::size_t driver) const {
  std::vector<Driven> all;
  for (auto& p : parameters_)
    if (driver_of_group_[p.group] == driver) all.push_back({&p, &rule_of(p)});
  return all;
}

/// Saves or loads the state; saving changes nothing.
void Optimizer::archive(StateArchive& a) {
  a.count({"steps"}, steps_);
  for (std::size_t d = 0; d < drivers_.size(); ++d)
    if (const auto all = driven_by(d); !all.empty()) drivers_[d]->archive(a, all);
  spec_.archive(a, parameters_, std::max<std::int64_t>(0, steps_ - 1));
}

NamedArrays Optimizer::state_dict() const try {
  const OptimizerSpec& spec = value();
  follow_parameters();
  StateArchive a;
  save_spec(a, spec);
  const_cast<Optimizer*>(this)->archive(a);
  return std::move(a).saved();
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

void Optimizer::load_state_dict(const NamedArrays& state) try {
  const OptimizerSpec& now = value();
  follow_parameters();
  StateArchive a(state, rule().name());
  Optimizer loaded;  // replaces this optimizer once all of it is loaded
  loaded.spec_ = load_spec(a, now);
  for (const auto& p : parameters_) loaded.parameters_.push_back({p.name, p.leaf, p.group});
  loaded.options_changed();
  loaded.archive(a);
  a.check();
  evaluating_ = std::any_of(loaded.parameters_.begin(), loaded.parameters_.end(),
                            [](const auto& p) { return p.training_point.defined(); });
  steps_ = loaded.steps_;
  spec_ = std::move(loaded.spec_);
  parameters_ = std::move(loaded.parameters_);
  drivers_ = std::move(loaded.drivers_);
  driver_of_group_ = std::move(loaded.driver_of_group_);
  moved_ = std::move(loaded.moved_);
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

// ---- explanation -----------------------------------------------------------------------------------------------------

Explanation Optimizer::explain(const std::string& parameter, std::initializer_list<std::int64_t> index) const {
  const Shape& shape = parameters_[find(parameter)].leaf.shape();
  if (static_cast<int>(index.size()) != shape.rank())
    throw IndexError("explain", join("\"", parameter, "\" is ", to_string(shape), ", got ", index.size(), " indices"));
  std::int64_t flat = 0;
  int axis = 0;
  for (const std::int64_t i : index) {
    if (i < 0 || i >= shape[axis])
      throw IndexError("explain",
                       join("index ", i, " of axis ", axis, " is outside \"", parameter, "\" ", to_string(shape)));
    flat = flat * shape[axis++] + i;
  }
  return explain(parameter, flat);
}

Explanation Optimizer::explain(const std::string& parameter, std::int64_t index) const {
  follow_parameters();
  const std::size_t place = find(parameter);
  ParameterState p = parameters_[place];  // shares the slots' elements; missing slots are made in the copy only
  const auto rule = spec_.rule_at(p.group, steps_);
  const AnyRule& moving = rule->moving();
  const Driver& driver = *drivers_[driver_of_group_[p.group]];
  if (!rule->explains_elements()) driver.explain({&p, rule.get()}, index);  // throws the reason
  check_mode("explain");
  if (moving.curvature(steps_) != Curvature::none)
    throw OptimError("explain", join(moving.name(), " estimates the curvature at this step, from the loss itself"));
  if (index < 0 || index >= p.leaf.size())
    throw IndexError("explain", join("element ", index, " is outside \"", parameter, "\" ", describe(p.leaf.array())));
  if (!p.leaf.leaf()->has_grad())
    throw OptimError("explain", join("\"", parameter, "\" has no gradient; call backward() first"));

  p.prepared = false;
  p.prepare(*rule);
  if (!spec_.stages.empty()) p.staged = stage_one(spec_.stages, parameters_, place, steps_);
  Explanation x{moving.spec(), parameter, index, p.t + 1, {}, driver.explain({&p, rule.get()}, index)};
  x.once = moving.first_step();
  for (std::size_t i = 0; i < x.once.size(); ++i) x.once[i].value = p.step[i];
  return x;
}

std::string to_string(const Explanation& e) {
  auto list = [](const std::vector<NamedValue>& values) {
    std::string s;
    for (const auto& v : values) {
      std::ostringstream o;
      o.precision(6);
      o << v.value;
      s += "  " + v.name + " " + o.str();
    }
    return s;
  };
  return join(e.rule, "  ", e.parameter, "[", e.index, "]  t = ", e.t, list(e.once), "\n before:", list(e.values.before),
              "\n shown: ", list(e.values.shown), "\n after: ", list(e.values.after), "\n");
}

}  // namespace gradus::optim
