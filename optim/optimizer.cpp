// Parameters and groups. Options are in hyper.cpp, stages in flow.cpp, the step in step.cpp, what is saved in state.cpp.
#include <gradus/core/error.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {
namespace {

/// `*` matches any characters, `?` one.
bool matches(const char* pattern, const char* name) {
  const char *star = nullptr, *resume = nullptr;
  while (*name) {
    if (*pattern == '*') star = pattern++, resume = name;
    else if (*pattern == *name || *pattern == '?') ++pattern, ++name;
    else if (star) pattern = star + 1, name = ++resume;
    else return false;
  }
  while (*pattern == '*') ++pattern;
  return *pattern == 0;
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

Optimizer::Optimizer(std::unique_ptr<AnyRule> rule, NamedTensors parameters) {
  rule->check();
  groups_.push_back({"", std::move(rule), {}, true, {}});
  for (auto& [name, tensor] : parameters) {
    entries_.emplace_back();
    entries_.back().name = name;
    entries_.back().leaf = std::move(tensor);
  }
  check_parameters();
}

void Optimizer::throw_moved_from() {
  throw OptimError("optimizer", "this one was moved from; another has its parameters and its state");
}

std::string Optimizer::describe_entry(std::size_t i) const {
  const Entry& e = entries_[i];
  return join("parameter ", i, " \"", e.name, "\" ", e.leaf.defined() ? "(" + describe(e.leaf.array()) + ") " : "");
}

void Optimizer::check_parameters() const {
  const std::string op = rule().name();
  if (entries_.empty())
    throw OptimError(op, "got an empty list of parameters; a module lists them in GRADUS_FIELDS, and needs at least one");
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Tensor& t = entries_[i].leaf;
    if (!t.defined()) throw OptimError(op, describe_entry(i) + "is absent");
    if (!t.requires_grad() && !t.is_leaf())
      throw OptimError(op, describe_entry(i) + "does not require a gradient", "t.requires_grad_()");
    if (!t.is_leaf())
      throw OptimError(op, join(describe_entry(i), "is the result of ", t.node()->op->name, "; only a leaf can be moved"),
                       "leaf(t.array())");
    if (!t.array().dense())
      throw OptimError(op, describe_entry(i) + "is a view with gaps; a parameter is contiguous", "leaf(t.array())");
  }
  if (std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.leaf.requires_grad(); }))
    throw OptimError(op, join("all of the ", entries_.size(), " parameters (\"", entries_[0].name, "\", ...) are frozen"),
                     "requires_grad_() on those that are to move");
  // Ranges of memory in order: two parameters that share numbers are neighbours.
  std::vector<std::size_t> order(entries_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto start = [&](std::size_t i) { return entries_[i].leaf.array().bytes(); };
  auto length = [&](std::size_t i) {
    const Array& a = entries_[i].leaf.array();
    return a.size() * static_cast<std::int64_t>(bytes_of(a.dtype()));
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return start(a) < start(b); });
  for (std::size_t k = 1; k < order.size(); ++k) {
    const std::size_t a = std::min(order[k - 1], order[k]), b = std::max(order[k - 1], order[k]);
    if (length(order[k - 1]) > 0 && length(order[k]) > 0 && start(order[k - 1]) + length(order[k - 1]) > start(order[k]))
      throw OptimError(op, join(describe_entry(b), "shares its numbers with parameter ", a, " \"", entries_[a].name,
                                "\"; each parameter may be given once"));
  }
  std::vector<std::string> names;
  for (const auto& e : entries_) names.push_back(e.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    throw OptimError(op, join("two parameters are named \"", *twice, "\"; state is kept by name"));
}

const Optimizer::Entry& Optimizer::find(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& e : entries_) {
    if (e.name == name) return e;
    names.push_back(e.name);
  }
  throw OptimError(rule().name(), join("there is no parameter \"", name, "\"", perhaps(did_you_mean(name, names))));
}

/// A parameter's numbers have moved: so does what is kept of it. Errors: OptimError if what is kept does not fit them.
void Optimizer::follow(Entry& e) const {
  const Array before = e.leaf.array();
  Tensor now = e.leaf;
  if (!now.refresh()) return;
  const bool vectors = rule().info().shape == RuleShape::closure && steps_ > 0;
  if (!(now.shape() == before.shape()) && (e.t > 0 || vectors))
    throw OptimError(rule().name(),
                     join("parameter \"", e.name, "\" was ", describe(before), " and is ", describe(now.array()),
                          " now: its module has replaced it, and the state of its ", e.t, " steps does not fit"),
                     "make a new optimizer");
  const auto converted = [&](const Array& a) { return a.defined() ? a.to(now.dtype()) : a; };
  std::vector<Array> slots;
  for (const Array& a : e.slots) slots.push_back(converted(a));
  const Array kept = converted(e.kept), point = converted(e.training_point);
  e.slots = std::move(slots);
  e.kept = kept, e.training_point = point;
  e.leaf = std::move(now);
  e.prepared = false;
}

