// Parameters, groups and options of an Optimizer. Its step is in optimizer_step.cpp, its saved state in optimizer_state.cpp.
#include <gradus/core/error.h>
#include <gradus/core/name_pattern.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>

namespace gradus::optim {
namespace {

OptimizerSpec spec_of_rule(std::unique_ptr<AnyRule> rule) {
  OptimizerSpec spec;
  spec.groups.push_back({"", std::move(rule), {}, true});
  return spec;
}

}  // namespace

std::unique_ptr<AnyRule> Optimizer::rule_with(std::unique_ptr<AnyRule> rule, const std::vector<NamedValue>& options) {
  for (const auto& o : options) rule->set(o.name, o.value);
  return rule;
}

NamedTensors Optimizer::with_names(const std::vector<Tensor>& parameters) {
  NamedTensors named;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::string name = parameters[i].is_leaf() ? parameters[i].name() : "";
    const auto taken = [&](const auto& n) { return n.first == name; };
    if (name.empty() || std::any_of(named.begin(), named.end(), taken)) name = std::to_string(i);
    named.emplace_back(std::move(name), parameters[i]);
  }
  return named;
}

Optimizer::Optimizer(std::unique_ptr<AnyRule> rule, NamedTensors parameters)
    : Optimizer(spec_of_rule(std::move(rule)), std::move(parameters)) {}

Optimizer::Optimizer(OptimizerSpec spec, NamedTensors parameters) : spec_(std::move(spec)) {
  rule().check();
  for (auto& [name, tensor] : parameters) {
    parameters_.emplace_back();
    parameters_.back().name = name;
    parameters_.back().leaf = std::move(tensor);
  }
  check_parameters();
  check_stages(spec_.stages, rule());
  options_changed();
}

Optimizer make(const std::string& spec, NamedTensors parameters) {
  return Optimizer(OptimizerSpec::read(spec), std::move(parameters));
}
Optimizer make(const std::string& spec, const std::vector<Tensor>& parameters) {
  return make(spec, Optimizer::with_names(parameters));
}

void Optimizer::throw_moved_from() {
  throw OptimError("optimizer", "this one was moved from; another has its parameters and its state");
}

// ---- parameters ------------------------------------------------------------------------------------------------------

void Optimizer::check_parameters() const {
  const std::string op = rule().name();
  const auto& all = parameters_;
  const auto described = [&](std::size_t i) {
    const Tensor& t = all[i].leaf;
    return join("parameter ", i, " \"", all[i].name, "\" ", t.defined() ? "(" + describe(t.array()) + ") " : "");
  };
  if (all.empty())
    throw OptimError(op, "got an empty list of parameters; a module lists them in GRADUS_FIELDS, and needs at least one");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor& t = all[i].leaf;
    if (!t.defined()) throw OptimError(op, described(i) + "is absent");
    if (!t.requires_grad() && !t.is_leaf())
      throw OptimError(op, described(i) + "does not require a gradient", "t.requires_grad_()");
    if (!t.is_leaf())
      throw OptimError(op, join(described(i), "is the result of ", t.node()->op->name, "; only a leaf can be moved"),
                       "leaf(t.array())");
    if (!t.array().dense())
      throw OptimError(op, described(i) + "is a view with gaps; a parameter is contiguous", "leaf(t.array())");
  }
  if (std::none_of(all.begin(), all.end(), [](const auto& p) { return p.leaf.requires_grad(); }))
    throw OptimError(op, join("all of the ", all.size(), " parameters (\"", all[0].name, "\", ...) are frozen"),
                     "requires_grad_() on those that are to move");
  // Ranges of memory are sorted: two parameters that share elements are neighbours.
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto start = [&](std::size_t i) { return all[i].leaf.array().bytes(); };
  const auto length = [&](std::size_t i) {
    const Array& a = all[i].leaf.array();
    return a.size() * static_cast<std::int64_t>(bytes_of(a.dtype()));
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return start(a) < start(b); });
  for (std::size_t k = 1; k < order.size(); ++k) {
    const std::size_t a = std::min(order[k - 1], order[k]), b = std::max(order[k - 1], order[k]);
    if (length(order[k - 1]) > 0 && length(order[k]) > 0 && start(order[k - 1]) + length(order[k - 1]) > start(order[k]))
      throw OptimError(op, join(described(b), "shares its numbers with parameter ", a, " \"", all[a].name,
                                "\"; each parameter may be given once"));
  }
  std::vector<std::string> names;
  for (const auto& p : all) names.push_back(p.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    throw OptimError(op, join("two parameters are named \"", *twice, "\"; state is kept by name"));
}

