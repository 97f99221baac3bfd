// Schedules: a hyperparameter as a function of the steps taken. Closed forms, so that a run resumed at step k is exact.
//
//   opt.schedule("lr", Schedule("cosine(3e-4, total=20000, warmup=500)"));
//   opt.schedule("lr", schedules::warmup(schedules::cosine(3e-4, 19500), 500));        // the same
//   optim::make("adamw(lr=cosine(3e-4, total=20000, warmup=500), weight_decay=linear(0.1, total=20000))", parameters);
#pragma once

#include <gradus/optim/spec/options.h>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace gradus::optim {

/// The implementation of a schedule; at(k) is called for k = 0 at first and once for each step.
class ScheduleBody {
 public:
  virtual ~ScheduleBody() = default;
  virtual std::unique_ptr<ScheduleBody> clone() const = 0;
  virtual double at(std::int64_t k) const = 0;
  virtual std::string spec() const = 0;                 ///< the text of an equal schedule, except for a user's function
  virtual std::int64_t horizon() const { return 100; }  ///< number of steps worth plotting
  virtual bool waits_for_metric() const { return false; }
  virtual void report(double /*metric*/) {}
  virtual bool users_own() const { return false; }          ///< true for a function that text cannot make
  virtual std::vector<double> state() const { return {}; }  ///< the state to save; empty for a closed form
  virtual void load_state(const double* /*values*/) {}      ///< takes as many values as state() has
};

/// A user's function of the step. Called once for each k; its listed fields (GRADUS_FIELDS) are its state.
template <class F> class UserSchedule final : public ScheduleBody {
 public:
  explicit UserSchedule(F f) : f_(std::move(f)) {}
  std::unique_ptr<ScheduleBody> clone() const override { return std::make_unique<UserSchedule>(*this); }
  double at(std::int64_t k) const override {
    if (k != at_) value_ = static_cast<double>(f_(k)), at_ = k;
    return value_;
  }
  std::string spec() const override { return "user"; }
  bool users_own() const override { return true; }
  std::vector<double> state() const override {
    std::vector<double> all{static_cast<double>(at_), value_};
    each_of_its_fields([&](auto& x) { all.push_back(static_cast<double>(x)); });
    return all;
  }
  void load_state(const double* values) override {
    at_ = static_cast<std::int64_t>(*values++);
    value_ = *values++;
    each_of_its_fields([&]<class X>(X& x) { x = static_cast<X>(*values++); });
  }

 private:
  template <class G> void each_of_its_fields(G g) const {
    if constexpr (requires { f_.fields(); }) each_field(f_, [&](const std::string&, auto& x) { g(x); });
  }
  mutable F f_;  // may change as it goes: each value is stored, so that f runs once for each step
  mutable std::int64_t at_ = -1;
  mutable double value_ = 0;
};

class Schedule {
 public:
  /// Reads a schedule, "cosine(0.1, total=100)" or a number. Errors: SpecError with a caret, OptimError out of range.
  explicit Schedule(const std::string& spec);
  /// A schedule by a function of the step, k -> value.
  template <class F>
  requires(std::is_invocable_r_v<double, F&, std::int64_t>) explicit Schedule(F f)
      : body_(std::make_unique<UserSchedule<F>>(std::move(f))) {}
  explicit Schedule(std::unique_ptr<ScheduleBody> body) : body_(std::move(body)) {}
  Schedule(const Schedule& o) : body_(o.body_->clone()) {}
  Schedule(Schedule&&) = default;
  Schedule& operator=(Schedule o) { return body_ = std::move(o.body_), *this; }

  double at(std::int64_t step) const { return body_->at(step); }
  /// The values at(0) ... at(n-1), of a copy.
  std::vector<double> preview(std::int64_t n) const;
  std::string spec() const { return body_->spec(); }
  std::int64_t horizon() const { return body_->horizon(); }
  /// True for plateau and schedules that contain it.
  bool waits_for_metric() const { return body_->waits_for_metric(); }
  void report(double metric) { body_->report(metric); }
  bool users_own() const { return body_->users_own(); }
  std::vector<double> state() const { return body_->state(); }
  /// Loads the state. Errors: OptimError if `values` has another length.
  void load_state(const std::vector<double>& values);
  const ScheduleBody& body() const { return *body_; }
  ScheduleBody& body() { return *body_; }

 private:
  std::unique_ptr<ScheduleBody> body_;
};

/// An option that follows a schedule.
struct Scheduled {
  std::string option;
  Schedule schedule;
};

/// The spec and a plot of `steps` steps (0: as many as the schedule takes), for a terminal.
std::string to_string(const Schedule& schedule, std::int64_t steps = 0);

/// A schedule as specs know it. `formula` in k (steps taken); defaults are NaN where the option must be given.
struct ScheduleEntry {
  std::string name, formula;
  std::vector<Option> defaults;
};
std::vector<ScheduleEntry> all_schedules();
bool schedule_exists(const std::string& name);

struct Spec;
struct SpecStage;
struct SpecValue;
/// The schedule that a spec's stage names; a number is constant. Errors: SpecError, OptimError.
Schedule schedule_from(const Spec& spec, const SpecStage& stage);
Schedule schedule_from(const Spec& spec, const SpecValue& value);

/// The same schedules by functions; optim/README.md has the meaning of each option.
namespace schedules {
Schedule constant(double value, double factor = 1, double total = 0);
Schedule step(double value, double size, double gamma = 0.1);
Schedule multi_step(double value, const std::vector<double>& milestones, double gamma = 0.1);
Schedule exponential(double value, double gamma);
Schedule polynomial(double value, double total, double power = 1, double end = 0);
Schedule linear(double value, double total, double end = 0);
Schedule cosine(double value, double total, double end = 0);
Schedule cosine_restarts(double value, double period, double mult = 1, double end = 0);
Schedule one_cycle(double value, double total, double pct_start = 0.3, double div_factor = 25,
                   double final_div_factor = 1e4);
Schedule cyclic(double value, double peak, double up = 2000, double down = 0);
Schedule inverse_sqrt(double value, double timescale = 1);
Schedule noam(double value, double d_model, double warmup);
Schedule wsd(double value, double total, double decay, double end = 0);
Schedule warmup(const Schedule& schedule, std::int64_t steps, double from = 0);
/// schedules[0] until milestones[0], then schedules[1] with its steps counted from there, ...
Schedule sequential(const std::vector<Schedule>& schedules, const std::vector<std::int64_t>& milestones);
/// The product of the schedules.
Schedule chained(const std::vector<Schedule>& schedules);
template <class F> struct ProductOf {
  F factor;
  double value, now, at;
  GRADUS_FIELDS(now, at)
  double operator()(std::int64_t k) {
    if (static_cast<double>(k) < at) now = value, at = 0;
    while (at < static_cast<double>(k)) at += 1, now *= factor(static_cast<std::int64_t>(at));
    return now;
  }
};
/// value(k) = value(k-1) * factor(k), as MultiplicativeLR.
template <class F> Schedule multiplicative(double value, F factor) {
  return Schedule(ProductOf<F>{std::move(factor), value, value, 0});
}
}  // namespace schedules

}  // namespace gradus::optim
