// Schedules from text, and the one that listens.
#include <gradus/core/error.h>
#include <gradus/optim/schedule/schedule_bodies.h>
#include <gradus/optim/spec/spec.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {

// ---- plateau ---------------------------------------------------------------------------------------------------------

const std::vector<ScheduleOption>& PlateauSchedule::options() {
  using K = Option::Kind;
  constexpr double needed = std::numeric_limits<double>::quiet_NaN();
  static const std::vector<ScheduleOption> all = {
      {{"value", K::number, needed, {}}, {}},
      {{"mode", K::choice, 0, {"min", "max"}}, {}},
      {{"factor", K::number, 0.1, {}}, {.low = 0, .high = 1, .open_high = true}},
      {{"patience", K::number, 10, {}}, {.low = 0, .whole = true}},
      {{"threshold", K::number, 1e-4, {}}, {.low = 0}},
      {{"threshold_mode", K::choice, 0, {"rel", "abs"}}, {}},
      {{"cooldown", K::number, 0, {}}, {.low = 0, .whole = true}},
      {{"min", K::number, 0, {}}, {}},
      {{"eps", K::number, 1e-8, {}}, {.low = 0}},
  };
  return all;
}

PlateauSchedule::PlateauSchedule(std::vector<double> values) : values_(std::move(values)), now_(values_[value]) {
  if (std::isnan(now_)) throw OptimError("plateau", "needs value, as in plateau(0.1)");
  for (std::size_t i = 0; i < option_count; ++i)
    check_option("plateau", options()[i].option, options()[i].range, values_[i]);
  best_ = values_[mode] == 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

bool PlateauSchedule::better(double x) const {
  const bool least = values_[mode] == 0, relative = values_[threshold_mode] == 0;
  if (std::isinf(best_)) return least ? x < best_ : x > best_;  // the first; a threshold of it may be NaN
  if (least) return x < (relative ? best_ * (1 - values_[threshold]) : best_ - values_[threshold]);
  return x > (relative ? best_ * (1 + values_[threshold]) : best_ + values_[threshold]);
}

void PlateauSchedule::report(double metric) {
  if (better(metric)) best_ = metric, bad_ = 0;
  else ++bad_;
  if (cooling_ > 0) --cooling_, bad_ = 0;
  if (bad_ <= values_[patience]) return;
  const double next = std::max(now_ * values_[factor], values_[lowest]);
  if (now_ - next > values_[eps]) now_ = next;
  cooling_ = values_[cooldown];
  bad_ = 0;
}

std::string PlateauSchedule::spec() const {
  std::string s = text(values_[value]);
  for (std::size_t i = 1; i < option_count; ++i) {
    Option o = options()[i].option;
    if (values_[i] == o.value) continue;
    o.value = values_[i];
    s += ", " + to_string(o);
  }
  return "plateau(" + s + ")";
}

// ---- reading ---------------------------------------------------------------------------------------------------------

namespace {

const std::vector<std::string> composed = {"warmup", "sequential", "chained"};

std::vector<std::string> schedule_names() {
  std::vector<std::string> names = composed;
  names.push_back("plateau");
  for (const auto& kind : schedule_kinds()) names.push_back(kind.name);
  return names;
}

std::string got(const SpecValue& v) {
  if (v.kind == SpecValue::Kind::number) return text(v.number);
  return v.kind == SpecValue::Kind::word ? v.word : v.stage[0].name + "(...)";
}

double read(const Spec& spec, const Option& o, const SpecValue& v) {
  if (o.kind == Option::Kind::number) {
    if (v.kind == SpecValue::Kind::number) return v.number;
    throw_spec(spec, v.at, join(o.name, " takes a number here, got '", got(v), "'"));
  }
  const auto& words = o.kind == Option::Kind::flag ? std::vector<std::string>{"false", "true"} : o.words;
  const auto found = std::find(words.begin(), words.end(), got(v));
  if (found == words.end())
    throw_spec(spec, v.at,
                join(o.name, " is one of ", listed(words), "; got '", got(v), "'", perhaps(did_you_mean(got(v), words))));
  return static_cast<double>(found - words.begin());
}

struct Values {
  std::vector<double> fixed, list;
};

/// A value for each option, by place or by name; with `list`, values behind the first go there.
Values read_all(const Spec& spec, const SpecStage& s, const std::vector<Option>& options, bool list) {
  Values values;
  std::vector<std::string> names;
  std::vector<bool> given(options.size(), false);
  for (const Option& o : options) values.fixed.push_back(o.value), names.push_back(o.name);
  for (std::size_t i = 0; i < s.arguments.size(); ++i) {
    const SpecArgument& a = s.arguments[i];
    std::size_t place = i;
    if (a.key.empty() && list && i > 0) {
      values.list.push_back(read(spec, {"a milestone", Option::Kind::number, 0, {}}, a.value));
      continue;
    }
    if (!a.key.empty())
      place = static_cast<std::size_t>(std::find(names.begin(), names.end(), a.key) - names.begin());
    if (place >= options.size())
      throw_spec(spec, a.at,
                  a.key.empty() ? join(s.name, " takes at most ", options.size(), " values (", listed(names), ")")
                                : join(s.name, " has no option '", a.key, "'", perhaps(did_you_mean(a.key, names)),
                                       " (it has ", listed(names), ")"));
    if (given[place]) throw_spec(spec, a.at, names[place] + " is given twice");
    given[place] = true;
    values.fixed[place] = read(spec, options[place], a.value);
  }
  for (std::size_t i = 0; i < options.size(); ++i)
    if (!given[i] && std::isnan(options[i].value))
      throw_spec(spec, s.at, join(s.name, " needs ", options[i].name, " (it has ", listed(names), ")"));
  return values;
}

std::vector<Option> plain(const std::vector<ScheduleOption>& options) {
  std::vector<Option> all;
  for (const auto& o : options) all.push_back(o.option);
  return all;
}

const Option warmup_option{"warmup", Option::Kind::number, 0, {}};

/// warmup(schedule, steps=500, from=0): the first argument is the schedule, the rest are options.
Schedule read_warmup(const Spec& spec, const SpecStage& s) {
  if (s.arguments.empty() || !s.arguments[0].key.empty())
    throw_spec(spec, s.at, "warmup wraps a schedule, as in warmup(cosine(0.1, total=100), steps=10)");
  SpecStage rest{s.name, {s.arguments.begin() + 1, s.arguments.end()}, s.at};
  const double no_default = std::numeric_limits<double>::quiet_NaN();
  const Values v =
      read_all(spec, rest, {{"steps", Option::Kind::number, no_default, {}}, {"from", Option::Kind::number, 0, {}}}, false);
  return Schedule(std::make_unique<WarmupSchedule>(schedule_from(spec, s.arguments[0].value), v.fixed[0], v.fixed[1]));
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
    if (i % 2 == 0) {
      parts.push_back(schedule_from(spec, v));
    } else {
      if (v.kind != SpecValue::Kind::number || v.number != std::floor(v.number) || !(std::fabs(v.number) < 1e15))
        throw_spec(spec, v.at, join("expected the step at which the next schedule begins, got '", got(v), "'"));
      milestones.push_back(static_cast<std::int64_t>(v.number));
    }
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

}  // namespace

Schedule schedule_from(const Spec& spec, const SpecStage& s) {
  if (s.name == "warmup") return read_warmup(spec, s);
  if (s.name == "sequential") return read_sequential(spec, s);
  if (s.name == "chained") return read_chained(spec, s);
  if (s.name == "plateau")
    return Schedule(std::make_unique<PlateauSchedule>(read_all(spec, s, plain(PlateauSchedule::options()), false).fixed));
  if (s.name == "user")
    throw_spec(spec, s.at, "a user's function cannot be made from text",
                "opt.schedule(\"lr\", [](std::int64_t k) { return 0.1; })");
  const ScheduleKind* kind = find_schedule_kind(s.name);
  if (!kind)
    throw_spec(spec, s.at, join("there is no schedule '", s.name, "'", perhaps(did_you_mean(s.name, schedule_names()))),
                "gradus optimizers lists schedules");
  auto options = plain(kind->options);
  if (kind->may_warm_up) options.push_back(warmup_option);
  Values v = read_all(spec, s, options, kind->list);
  double warmup = 0;
  if (kind->may_warm_up) warmup = v.fixed.back(), v.fixed.pop_back();
  v.fixed.insert(v.fixed.end(), v.list.begin(), v.list.end());
  return Schedule(std::make_unique<FormulaSchedule>(*kind, std::move(v.fixed), warmup));
}

Schedule schedule_from(const Spec& spec, const SpecValue& v) {
  if (v.kind == SpecValue::Kind::number) return schedules::constant(v.number);
  if (v.kind == SpecValue::Kind::stage) return schedule_from(spec, v.stage[0]);
  return schedule_from(spec, SpecStage{v.word, {}, v.at});
}

Schedule::Schedule(const std::string& text) : Schedule([&] {
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
  for (const auto& kind : schedule_kinds()) {
    all.push_back({kind.name, kind.formula, plain(kind.options)});
    if (kind.may_warm_up) all.back().defaults.push_back(warmup_option);
  }
  all.push_back({"plateau", PlateauSchedule::formula, plain(PlateauSchedule::options())});
  all.push_back(
      {"warmup", "warmup(schedule, steps=500, from=0): a line up to its first value, then the schedule from its start", {}});
  all.push_back({"sequential", "sequential(s0, 100, s1, 200, s2): each with its steps counted from its milestone", {}});
  all.push_back({"chained", "chained(s0, s1): their product", {}});
  return all;
}

}  // namespace gradus::optim
