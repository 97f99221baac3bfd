// Stages stand before a rule in a spec, "skip_nonfinite | accumulate(4) | clip_norm(1) | adamw", and pass the gradients on
// from left to right. Gradients themselves are never written: a stage changes a factor, which the fused pass takes with it,
// or puts another Array in their place.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/schedule/schedule_kinds.h>

#include <optional>

namespace gradus::optim {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// One parameter's gradient on its way to the rule: its numbers are factor * g.
struct Flow {
  std::size_t place;    ///< among the optimizer's parameters
  Array g;              ///< dense
  double factor = 1;
  double squares = -1;  ///< sum of the squares of g; below 0: not known yet
};

/// A parameter as a stage sees it.
struct FlowParameter {
  const std::string* name;
  const Array* w;
};

class Stage;

/// A stage as specs know it.
struct StageKind {
  const char* name;
  const char* meaning;
  std::vector<ScheduleOption> options;
  std::unique_ptr<Stage> (*make)(const StageKind& kind);
};
const std::vector<StageKind>& stage_kinds();
/// Null if there is none.
const StageKind* find_stage_kind(const std::string& name);

class Stage {
 public:
  explicit Stage(const StageKind& kind);
  virtual ~Stage() = default;
  virtual std::unique_ptr<Stage> clone() const = 0;

  std::string name() const { return kind_->name; }
  /// "clip_norm(1)"; with `saved`, a user's function is user(value) and not its value.
  std::string spec(bool saved = false) const;
  double get(std::size_t option) const { return values_[option]; }
  /// Errors: OptimError out of range.
  void set(std::size_t option, double value);
  void schedule(std::size_t option, Schedule schedule);
  /// Sets what is scheduled to its values at step k. Errors: OptimError out of range; nothing has changed then.
  void follow(std::int64_t k);
  std::vector<Scheduled>& schedules() { return schedules_; }
  const std::vector<Scheduled>& schedules() const { return schedules_; }

  /// Passes the gradients on. False: they go no further, and no step follows.
  virtual bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>& parameters) = 0;
  /// Why apply() returned false, for explain().
  virtual std::string held_back() const { return {}; }
  /// What must be saved, names without the stage's; parameters by their names.
  virtual NamedArrays state(const std::vector<FlowParameter>&) const { return {}; }
  /// Arrays of a saved state; what is not there, or does not fit, is null and remembered.
  struct Finder {
    virtual ~Finder() = default;
    virtual bool has(const std::string& name) const = 0;
    virtual const Array* find(const std::string& name, const Shape& shape, Dtype dtype) = 0;
    virtual const Array* find_text(const std::string& name) = 0;  ///< u8, of any length
    virtual std::optional<std::int64_t> find_count(const std::string& name) = 0;  ///< i64, 0 or more
    virtual void complain(const std::string& name, const std::string& what) = 0;  ///< "... is what it cannot be"
  };
  virtual void load_state(Finder&, const std::vector<FlowParameter>&) {}

 private:
  const StageKind* kind_;
  std::vector<double> values_;
  std::vector<Scheduled> schedules_;
};

/// Steps that skip_nonfinite has held back.
struct Skipped {
  std::int64_t count = 0;
  std::string parameter;  ///< where the last number that is not finite was found
};

struct Spec;
struct SpecStage;
/// Errors: SpecError, OptimError.
std::unique_ptr<Stage> stage_from(const Spec& spec, const SpecStage& stage);

/// Fills in Flow::squares where it is not known; the order of sums is fixed by the shapes.
void find_squares(std::vector<Flow>& flows);
/// A factor that the gradient's dtype cannot hold is multiplied in.
void settle(Flow& f);
/// Euclidean norm of all gradients together, factors included.
double global_norm(std::vector<Flow>& flows);

}  // namespace gradus::optim
