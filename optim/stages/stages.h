// Stages precede a rule in a spec, "skip_nonfinite | accumulate(4) | clip_norm(1) | adamw", and pass the gradients on from
// left to right. Gradients themselves are never written: a stage changes a factor, which the fused pass applies, or puts
// another Array in their place.
#pragma once

#include <gradus/optim/driver/driver.h>
#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/schedule/schedule_kinds.h>

namespace gradus::optim {

/// A parameter as a stage sees it.
struct StagedParameter {
  const std::string* name;
  const Array* w;
};

/// Steps that skip_nonfinite has held back.
struct Skipped {
  std::int64_t count = 0;
  std::string parameter;  ///< parameter in which the last element that is not finite was found
};

class Stage;

/// A kind of stage as specs know it.
struct StageKind {
  const char* name;
  const char* meaning;
  std::vector<ScheduleOption> options;
  std::unique_ptr<Stage> (*make)(const StageKind& kind);
};
const std::vector<StageKind>& stage_kinds();
/// The kind of this name, null if there is none.
const StageKind* find_stage_kind(const std::string& name);

class Stage {
 public:
  explicit Stage(const StageKind& kind);
  virtual ~Stage() = default;
  virtual std::unique_ptr<Stage> clone() const = 0;

  std::string name() const { return kind_->name; }
  /// The text of the stage: "clip_norm(1)".
  std::string spec() const;
  double get(std::size_t option) const { return values_[option]; }
  /// Sets an option. Errors: OptimError out of range.
  void set(std::size_t option, double value);
  void schedule(std::size_t option, Schedule schedule);
  /// Sets scheduled options to their values at step k. Errors: OptimError out of range; nothing has changed then.
  void follow(std::int64_t k);
  std::vector<Scheduled>& schedules() { return schedules_; }

  /// Passes the gradients on. False: they are held back, and no step follows.
  virtual bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>& parameters) = 0;
  /// The reason why apply() returned false, for explain().
  virtual std::string held_back() const { return {}; }
  /// Saves or loads its state; names begin with the stage's, and the parameter's name follows.
  virtual void archive(StateArchive&, const std::vector<StagedParameter>&) {}
  /// The steps that skip_nonfinite has held back; null for other stages.
  virtual const Skipped* skipped() const { return nullptr; }

 private:
  const StageKind* kind_;
  std::vector<double> values_;
  std::vector<Scheduled> schedules_;
};

struct Spec;
struct SpecStage;
/// The stage that a spec names. Errors: SpecError, OptimError.
std::unique_ptr<Stage> stage_from(const Spec& spec, const SpecStage& stage);

/// Computes missing sums of squares; the order of the sums is fixed by the shapes.
void find_squares(std::vector<StagedGradient>& gradients);
/// Multiplies a factor in that the gradient's dtype cannot hold.
void settle(StagedGradient& g);
/// The Euclidean norm of all gradients together, factors included.
double global_norm(std::vector<StagedGradient>& gradients);

}  // namespace gradus::optim
