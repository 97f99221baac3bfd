// Reading of schedules from text.
#include <gradus/core/error.h>
#include <gradus/optim/schedule/schedule_bodies.h>
#include <gradus/optim/spec/spec.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {
namespace {

/// Schedules made of others: their names, meaning, and functions that read them.
struct Composed {
  const char *name, *meaning;
  Schedule (*read)(const Spec& spec, const SpecStage& s);
};

double whole_step(const Spec& spec, const SpecValue& v) {
  if (v.kind == SpecValue::Kind::number && v.number == std::floor(v.number) && std::fabs(v.number) < 1e15) return v.number;
  throw_spec(spec, v.at, join("expected the step at which the next schedule begins, got '", print(v), "'"));
}

/// Reads warmup(schedule, steps=500, from=0): the first argument is the schedule, the rest are options.
Schedule read_warmup(const Spec& spec, const SpecStage& s) {
  if (s.arguments.empty() || !s.arguments[0].key.empty())
    throw_spec(spec, s.at, "warmup wraps a schedule, as in warmup(cosine(0.1, total=100), steps=10)");
  const SpecStage rest{s.name, {s.arguments.begin() + 1, s.arguments.end()}, s.at};
  const auto given = match_options(spec, rest, {"steps", "from"});
  if (!given[0]) throw_spec(spec, s.at, "warmup needs steps (it has steps, from)");
  const auto number = [&](std::size_t i, const char* name) {
    return given[i] ? read_value(spec, {name, Option::Kind::number, 0, {}}, *given[i]) : 0;
  };
  Schedule inner = schedule_from(spec, s.arguments[0].value);
  return Schedule(std::make_unique<WarmupSchedule>(std::move(inner), number(0, "steps"), number(1, "from")));
}

void without_names(const Spec& spec, const SpecStage& s, const char* example) {
  for (const auto& a : s.arguments)
    if (!a.key.empty()) throw_spec(spec, a.at, join(s.name, " takes values without names, as in ", example));
  if (s.arguments.empty()) throw_spec(spec, s.at, join(s.name, " needs schedules, as in ", example));
}

Schedule read_sequential(const Spec& spec, const SpecStage& s) {
  without_names(spec, s, "sequential(constant(0.1), 100, cosine(0.1, total=900))");
  std::vector<Schedule> parts;
  std::vector<std::int64_t> milestones;
  for (std::size_t i = 0; i < s.arguments.size(); ++i) {
    const SpecValue& v = s.arguments[i].value;
    if (i % 2 == 0) parts.push_back(schedule_from(spec, v));
    else milestones.push_back(static_cast<std::int64_t>(whole_step(spec, v)));
  }
  if (s.arguments.size() % 2 == 0) throw_spec(spec, s.at, "sequential ends with a schedule, not with a milestone");
  return Schedule(std::make_unique<SequentialSchedule>(std::move(parts), std::move(milestones)));
}

Schedule read_chained(const Spec& spec, const SpecStage& s) {
  without_names(spec, s, "chained(cosine(0.1, total=100), exponential(1, gamma=0.9))");
  std::vector<Schedule> parts;
  for (const auto& a : s.arguments) parts.push_back(schedule_from(spec, a.value));
  return Schedule(std::make_unique<ChainedSchedule>(std::move(parts)));
}

const Composed composed[] = {
    {"warmup", "warmup(schedule, steps=500, from=0): a line up to its first value, then the schedule from its start",
     read_warmup},
    {"sequential", "sequential(s0, 100, s1, 200, s2): each with its steps counted from its milestone", read_sequential},
    {"chained", "chained(s0, s1): their product", read_chained},
};

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const auto& c : composed) names.push_back(c.name);
  for (const auto& kind : schedule_kinds()) names.push_back(kind.name);
  return names;
}

/// The options of a kind that a spec may give.
std::vector<Option> options_of(const ScheduleKind& kind) {
  std::vector<Option> all;
  for (const auto& o : kind.options) all.push_back(o.option);
  if (kind.may_warm_up) all.push_back({"warmup", Option::Kind::number, 0, {}});
  return all;
}

Schedule read_kind(const Spec& spec, const SpecStage& s, const ScheduleKind& kind) {
  const auto options = options_of(kind);
  std::vector<std::string> names;
  for (const Option& o : options) names.push_back(o.name);
  std::vector<const SpecValue*> list;
  const auto given = match_options(spec, s, names, kind.list ? &list : nullptr);
  std::vector<double> values;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (!given[i] && std::isnan(options[i].value))
      throw_spec(spec, s.at, join(s.name, " needs ", names[i], " (it has ", listed(names), ")"));
    values.push_back(given[i] ? read_value(spec, options[i], *given[i]) : options[i].value);
  }
  double warmup = 0;
  if (kind.may_warm_up) warmup = values.back(), values.pop_back();
  for (const SpecValue* v : list) values.push_back(read_value(spec, {"a milestone", Option::Kind::number, 0, {}}, *v));
  if (!kind.at) return Schedule(std::make_unique<PlateauSchedule>(kind, std::move(values)));
  return Schedule(std::make_unique<FormulaSchedule>(kind, std::move(values), warmup));
}

}  // namespace

Schedule schedule_from(const Spec& spec, const SpecStage& s) {
  for (const Composed& c : composed)
    if (s.name == c.name) return c.read(spec, s);
  if (const ScheduleKind* kind = find_schedule_kind(s.name)) return read_kind(spec, s, *kind);
  if (s.name == "user")
    throw_spec(spec, s.at, "a user's function cannot be made from text",
               "opt.schedule(\"lr\", [](std::int64_t k) { return 0.1; })");
  throw_spec(spec, s.at, join("there is no schedule '", s.name, "'", perhaps(did_you_mean(s.name, schedule_names()))),
             "gradus optimizers lists schedules");
}

Schedule schedule_from(const Spec& spec, const SpecValue& v) {
  if (v.kind == SpecValue::Kind::number) return schedules::constant(v.number);
  if (v.kind == SpecValue::Kind::stage) return schedule_from(spec, v.stage[0]);
  return schedule_from(spec, SpecStage{v.word, {}, v.at});
}

Schedule::Schedule(const std::string& text)
    : Schedule([&] {
        const Spec spec = parse_arguments(text);
        const auto& arguments = spec.stages[0].arguments;
        if (arguments.size() != 1 || !arguments[0].key.empty())
          throw_spec(spec, 0, "expected one schedule, as in cosine(0.1, total=100)");
        return schedule_from(spec, arguments[0].value);
      }()) {}

bool schedule_exists(const std::string& name) {
  const auto names = schedule_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<ScheduleEntry> all_schedules() {
  std::vector<ScheduleEntry> all;
  for (const auto& kind : schedule_kinds()) all.push_back({kind.name, kind.formula, options_of(kind)});
  for (const auto& c : composed) all.push_back({c.name, c.meaning, {}});
  return all;
}

}  // namespace gradus::optim
