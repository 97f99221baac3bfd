// The implementations of schedules, behind schedule.h.
#pragma once

#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/schedule/schedule_kinds.h>

namespace gradus::optim {

/// A schedule of the table, with the values of its options.
class TableSchedule : public ScheduleBody {
 public:
  std::string spec() const override;

 protected:
  /// Checks the values. Errors: OptimError for a value that is missing (NaN) or out of range.
  TableSchedule(const ScheduleKind& kind, std::vector<double> values, double warmup);
  const ScheduleKind* kind_;
  std::vector<double> values_;  // as given
  double warmup_;
};

/// A schedule by formula, with a warm-up before it.
class FormulaSchedule final : public TableSchedule {
 public:
  FormulaSchedule(const ScheduleKind& kind, std::vector<double> values, double warmup);
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<FormulaSchedule>(*this); }
  double at(std::int64_t k) const override;
  std::int64_t horizon() const override;

 private:
  std::vector<double> running_;  // values for the formula, after the warm-up
};

/// A schedule made of other schedules.
class ComposedSchedule : public ScheduleBody {
 public:
  bool waits_for_metric() const override;
  void report(double metric) override;
  bool users_own() const override;
  std::vector<double> state() const override;
  void load_state(const double* values) override;
  std::vector<Schedule>& parts() { return parts_; }

 protected:
  explicit ComposedSchedule(std::vector<Schedule> parts);
  std::vector<Schedule> parts_;
};

/// A warm-up: linear from a fraction of the first value up to that value, then the schedule from its start.
class WarmupSchedule final : public ComposedSchedule {
 public:
  WarmupSchedule(Schedule inner, double steps, double from);
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<WarmupSchedule>(*this); }
  double at(std::int64_t k) const override;
  std::string spec() const override;
  std::int64_t horizon() const override;

 private:
  double steps_, from_;
};

class SequentialSchedule final : public ComposedSchedule {
 public:
  SequentialSchedule(std::vector<Schedule> parts, std::vector<std::int64_t> milestones);
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<SequentialSchedule>(*this); }
  double at(std::int64_t k) const override;
  std::string spec() const override;
  std::int64_t horizon() const override;

 private:
  std::vector<std::int64_t> milestones_;
};

class ChainedSchedule final : public ComposedSchedule {
 public:
  explicit ChainedSchedule(std::vector<Schedule> parts) : ComposedSchedule(std::move(parts)) {}
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<ChainedSchedule>(*this); }
  double at(std::int64_t k) const override;
  std::string spec() const override;
  std::int64_t horizon() const override;
};

/// Falls by a factor when a reported metric has not improved for a while; PyTorch's ReduceLROnPlateau.
class PlateauSchedule final : public TableSchedule {
 public:
  PlateauSchedule(const ScheduleKind& kind, std::vector<double> values);
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<PlateauSchedule>(*this); }
  double at(std::int64_t) const override { return now_; }
  bool waits_for_metric() const override { return true; }
  void report(double metric) override;
  std::vector<double> state() const override { return {now_, best_, bad_, cooling_}; }
  void load_state(const double* v) override { now_ = v[0], best_ = v[1], bad_ = v[2], cooling_ = v[3]; }

 private:
  /// Indices of the options, in their order.
  enum : std::size_t { value, mode, factor, patience, threshold, threshold_mode, cooldown, lowest, eps };
  bool better(double metric) const;
  double now_, best_, bad_ = 0, cooling_ = 0;
};

}  // namespace gradus::optim