std::size_t Optimizer::find(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& p : parameters_) {
    if (p.name == name) return names.size();
    names.push_back(p.name);
  }
  throw OptimError(rule().name(), join("there is no parameter \"", name, "\"", perhaps(did_you_mean(name, names))));
}

void Optimizer::follow_parameters() const {
  for (auto& p : parameters_) p.follow(rule(), steps_);
}

NamedTensors Optimizer::parameters() const {
  NamedTensors all;
  for (const auto& p : parameters_) {
    all.emplace_back(p.name, p.leaf);
    all.back().second.refresh();
  }
  return all;
}

void Optimizer::zero_grad() {
  for (auto& p : parameters_) p.leaf.zero_grad();
}

double Optimizer::state_bytes_per_parameter() const {
  double bytes = 0, numbers = 0;
  for (const auto& p : parameters_) {
    numbers += static_cast<double>(p.leaf.size());
    for (const Slot& s : rule_of(p).slots_of(p.leaf.shape()))
      bytes += s.kept ? static_cast<double>(s.shape.size()) * static_cast<double>(bytes_of(p.leaf.dtype())) : 0;
  }
  if (const auto* closure = dynamic_cast<const ClosureRule*>(&rule()))
    for (const auto& [key, array] : closure->state())
      bytes += static_cast<double>(array.size()) * static_cast<double>(bytes_of(array.dtype()));
  return numbers > 0 ? bytes / numbers : 0;
}

// ---- groups ----------------------------------------------------------------------------------------------------------

Optimizer& Optimizer::group(const std::string& pattern, const std::string& options) {
  const auto& all = value().groups;
  const auto at = std::find_if(all.begin() + 1, all.end(), [&](const Group& g) { return g.pattern == pattern; });
  put_group(OptimizerSpec::read_group(pattern, options, at != all.end() ? *at : Group{pattern, all[0].rule}));
  return *this;
}

Optimizer& Optimizer::group_values(const std::string& pattern, const std::string& rule_name,
                                   const std::vector<NamedValue>& options) {
  const bool same = rule_name == rule().name();
  Group g{pattern, rule_with(same ? rule().clone() : new_rule(rule_name), options), {}, !same};
  for (const auto& o : options) g.own.push_back(o.name);
  g.rule->check();
  put_group(std::move(g));
  return *this;
}

void Optimizer::put_group(Group g) {
  const std::string op = rule().name();
  std::vector<ParameterState*> found;
  std::string some;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (matches_pattern(g.pattern.c_str(), parameters_[i].name.c_str())) found.push_back(&parameters_[i]);
    if (i < 3) some += (i ? ", \"" : "\"") + parameters_[i].name + "\"";
  }
  if (found.empty()) throw OptimError(op, join("no parameter matches \"", g.pattern, "\"; the names are like ", some));
  if ((rule().evaluates_loss() || g.rule->evaluates_loss()) && (!rule().inner() || g.rule->name() != op))
    throw OptimError(
        op, join("a rule that evaluates the loss moves all parameters at once; \"", g.pattern, "\" cannot have a group"));
  auto& all = spec_.groups;
  const auto at = std::find_if(all.begin() + 1, all.end(), [&](const Group& o) { return o.pattern == g.pattern; });
  const auto place = static_cast<std::size_t>(at - all.begin());
  for (const auto* p : found) {
    if (p->group != 0 && p->group != place)
      throw OptimError(op, join("\"", p->name, "\" is in groups \"", all[p->group].pattern, "\" and \"", g.pattern, "\""));
    const std::string& moving = rule_of(*p).moving().name();
    if (p->t > 0 && moving != g.rule->moving().name())
      throw OptimError(op, join("\"", p->name, "\" has taken ", p->t, " steps with ", moving,
                                "; a group with another rule is made before the first step"));
  }
  if (at == all.end()) all.push_back(std::move(g));
  else *at = std::move(g);
  for (auto* p : found) p->group = place;
  options_changed();
}

