// OptimizerSpec from text, and back.
#include <gradus/core/error.h>
#include <gradus/optim/spec/optimizer_spec.h>
#include <gradus/optim/spec/registry.h>
#include <gradus/optim/spec/spec.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// Throws for a value without a name, where only options are expected.
[[noreturn]] void throw_value_alone(const AnyRule& rule, const Spec& spec, const SpecArgument& a, const std::string& first) {
  const std::string name = a.value.kind == SpecValue::Kind::stage ? a.value.stage[0].name : a.value.word;
  if (rule_exists(name))
    throw_spec(spec, a.at, join(rule.name(), " does not wrap another optimizer, got '", print(a.value), "'"));
  throw_spec(spec, a.at, join("a value needs its name here, as in ", first, "=", print(a.value)));
}

[[noreturn]] void throw_rule(const Spec& spec, const SpecStage& stage) {
  if (find_stage_kind(stage.name))
    throw_spec(spec, stage.at, join("'", stage.name, "' stands before an optimizer, and none follows it"),
               print(stage) + " | adamw");
  if (schedule_exists(stage.name))
    throw_spec(spec, stage.at, join("'", stage.name, "' is a schedule, the value of an option"),
               "adamw(lr=" + print(stage) + ")");
  throw_spec(spec, stage.at, join("there is no optimizer '", stage.name, "'", perhaps(nearest_rule(stage.name))));
}

/// Sets the options of `arguments`, each once, in the group's rule and schedules, and marks them as the group's own. Options
/// of a wrapper include the wrapped rule's. If it throws, the group may be changed in part.
void set_options(Group& g, const Spec& spec, const SpecStage& arguments) {
  std::vector<std::string> known;
  const auto options = g.rule->options();
  for (const auto& o : options) known.push_back(o.name);
  for (const auto& a : arguments.arguments)
    if (a.key.empty()) throw_value_alone(*g.rule, spec, a, known[0]);
  SpecStage named = arguments;
  named.name = g.rule->name();
  const auto values = match_options(spec, named, known);
  for (const auto& a : arguments.arguments) {  // in the order of the text
    const auto place = static_cast<std::size_t>(std::find(known.begin(), known.end(), a.key) - known.begin());
    std::erase_if(g.schedules, [&](const Scheduled& s) { return s.option == a.key; });
    const SpecValue& v = a.value;
    const bool scheduled = v.kind == SpecValue::Kind::stage || (v.kind == SpecValue::Kind::word && schedule_exists(v.word));
    if (options[place].kind == Option::Kind::number && scheduled) {
      g.schedules.push_back({a.key, schedule_from(spec, v)});
      g.rule->set(a.key, g.schedules.back().schedule.at(0));
    } else {
      g.rule->set(a.key, read_value(spec, options[place], v));
    }
    g.own.push_back(a.key);
  }
  g.rule->check();
}

/// A group with this rule and nothing else; for a wrapper, with the schedules of the wrapped rule.
Group group_from(const Spec& spec, const SpecStage& stage) {
  if (!rule_exists(stage.name)) throw_rule(spec, stage);
  Group g{"", new_rule(stage.name)};
  SpecStage options = stage;
  if (g.rule->inner() && !stage.arguments.empty() && stage.arguments[0].key.empty()) {
    const auto& v = stage.arguments[0].value;
    if (v.kind == SpecValue::Kind::number)
      throw_spec(spec, v.at, join(stage.name, " wraps another optimizer, got a number"));
    Group inner = group_from(spec, v.kind == SpecValue::Kind::stage ? v.stage[0] : SpecStage{v.word, {}, v.at});
    g.rule->set_inner(inner.rule->clone());
    g.schedules = std::move(inner.schedules);
    options.arguments.erase(options.arguments.begin());
  }
  set_options(g, spec, options);
  g.own.clear();
  g.own_rule = true;
  return g;
}

Stages stages_from(const Spec& spec, std::size_t n) {
  Stages stages;
  for (std::size_t i = 0; i < n; ++i) stages.push_back(stage_from(spec, spec.stages[i]));
  return stages;
}

}  // namespace

OptimizerSpec OptimizerSpec::read(const std::string& text) {
  const Spec spec = parse_spec(text);
  OptimizerSpec all;
  all.stages = stages_from(spec, spec.stages.size() - 1);
  all.groups.push_back(group_from(spec, spec.stages.back()));
  return all;
}

Stages OptimizerSpec::read_stages(const std::string& text) {
  if (text.find_first_not_of(" \t\n") == text.npos) return {};
  const Spec spec = parse_spec(text);
  return stages_from(spec, spec.stages.size());
}

Group OptimizerSpec::read_group(const std::string& pattern, const std::string& options, const Group& like) {
  const auto word_end = options.find_first_of("(=");
  Group g = like;
  if (word_end == options.npos ? rule_exists(options) : options[word_end] == '(') {
    const Spec spec = parse_spec(options);
    if (spec.stages.size() > 1)
      throw_spec(spec, spec.stages[1].at, "a group has one rule; stages stand before the whole optimizer");
    g = group_from(spec, spec.stages[0]);
  } else {
    const Spec spec = parse_arguments(options);
    set_options(g, spec, spec.stages[0]);
  }
  g.pattern = pattern;
  return g;
}

