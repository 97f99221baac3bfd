// The table of closed-form schedules: one line of options and one formula each.
#pragma once

#include <gradus/optim/spec/options.h>

#include <cstdint>
#include <span>

namespace gradus::optim {

/// An option of a schedule; its default is NaN if it must be given.
struct ScheduleOption {
  Option option;
  Range range;
};

/// Values in the order of the options; those of a list (milestones) follow.
using ScheduleValues = std::span<const double>;

struct ScheduleKind {
  const char* name;
  const char* formula;                       ///< text in k, the steps taken
  std::vector<ScheduleOption> options;       ///< the first is the value that the schedule starts from
  double (*at)(ScheduleValues p, double k);  ///< null: plateau, which needs a metric
  bool list = false;                         ///< values without a name, behind the first, are milestones
  bool may_warm_up = true;                   ///< accepts warmup=W: k/W of the first value, then the schedule from its start
  int length = -1;                           ///< index of the option with the length of the schedule, ...
  double shown = 1;                          ///< ... times this: the steps worth plotting
  std::string (*problem)(ScheduleValues p) = nullptr;  ///< the reason why the values do not go together, or ""
};

const std::vector<ScheduleKind>& schedule_kinds();
/// The kind of this name, null if there is none.
const ScheduleKind* find_schedule_kind(const std::string& name);

}  // namespace gradus::optim