/// Gives every group the driver of its rule's kind, and marks all slots to be checked again.
void Optimizer::options_changed() {
  std::vector<std::unique_ptr<Driver>> used;
  driver_of_group_.clear();
  for (const Group& g : spec_.groups) {
    const auto drives = [&](const auto& d) { return d && d->drives(*g.rule); };
    auto at = std::find_if(used.begin(), used.end(), drives);
    if (at == used.end()) {
      const auto known = std::find_if(drivers_.begin(), drivers_.end(), drives);
      used.push_back(known == drivers_.end() ? g.rule->new_driver() : std::move(*known));
      at = used.end() - 1;
      (*at)->lead(*g.rule);
    }
    driver_of_group_.push_back(static_cast<std::size_t>(at - used.begin()));
  }
  drivers_ = std::move(used);
  moved_.resize(drivers_.size());
  for (auto& p : parameters_) p.prepared = false;
}

// ---- options ---------------------------------------------------------------------------------------------------------

void Optimizer::set(const std::string& option, double to) {
  rule();  // throws for an optimizer that was moved from
  spec_.set(option, to);
  for (auto& p : parameters_) p.prepared = false;
}

void Optimizer::schedule(const std::string& option, Schedule schedule) {
  rule();
  spec_.schedule(option, std::move(schedule), steps_);
  for (auto& p : parameters_) p.prepared = false;
}

double Optimizer::get(const std::string& option, const std::string& parameter) const {
  return rule_of(parameters_[find(parameter)]).get(option);
}
std::string Optimizer::spec_of(const std::string& parameter) const {
  return to_string(spec_.groups[parameters_[find(parameter)].group]);
}
std::string Optimizer::spec() const { return to_string(value()); }

void Optimizer::report(double metric) {
  if (!spec_.report(metric))
    throw OptimError("report", "no schedule waits for a metric; plateau does", "opt.schedule(\"lr\", \"plateau(0.1)\")");
}

void Optimizer::stages(const std::string& spec) {
  Stages stages = OptimizerSpec::read_stages(spec);
  check_stages(stages, rule());
  spec_.stages = std::move(stages);
}

void Optimizer::clip_norm(double max_norm) {
  if (!(max_norm >= 0)) throw OptimError("clip_norm", join("max_norm must be > 0, or 0 for none, got ", text(max_norm)));
  auto& stages = spec_.stages;
  const auto at = std::find_if(stages.begin(), stages.end(), [](const auto& s) { return s->name() == "clip_norm"; });
  if (max_norm == 0) {
    if (at != stages.end()) stages.erase(at);
    return;
  }
  const StageKind& kind = *find_stage_kind("clip_norm");
  Stages one;
  one.push_back(kind.make(kind));
  one[0]->set(0, max_norm);
  check_stages(one, rule());
  if (at == stages.end()) stages.push_back(std::move(one[0]));
  else *at = std::move(one[0]);
}

Skipped Optimizer::skipped() const {
  for (const auto& s : spec_.stages)
    if (const Skipped* skipped = s->skipped()) return *skipped;
  return {};
}

}  // namespace gradus::optim
