// The options of an OptimizerSpec by name, and the schedules that they follow.
#include <gradus/core/error.h>
#include <gradus/optim/spec/optimizer_spec.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// The slots that a rule's options use, which a schedule seldom changes.
std::vector<bool> kept_slots_of(const AnyRule& rule) {
  std::vector<bool> all;
  for (const Slot& s : rule.slots_of({2, 2})) all.push_back(s.kept);
  return all;
}

void end_schedule(std::vector<Scheduled>& schedules, const std::string& option) {
  std::erase_if(schedules, [&](const Scheduled& s) { return s.option == option; });
}

}  // namespace

bool Group::owns(const std::string& option) const {
  return own_rule || std::find(own.begin(), own.end(), option) != own.end();
}

/// Collects the change of an option in a group, and for the first group also in every group without a value of its own.
void OptimizerSpec::add_changes(std::size_t group, const std::string& option, double value, std::vector<Change>& to) const {
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (i == group || (group == 0 && !groups[i].owns(option))) to.push_back({i, option, value});
}

bool OptimizerSpec::change(const std::vector<Change>& changes) {
  std::vector<Change> before;
  std::vector<std::vector<bool>> slots_before(groups.size());
  try {
    for (const Change& c : changes) {
      AnyRule& r = *groups[c.group].rule;
      const double was = r.get(c.option);
      if (was == c.value) continue;
      if (slots_before[c.group].empty()) slots_before[c.group] = kept_slots_of(r);
      r.set(c.option, c.value);
      before.push_back({c.group, c.option, was});
    }
    for (const Change& c : before) groups[c.group].rule->check();
  } catch (...) {
    for (std::size_t i = before.size(); i-- > 0;) groups[before[i].group].rule->set(before[i].option, before[i].value);
    throw;
  }
  return std::any_of(before.begin(), before.end(),
                     [&](const Change& c) { return kept_slots_of(*groups[c.group].rule) != slots_before[c.group]; });
}

void OptimizerSpec::set(const std::string& option, double value) {
  std::vector<Change> changes;
  add_changes(0, option, value, changes);
  change(changes);
  end_schedule(groups[0].schedules, option);
}

void OptimizerSpec::schedule(const std::string& option, Schedule schedule, std::int64_t k) {
  if (rule().option(option).kind != Option::Kind::number)
    throw OptimError(rule().name(), join(option, " is not a number; only numbers follow a schedule"));
  std::vector<Change> changes;
  add_changes(0, option, schedule.at(k), changes);
  change(changes);
  end_schedule(groups[0].schedules, option);
  groups[0].schedules.push_back({option, std::move(schedule)});
}

bool OptimizerSpec::follow(std::int64_t k) {
  std::vector<Change> changes;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (const Scheduled& s : groups[i].schedules) add_changes(i, s.option, s.schedule.at(k), changes);
  const bool others = !changes.empty() && change(changes);
  for (auto& stage : stages) stage->follow(k);
  return others;
}

Cloned<AnyRule> OptimizerSpec::rule_at(std::size_t group, std::int64_t k) const {
  auto rule = groups[group].rule;
  for (const std::size_t from : {std::size_t(0), group})
    for (const Scheduled& s : groups[from].schedules)
      if (from == group || !groups[group].owns(s.option)) rule->set(s.option, Schedule(s.schedule).at(k));
  return rule;
}

bool OptimizerSpec::report(double metric) {
  bool heard = false;
  const auto tell = [&](std::vector<Scheduled>& schedules) {
    for (Scheduled& s : schedules)
      if (s.schedule.waits_for_metric()) s.schedule.report(metric), heard = true;
  };
  for (auto& g : groups) tell(g.schedules);
  for (auto& s : stages) tell(s->schedules());
  return heard;
}

// ---- what is saved ---------------------------------------------------------------------------------------------------

void archive_schedules(StateArchive& a, const StateArchive::Path& path, std::vector<Scheduled>& schedules) {
  for (auto& s : schedules) {
    auto state = s.schedule.state();
    if (state.empty()) continue;
    auto at = path;
    at.insert(at.end(), {s.option, "state"});
    a.numbers(at, state);
    s.schedule.load_state(state);
  }
}

void OptimizerSpec::archive(StateArchive& a, std::vector<ParameterState>& parameters, std::int64_t k) {
  for (std::size_t i = 0; i < groups.size(); ++i)
    archive_schedules(a, {"schedules", std::to_string(i)}, groups[i].schedules);
  archive_stages(a, stages, parameters);
  if (a.loading())
    for (std::size_t i = 0; i < groups.size(); ++i)
      for (const Scheduled& s : groups[i].schedules)
        for (std::size_t j = 0; j < groups.size(); ++j)
          if (i == j || (i == 0 && !groups[j].owns(s.option))) groups[j].rule->set(s.option, s.schedule.at(k));
}

}  // namespace gradus::optim
