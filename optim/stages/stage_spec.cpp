// The options and schedules of stages, and their reading from text.
#include <gradus/core/error.h>
#include <gradus/optim/spec/spec.h>
#include <gradus/optim/stages/stages.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {

Stage::Stage(const StageKind& kind) : kind_(&kind) {
  for (const auto& o : kind.options) values_.push_back(o.option.value);
}

std::string Stage::spec() const {
  std::string s;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Option& o = kind_->options[i].option;
    const auto at = std::find_if(schedules_.begin(), schedules_.end(), [&](const auto& x) { return x.option == o.name; });
    const bool follows = at != schedules_.end();
    if (i > 0 && values_[i] == o.value && !follows) continue;
    s += (s.empty() ? "" : ", ") + (i > 0 ? o.name + "=" : "") + (follows ? at->schedule.spec() : text(values_[i]));
  }
  return kind_->name + (s.empty() ? "" : "(" + s + ")");
}

void Stage::set(std::size_t option, double value) {
  check_option(name(), kind_->options[option].option, kind_->options[option].range, value);
  values_[option] = value;
}

void Stage::schedule(std::size_t option, Schedule schedule) {
  set(option, schedule.at(0));
  schedules_.push_back({kind_->options[option].option.name, std::move(schedule)});
}

void Stage::follow(std::int64_t k) {
  const auto before = values_;
  try {
    for (const auto& s : schedules_)
      for (std::size_t i = 0; i < values_.size(); ++i)
        if (kind_->options[i].option.name == s.option) set(i, s.schedule.at(k));
  } catch (...) {
    values_ = before;
    throw;
  }
}

const StageKind* find_stage_kind(const std::string& name) {
  for (const auto& kind : stage_kinds())
    if (name == kind.name) return &kind;
  return nullptr;
}

std::unique_ptr<Stage> stage_from(const Spec& spec, const SpecStage& s) {
  const StageKind* kind = find_stage_kind(s.name);
  if (!kind) {
    std::vector<std::string> known;
    for (const auto& k : stage_kinds()) known.push_back(k.name);
    const std::string what =
        schedule_exists(s.name) ? " is a schedule, the value of an option as in lr=" + s.name + "(...); it" : "";
    throw_spec(spec, s.at,
               join("'", s.name, "'", what, " cannot stand before an optimizer", perhaps(did_you_mean(s.name, known)), " (",
                    listed(known), " can)"));
  }
  std::vector<std::string> names;
  for (const auto& o : kind->options) names.push_back(o.option.name);
  auto stage = kind->make(*kind);
  const auto values = match_options(spec, s, names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (values[i] && values[i]->kind == SpecValue::Kind::number) stage->set(i, values[i]->number);
    else if (values[i]) stage->schedule(i, schedule_from(spec, *values[i]));
    else if (std::isnan(kind->options[i].option.value))
      throw_spec(spec, s.at, join(s.name, " needs ", names[i], ": it ", kind->meaning));
  }
  return stage;
}

}  // namespace gradus::optim
