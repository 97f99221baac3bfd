// OptimizerSpec: what an optimizer is made of, as a value. Text is read into one and printed from one, at the edges alone.
#pragma once

#include <gradus/optim/stages/gradient_pipeline.h>

namespace gradus::optim {

/// Parameters that have options of their own.
struct Group {
  std::string pattern;             ///< of their names; "" of the first group, which holds what no other matches
  Cloned<AnyRule> rule;            ///< with its options
  std::vector<std::string> own{};  ///< options that do not follow the first group's
  bool own_rule = false;           ///< nothing follows it
  std::vector<Scheduled> schedules{};

  bool owns(const std::string& option) const;
};

struct OptimizerSpec {
  Stages stages{};              ///< before the rule, from left to right
  std::vector<Group> groups{};  ///< the first has the rule; never empty but in an optimizer that was moved from

  /// Errors: SpecError with a caret under the place, OptimError out of range.
  static OptimizerSpec read(const std::string& text);
  /// Stages alone, "skip_nonfinite | clip_norm(1)"; "": none. Errors: the same.
  static Stages read_stages(const std::string& text);
  /// Options, as "weight_decay=0", for a group that has those of `like` else; or a rule of its own, "sgd(lr=0.1)".
  static Group read_group(const std::string& pattern, const std::string& options, const Group& like);

  const AnyRule& rule() const { return *groups[0].rule; }
  /// Sets an option of the first group, and of every group that has no value of its own; ends its schedule.
  void set(const std::string& option, double value);
  void schedule(const std::string& option, Schedule schedule, std::int64_t k);
  /// Sets what follows a schedule to its value at step k: all or none. Returns whether rules use other slots now.
  bool follow(std::int64_t k);
  /// The rule of a group as step k will have it.
  Cloned<AnyRule> rule_at(std::size_t group, std::int64_t k) const;
  /// Tells the schedules that wait for a metric. False if none does.
  bool report(double metric);
  /// What is remembered of schedules and stages besides their text. `k`: the last step taken.
  void archive(StateArchive& a, std::vector<ParameterState>& parameters, std::int64_t k);

 private:
  struct Change {
    std::size_t group;
    std::string option;
    double value;
  };
  void add_changes(std::size_t group, const std::string& option, double value, std::vector<Change>& to) const;
  bool change(const std::vector<Change>& changes);
};
/// Reads back as an equal spec, but for groups.
std::string to_string(const OptimizerSpec& spec);
/// "adamw(lr=cosine(...))" of one group.
std::string to_string(const Group& group);

/// A value as a saved state has it: the texts of stages and rules, and the groups. `now`: whose functions of the user's own
/// go on, since text cannot make them. Errors: SpecError; OptimError if `now` has other rules or groups, or no such
/// function.
void save_spec(StateArchive& a, const OptimizerSpec& spec);
OptimizerSpec load_spec(StateArchive& a, const OptimizerSpec& now);
/// What schedules remember, as the member path/OPTION/state.
void archive_schedules(StateArchive& a, const StateArchive::Path& path, std::vector<Scheduled>& schedules);

}  // namespace gradus::optim
