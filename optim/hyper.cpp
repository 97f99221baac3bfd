// Options of the groups by name, and the schedules that they follow.
#include <gradus/core/error.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// Which slots a rule's options use; a schedule seldom changes that.
std::vector<bool> kept(const AnyRule& rule) {
  std::vector<bool> all;
  for (const Slot& s : rule.moving().slots_of({2, 2})) all.push_back(s.kept);
  return all;
}

template <class Schedules>
void end_schedule(Schedules& schedules, const std::string& option) {
  std::erase_if(schedules, [&](const Scheduled& s) { return s.option == option; });
}

}  // namespace

/// The group's, and for the first group that of every group without a value of its own.
void Optimizer::add_changes(std::size_t group, const std::string& option, double value, std::vector<Change>& to) const {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Group& g = groups_[i];
    const bool follows = group == 0 && !g.own_rule && std::find(g.own.begin(), g.own.end(), option) == g.own.end();
    if (i == group || follows) to.push_back({i, option, value});
  }
}

/// All or none. Returns whether other slots are used now.
bool Optimizer::change(const std::vector<Change>& changes) {
  std::vector<Change> before;
  std::vector<std::vector<bool>> slots_before(groups_.size());
  try {
    for (const Change& c : changes) {
      AnyRule& r = *groups_[c.group].rule;
      const double was = r.get(c.option);
      if (was == c.value) continue;
      if (slots_before[c.group].empty()) slots_before[c.group] = kept(r);
      r.set(c.option, c.value);
      before.push_back({c.group, c.option, was});
    }
    for (const Change& c : before) groups_[c.group].rule->check();
  } catch (...) {
    for (std::size_t i = before.size(); i-- > 0;) groups_[before[i].group].rule->set(before[i].option, before[i].value);
    throw;
  }
  return std::any_of(before.begin(), before.end(),
                     [&](const Change& c) { return kept(*groups_[c.group].rule) != slots_before[c.group]; });
}

void Optimizer::set(const std::string& option, double value) {
  std::vector<Change> changes;
  if (groups_.empty()) throw_moved_from();
  add_changes(0, option, value, changes);
  change(changes);
  end_schedule(groups_[0].schedules, option);
  for (auto& e : entries_) e.prepared = false;
}

double Optimizer::get(const std::string& option, const std::string& parameter) const {
  return groups_[find(parameter).group].rule->get(option);
}

std::string Optimizer::spec_of(const Group& group, bool saved) const {
  return spec_with(*group.rule, group.schedules, saved);
}
std::string Optimizer::spec_of(const std::string& parameter) const { return spec_of(groups_[find(parameter).group], false); }
std::string Optimizer::spec() const {
  const AnyRule& first = rule();  // refuses an optimizer that was moved from
  return stages_text(false) + spec_with(first, groups_[0].schedules, false);
}

// ---- schedules -------------------------------------------------------------------------------------------------------

void Optimizer::schedule(const std::string& option, Schedule schedule) {
  if (rule().option(option).kind != Option::Kind::number)
    throw OptimError(rule().name(), join(option, " is not a number; only numbers follow a schedule"));
  std::vector<Change> changes;
  add_changes(0, option, schedule.at(steps_), changes);
  change(changes);
  end_schedule(groups_[0].schedules, option);
  groups_[0].schedules.push_back({option, std::move(schedule)});
  for (auto& e : entries_) e.prepared = false;
}

void Optimizer::follow_schedules() {
  std::vector<Change> changes;
  for (std::size_t i = 0; i < groups_.size(); ++i)
    for (const Scheduled& s : groups_[i].schedules) add_changes(i, s.option, s.schedule.at(steps_), changes);
  if (!changes.empty() && change(changes))
    for (auto& e : entries_) e.prepared = false;
  for (auto& stage : stages_) stage->follow(steps_);
}

/// The rule as the next step will have it.
std::unique_ptr<AnyRule> Optimizer::rule_now(std::size_t group) const {
  auto rule = groups_[group].rule->clone();
  for (const std::size_t from : {std::size_t(0), group})
    for (const Scheduled& s : groups_[from].schedules) {
      std::vector<Change> changes;
      add_changes(from, s.option, Schedule(s.schedule).at(steps_), changes);
      for (const Change& c : changes)
        if (c.group == group) rule->set(c.option, c.value);
    }
  return rule;
}

void Optimizer::report(double metric) {
  bool heard = false;
  const auto tell = [&](std::vector<Scheduled>& schedules) {
    for (Scheduled& s : schedules)
      if (s.schedule.waits_for_metric()) s.schedule.report(metric), heard = true;
  };
  for (auto& g : groups_) tell(g.schedules);
  for (auto& s : stages_) tell(s->schedules());
  if (!heard)
    throw OptimError("report", "no schedule waits for a metric; plateau does", "opt.schedule(\"lr\", \"plateau(0.1)\")");
}

}  // namespace gradus::optim
