// AnyRule: a rule with its hyper-parameters, as the Optimizer sees it. How one is written: rule.h.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/optim/options.h>

#include <memory>
#include <utility>

namespace gradus::optim {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// What a rule must see at once: one number; norms of a parameter; a whole matrix; the loss itself.
enum class RuleShape { element, layer, matrix, closure };
std::string to_string(RuleShape shape);

struct RuleInfo {
  std::string name;   ///< as in a spec: "adamw"
  std::string paper;  ///< who, what
  int year = 0;
  RuleShape shape = RuleShape::element;
};

/// A named Array of state that a parameter carries.
struct Slot {
  std::string name;
  bool kept = true;    ///< false: the options in force do not use it, and it is not allocated
  double initial = 0;
};

class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual std::unique_ptr<AnyRule> clone() const = 0;

  const RuleInfo& info() const { return info_; }
  const std::string& name() const { return info_.name; }
  /// The name, for Array::write: it outlives the rule.
  const char* writer() const { return writer_; }

  /// All hyper-parameters in order, `maximize` last; those of a wrapped rule follow the wrapper's.
  std::vector<Option> options() const;
  bool has(const std::string& option) const;
  /// Errors: OptimError with the nearest name, or the value and the range allowed (nothing is changed then).
  Option option(const std::string& name) const;
  double get(const std::string& name) const { return option(name).value; }
  void set(const std::string& name, double value);
  /// Options that do not go together: OptimError.
  void check() const;
  /// "adamw(lr=0.001, beta1=0.9, ...)": reads back as an equal rule.
  std::string spec() const;

  /// What this rule does, as lines of text, for the options in force.
  virtual std::string equations() const = 0;
  virtual std::vector<Slot> slots() const { return {}; }
  /// Numbers computed once per step, with their values before the first; saved with the state.
  virtual std::vector<NamedValue> first_step() const { return {}; }
  /// Brings them to step t = 1, 2, ...
  virtual void advance(double* /*step*/, std::int64_t /*t*/) const {}
  /// Of a wrapper (sam): the rule that moves the parameters.
  virtual AnyRule* inner() { return nullptr; }
  const AnyRule* inner() const { return const_cast<AnyRule*>(this)->inner(); }
  virtual void set_inner(std::unique_ptr<AnyRule>) {}
  virtual bool wraps() const { return false; }
  const AnyRule& moving() const { return inner() ? *inner() : *this; }
  bool maximize() const { return maximize_; }

 protected:
  explicit AnyRule(RuleInfo info);
  AnyRule(const AnyRule&) = default;
  AnyRule& operator=(const AnyRule&) = delete;
  virtual std::vector<Option> own_options() const = 0;
  virtual void write_option(std::size_t place, double value) = 0;
  virtual Range range_of(const std::string& option) const { return usual_range(option); }
  virtual std::string refusal() const { return {}; }  ///< why the options do not go together, or ""

 private:
  RuleInfo info_;
  const char* writer_;
  bool maximize_ = false;
};

/// Elements begin..end-1 of one parameter: pointers to f32 or f64, slots in the order of AnyRule::slots (null: not kept).
struct Piece {
  void* w;
  const void* g;
  void* const* slots;
  const double* step;
  double factor;  ///< the gradient is multiplied by it first: -1 maximizes, clipping is below 1
  std::int64_t begin, end;
};

/// The values of one element through one update.
struct ElementValues {
  std::vector<NamedValue> before;  ///< g, w, then the kept slots
  std::vector<NamedValue> shown;   ///< what the rule shows
  std::vector<NamedValue> after;   ///< kept slots, then w
};

/// What a differentiable step reads and replaces; all of one shape and dtype but `step`, which is 0-d.
struct TensorState {
  Tensor w;
  std::vector<Tensor> slots, step;  ///< empty before the first step
  std::int64_t t = 0;
};

/// Each number by itself.
class ElementRule : public AnyRule {
 public:
  virtual void run(Dtype dtype, const Piece& piece) const = 0;
  /// The same update of element piece.begin, on copies.
  virtual ElementValues explain(Dtype dtype, const Piece& piece) const = 0;
  /// One recorded step; `hyper` replaces hyper-parameters by tensors.
  virtual void step_tensors(TensorState& state, const Tensor& g, const NamedTensors& hyper) const = 0;

 protected:
  using AnyRule::AnyRule;
};

/// Each number makes a direction; the parameter's norms make its length; w -= length * direction. Or, if norms_first(): the
/// direction is what is measured and changes no state; its norms enter the numbers of the step, and then each number moves.
class LayerRule : public AnyRule {
 public:
  virtual void direction(Dtype dtype, const Piece& piece, void* out) const = 0;
  virtual double length(double /*w_norm*/, double /*direction_norm*/, const double* /*step*/) const { return 0; }
  virtual bool norms_first() const { return false; }
  virtual void take_norms(double* /*step*/, double /*w_norm*/, double /*measured_norm*/) const {}
  virtual void run(Dtype /*dtype*/, const Piece& /*piece*/) const {}
  virtual ElementValues explain(Dtype dtype, const Piece& piece, double w_norm, double direction_norm) const = 0;

 protected:
  using AnyRule::AnyRule;
};

/// A whole parameter at once, in ops.
class MatrixRule : public AnyRule {
 public:
  /// "" or what shape it needs.
  virtual std::string refuse_shape(const Shape& shape) const = 0;
  /// Replaces w and the slots.
  virtual void update(const Tensor& g, Tensor& w, std::vector<Tensor>& slots, const double* step) const = 0;

 protected:
  using AnyRule::AnyRule;
};

}  // namespace gradus::optim