std::string to_string(const Group& group) { return group.rule->spec(group.schedules); }

std::string to_string(const OptimizerSpec& spec) {
  std::string s;
  for (const auto& stage : spec.stages) s += stage->spec() + " | ";
  return s + to_string(spec.groups[0]);
}

std::string equations(const std::string& text) { return OptimizerSpec::read(text).rule().equations(); }

// ---- saved states -------------------------------------------------------------------------------------------------------

void save_spec(StateArchive& a, const OptimizerSpec& spec) {
  JsonValue text = to_string(spec), groups = JsonValue::List(), yes = true;
  for (std::size_t i = 0; i < spec.groups.size(); ++i) {
    const Group& g = spec.groups[i];
    for (const Scheduled& s : g.schedules)
      if (s.schedule.users_own()) a.value({"schedules", std::to_string(i), s.option, "user"}, yes);
    if (i == 0) continue;
    JsonValue group, own = JsonValue::List();
    for (const auto& name : g.own) own.push_back(name);
    group["pattern"] = g.pattern, group["own"] = own, group["own_rule"] = g.own_rule, group["spec"] = to_string(g);
    groups.push_back(std::move(group));
  }
  a.value({"spec"}, text);
  a.value({"groups"}, groups);
}

namespace {

Group group_from(const JsonValue& saved, const std::string& op) {
  const auto member = [&]<class T>(const char* name, const T*& to) {
    const JsonValue* found = saved.find(name);
    to = found ? found->get_if<T>() : nullptr;
    return to != nullptr;
  };
  const std::string *pattern, *spec;
  const JsonValue::List* own;
  const bool* own_rule;
  if (!member("pattern", pattern) || !member("spec", spec) || !member("own", own) || !member("own_rule", own_rule))
    throw OptimError(op, join("the state's groups cannot be read: ", to_string(saved), "; nothing was loaded"));
  Group g = OptimizerSpec::read(*spec).groups[0];
  g.pattern = *pattern;
  g.own_rule = *own_rule;
  for (const JsonValue& name : *own)
    if (const auto* s = name.get_if<std::string>()) g.own.push_back(*s);
  return g;
}

/// Copies the schedules by the user's own functions from group i of `now`.
void take_users_schedules(StateArchive& a, std::size_t i, const OptimizerSpec& now, Group& to) {
  const JsonValue* saved = a.find({"schedules", std::to_string(i)});
  const auto* options = saved ? saved->get_if<JsonValue::Object>() : nullptr;
  std::vector<std::string> users;
  if (options)
    for (const auto& [option, about] : *options)
      if (about.find("user")) users.push_back(option);
  for (const auto& option : users) {
    const auto& known = now.groups[i].schedules;
    const auto at = std::find_if(known.begin(), known.end(),
                                 [&](const Scheduled& s) { return s.option == option && s.schedule.users_own(); });
    if (at == known.end())
      throw OptimError(now.rule().name(),
                       join("in the state, ", option, " follows a function of the user's own; give it before loading"),
                       "opt.schedule(\"" + option + "\", f)");
    to.schedules.push_back(*at);
    JsonValue yes;
    a.value({"schedules", std::to_string(i), option, "user"}, yes);
  }
}

}  // namespace

OptimizerSpec load_spec(StateArchive& a, const OptimizerSpec& now) {
  std::string text;
  JsonValue groups;
  a.text({"spec"}, text);
  a.value({"groups"}, groups);
  const std::string op = now.rule().name();
  const auto* others = groups.get_if<JsonValue::List>();
  if (text.empty() || !others) throw OptimError(op, "the state's spec cannot be read; nothing was loaded");
  OptimizerSpec spec = OptimizerSpec::read(text);
  for (const JsonValue& g : *others) spec.groups.push_back(group_from(g, op));
  for (std::size_t i = 0; i < std::min(spec.groups.size(), now.groups.size()); ++i) {
    const Group &saved = spec.groups[i], &here = now.groups[i];
    const auto of = [i](const Group& g) { return g.rule->spec() + (i ? " for \"" + g.pattern + "\"" : ""); };
    if (saved.rule->name() != here.rule->name() || saved.pattern != here.pattern)
      throw OptimError(op, join("the state is of ", of(saved), ", this optimizer has ", of(here)));
  }
  if (spec.groups.size() != now.groups.size())
    throw OptimError(
        op, join("the state has ", spec.groups.size() - 1, " parameter groups, this optimizer has ", now.groups.size() - 1));
  for (std::size_t i = 0; i < spec.groups.size(); ++i) take_users_schedules(a, i, now, spec.groups[i]);
  check_stages(spec.stages, spec.rule());
  return spec;
}

}  // namespace gradus::optim
