// OptimizerSpec: the composition of an optimizer as a value. Text is read into it and printed from it, at the edges alone.
#pragma once

#include <gradus/optim/stages/gradient_pipeline.h>

namespace gradus::optim {

/// Parameters that have options of their own.
struct Group {
  std::string pattern;             ///< of their names; "" for the first group, whose parameters match no other
  Cloned<AnyRule> rule;            ///< the rule with its options
  std::vector<std::string> own{};  ///< options that do not follow the first group's
  bool own_rule = false;           ///< a rule of its own, so that no option follows the first group
  std::vector<Scheduled> schedules{};

  bool owns(const std::string& option) const;
};

struct OptimizerSpec {
  Stages stages{};              ///< stages before the rule, from left to right
  std::vector<Group> groups{};  ///< the first has the optimizer's rule; empty only in an optimizer that was moved from

  /// Reads a spec. Errors: SpecError with a caret under the position, OptimError out of range.
  static OptimizerSpec read(const std::string& text);
  /// Reads stages alone, "skip_nonfinite | clip_norm(1)"; "": none. Errors: as read().
  static Stages read_stages(const std::string& text);
  /// Reads a group's options, such as "weight_decay=0", the others being those of `like`; or its own rule, "sgd(lr=0.1)".
  static Group read_group(const std::string& pattern, const std::string& options, const Group& like);

  const AnyRule& rule() const { return *groups[0].rule; }
  /// Sets an option of the first group, and of every group that has no value of its own; ends its schedule.
  void set(const std::string& option, double value);
  void schedule(const std::string& option, Schedule schedule, std::int64_t k);
  /// Sets every option that follows a schedule to its value at step k: all or none. True if rules use other slots now.
  bool follow(std::int64_t k);
  /// The rule of a group with the options of step k.
  Cloned<AnyRule> rule_at(std::size_t group, std::int64_t k) const;
  /// Reports a metric to the schedules that wait for one. False if none does.
  bool report(double metric);
  /// Saves or loads the state of schedules and stages. `k`: the last step taken.
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
/// The text of an equal spec, without groups.
std::string to_string(const OptimizerSpec& spec);
/// The text of one group: "adamw(lr=cosine(...))".
std::string to_string(const Group& group);

/// Saves or loads a spec: the texts of stages and rules, and the groups. Loading takes the user's own functions from `now`,
/// since text cannot make them. Errors: SpecError; OptimError if `now` has other rules or groups, or no such function.
void save_spec(StateArchive& a, const OptimizerSpec& spec);
OptimizerSpec load_spec(StateArchive& a, const OptimizerSpec& now);
/// Saves or loads the state of schedules, as the member path/OPTION/state.
void archive_schedules(StateArchive& a, const StateArchive::Path& path, std::vector<Scheduled>& schedules);

}  // namespace gradus::optim