void Optimizer::follow_all() const {
  for (auto& e : entries_) follow(e);
}

NamedTensors Optimizer::parameters() const {
  NamedTensors all;
  for (const auto& e : entries_) {
    all.emplace_back(e.name, e.leaf);
    all.back().second.refresh();
  }
  return all;
}

void Optimizer::zero_grad() {
  for (auto& e : entries_) e.leaf.zero_grad();
}

// ---- groups ---------------------------------------------------------------------------------------------------------

std::vector<std::size_t> Optimizer::members(const Group& group) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (matches(group.pattern.c_str(), entries_[i].name.c_str())) found.push_back(i);
  return found;
}

Optimizer& Optimizer::group(const std::string& pattern, const std::string& options) {
  if (groups_.empty()) throw_moved_from();
  const auto at = std::find_if(groups_.begin() + 1, groups_.end(), [&](const Group& g) { return g.pattern == pattern; });
  Group g{pattern, nullptr, {}, false, {}};
  const auto word_end = options.find_first_of("(=");
  if (word_end == options.npos ? rule_exists(options) : options[word_end] == '(') {
    const Spec spec = parse_spec(options);
    if (spec.stages.size() > 1)
      throw_spec(spec, spec.stages[1].at, "a group has one rule; stages stand before the whole optimizer");
    g.rule = rule_from(spec, spec.stages[0], g.schedules);
    g.own_rule = true;
  } else {
    if (at != groups_.end()) g = {pattern, at->rule->clone(), at->own, at->own_rule, at->schedules};
    else g.rule = groups_[0].rule->clone();
    const Spec spec = parse_arguments(options);
    for (auto& name : apply_arguments(*g.rule, spec, spec.stages[0], g.schedules)) g.own.push_back(std::move(name));
  }
  put_group(std::move(g));
  return *this;
}

Optimizer& Optimizer::group_values(const std::string& pattern, const std::string& rule_name,
                                   const std::vector<NamedValue>& options) {
  const bool same = rule_name == rule().name();
  Group g{pattern, rule_with(same ? rule().clone() : new_rule(rule_name), options), {}, !same, {}};
  for (const auto& o : options) g.own.push_back(o.name);
  g.rule->check();
  put_group(std::move(g));
  return *this;
}

void Optimizer::put_group(Group g) {
  const std::string op = rule().name();
  const auto found = members(g);
  if (found.empty()) {
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, entries_.size()); ++i)
      some += (i ? ", \"" : "\"") + entries_[i].name + "\"";
    throw OptimError(op, join("no parameter matches \"", g.pattern, "\"; the names are like ", some));
  }
  const auto at = std::find_if(groups_.begin() + 1, groups_.end(), [&](const Group& o) { return o.pattern == g.pattern; });
  const auto place = static_cast<std::size_t>(at - groups_.begin());
  const bool closure = rule().info().shape == RuleShape::closure || g.rule->info().shape == RuleShape::closure;
  if (closure && (!rule().inner() || g.rule->name() != rule().name()))
    throw OptimError(op, join("a rule that evaluates the loss moves all parameters at once; \"", g.pattern,
                              "\" cannot have a group"));
  for (const std::size_t i : found) {
    const Entry& e = entries_[i];
    if (e.group != 0 && e.group != place)
      throw OptimError(op, join("\"", e.name, "\" is in groups \"", groups_[e.group].pattern, "\" and \"", g.pattern, "\""));
    if (e.t > 0 && rule_of(e).name() != g.rule->moving().name())
      throw OptimError(op, join("\"", e.name, "\" has taken ", e.t, " steps with ", rule_of(e).name(),
                                "; a group with another rule is made before the first step"));
  }
  if (at == groups_.end()) groups_.push_back(std::move(g));
  else *at = std::move(g);
  for (const std::size_t i : found) entries_[i].group = place, entries_[i].prepared = false;
}

double Optimizer::state_bytes_per_parameter() const {
  double bytes = 0, numbers = 0;
  for (const auto& e : entries_) {
    const auto n = static_cast<double>(e.leaf.size());
    numbers += n;
    const auto element = static_cast<double>(bytes_of(e.leaf.dtype()));
    for (const Slot& s : rule_of(e).slots_of(e.leaf.shape()))
      bytes += s.kept ? static_cast<double>(s.shape.size()) * element : 0;
    if (groups_[e.group].rule->info().shape == RuleShape::wrapper) bytes += n * element;
  }
  if (const auto* closure = dynamic_cast<const ClosureRule*>(&rule()))
    for (const auto& [key, array] : closure->state())
      bytes += static_cast<double>(array.size()) * static_cast<double>(bytes_of(array.dtype()));
  return numbers > 0 ? bytes / numbers : 0;
}

Optimizer make(const std::string& spec, const std::vector<Tensor>& parameters) {
  return make(spec, Optimizer::with_names(parameters));
}

}  // namespace gradus::optim
