// AnyRule: a rule with its hyperparameters, as the Optimizer sees it. How to write one: rule.h.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/optim/spec/options.h>

#include <memory>
#include <span>
#include <utility>

namespace gradus::optim {

class Driver;

/// A pointer that owns what it points to; its copy points to a clone.
template <class T> class Cloned {
 public:
  Cloned() = default;
  template <class U> Cloned(std::unique_ptr<U> p) : p_(std::move(p)) {}
  Cloned(const Cloned& o) : p_(o.p_ ? o.p_->clone() : nullptr) {}
  Cloned(Cloned&&) = default;
  Cloned& operator=(Cloned o) { return p_ = std::move(o.p_), *this; }
  explicit operator bool() const { return p_ != nullptr; }
  T* get() const { return p_.get(); }
  T* operator->() const { return p_.get(); }
  T& operator*() const { return *p_; }

 private:
  std::unique_ptr<T> p_;
};

/// An option that follows a schedule; see schedule.h.
struct Scheduled;

struct RuleInfo {
  std::string name;   ///< the name in a spec: "adamw"
  std::string paper;  ///< authors and title
  int year = 0;
};

/// A named Array of state that a parameter carries.
struct Slot {
  std::string name;
  bool kept = true;  ///< false: the options in force do not use it, and it is not allocated
  double initial = 0;
  bool from_w = false;  ///< its initial elements are the parameter's own
  Shape shape{};        ///< for slots_of(): the parameter's shape, unless the rule sets another
};

/// The second derivatives that a rule asks for: none; products of the Hessian with random signs; the gradient of the loss of
/// labels sampled from the model.
enum class Curvature { none, hutchinson, sampled };

class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual std::unique_ptr<AnyRule> clone() const = 0;
  /// A new driver for parameters under this rule; see driver.h.
  virtual std::unique_ptr<Driver> new_driver() const = 0;
  /// The kind of rule by what a step needs, for lists: "element" (one element), "layer" (norms of a parameter), "matrix" (a
  /// whole parameter), "global" (sums over all of them), "closure" (the loss itself), "wrapper" (the wrapped rule's needs).
  virtual const char* shape() const = 0;

  const RuleInfo& info() const { return info_; }
  const std::string& name() const { return info_.name; }
  /// The name for Array::write, which outlives the rule.
  const char* writer() const { return writer_; }

  /// All hyperparameters in order, `maximize` last; those of a wrapped rule follow the wrapper's.
  std::vector<Option> options() const;
  bool has(const std::string& option) const;
  /// The option of this name. Errors: OptimError with the nearest name, or with value and allowed range (nothing is
  /// changed).
  Option option(const std::string& name) const;
  double get(const std::string& name) const { return option(name).value; }
  void set(const std::string& name, double value);
  /// Checks that the options go together. Errors: OptimError.
  void check() const;
  /// The text of an equal rule: "adamw(lr=0.001, beta1=0.9, ...)". Schedules stand in the place of their values, except
  /// functions of the user's own.
  std::string spec(std::span<const Scheduled> scheduled = {}) const;

  /// The equations of the rule with the options in force, as lines of text.
  virtual std::string equations() const = 0;
  /// The slots of state; for a wrapper, those besides the wrapped rule's.
  virtual std::vector<Slot> slots() const { return {}; }
  /// The slots of a parameter of this shape, the wrapped rule's first.
  std::vector<Slot> slots_of(const Shape& w) const;
  /// The per-step values (computed once per step) before the first step; saved with the state.
  virtual std::vector<NamedValue> first_step() const { return {}; }
  /// Advances the per-step values to step t = 1, 2, ...
  virtual void advance(double* /*step*/, std::int64_t /*t*/) const {}
  bool maximize() const { return maximize_; }  ///< for this rule alone, not a wrapped one

  /// The rule that moves the parameters, if this is a wrapper (sam, lookahead).
  virtual AnyRule* inner() { return nullptr; }
  const AnyRule* inner() const { return const_cast<AnyRule*>(this)->inner(); }
  virtual void set_inner(std::unique_ptr<AnyRule>) {}
  const AnyRule& moving() const { return inner() ? *inner() : *this; }

  /// True if a step needs the loss itself: Optimizer::step(closure).
  virtual bool needs_closure() const { return false; }
  /// True if the loss enters each step.
  virtual bool uses_loss() const { return false; }
  /// True if the rule calls the closure, instead of getting gradients.
  virtual bool evaluates_loss() const { return false; }
  /// True if the rule gets the gradients that have passed through the stages.
  bool takes_gradients() const { return !evaluates_loss() || inner(); }
  /// True if explain() can show the values of a single element.
  virtual bool explains_elements() const { return inner() && inner()->explains_elements(); }
  /// True if the rule trains at one point and is evaluated at another, evaluation_point().
  virtual bool two_points() const { return false; }
  virtual Tensor evaluation_point(const Tensor& w, const std::vector<Tensor>& /*slots*/) const { return w; }
  /// The second derivatives asked for at the step after `steps` steps, and the slot for the answer.
  virtual Curvature curvature(std::int64_t /*steps*/) const { return Curvature::none; }
  virtual void take_curvature(const Tensor& /*estimate*/, std::vector<Tensor>& /*slots*/) const {}
  virtual std::uint64_t seed() const { return 0; }  ///< seed of the random signs
  /// True if only rows move to which some op accumulated a gradient: autograd/touched_rows.h.
  virtual bool touched_rows_only() const { return false; }

 protected:
  explicit AnyRule(RuleInfo info);
  AnyRule(const AnyRule&) = default;
  AnyRule& operator=(const AnyRule&) = delete;
  virtual std::vector<Option> own_options() const = 0;
  virtual void write_option(std::size_t place, double value) = 0;
  virtual Range range_of(const std::string& option) const { return usual_range(option); }
  virtual std::string refusal() const { return {}; }  ///< the reason why the options do not go together, or ""
  virtual void fit_slots(const Shape& /*w*/, std::vector<Slot>& /*slots*/) const {}  ///< sets shapes and `kept`

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
  double factor;  ///< factor of the gradient: -1 maximizes, clipping is below 1
  std::int64_t begin, end;
};

/// The values of one element through one update.
struct ElementValues {
  std::vector<NamedValue> before;  ///< g, w, then the kept slots
  std::vector<NamedValue> shown;   ///< values that the rule shows
  std::vector<NamedValue> after;   ///< kept slots, then w
};

/// The state of a differentiable step, read and replaced; all of one shape and dtype except `step`, which is 0-d.
struct TensorState {
  Tensor w;
  std::vector<Tensor> slots, step;  ///< empty before the first step
  std::int64_t t = 0;
};

// ---- the kinds of rules, with what each driver asks of its own -------------------------------------------------------

/// A rule that moves each element by itself.
class ElementRule : public AnyRule {
 public:
  virtual void run(Dtype dtype, const Piece& piece) const = 0;
  /// Explains the update of element piece.begin, on copies.
  virtual ElementValues explain(Dtype dtype, const Piece& piece) const = 0;
  /// Takes one recorded step; `hyper` replaces hyperparameters by tensors.
  virtual void step_tensors(TensorState& state, const Tensor& g, const NamedTensors& hyper) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "element"; }
  bool explains_elements() const override { return true; }

 protected:
  using AnyRule::AnyRule;
};

/// The Euclidean norms of a parameter, and of the direction or other value that its rule measures.
struct LayerNorms {
  double w = 0, measured = 0;
};

/// A rule that first computes a direction, or another measured value, for each element; the norms of the parameter and of
/// that value then enter the move of each element.
class LayerRule : public AnyRule {
 public:
  /// Computes the measured value into `out`, which has room for as many elements as w; w stays.
  virtual void measure(Dtype dtype, const Piece& piece, void* out) const = 0;
  /// Stores the norms in the per-step values.
  virtual void take_norms(double* /*step*/, const LayerNorms&) const {}
  virtual void move(Dtype dtype, const Piece& piece, const void* measured, const LayerNorms& norms) const = 0;
  virtual ElementValues explain(Dtype dtype, const Piece& piece, const LayerNorms& norms) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "layer"; }
  bool explains_elements() const override { return true; }

 protected:
  using AnyRule::AnyRule;
};

/// w -= length * direction, elements begin..end-1 of a piece.
void subtract_direction(Dtype dtype, const Piece& piece, const void* direction, double length);

/// A rule with two passes: sums over all parameters, then the move of each element. Its per-step values are common to all.
class GlobalRule : public AnyRule {
 public:
  virtual std::size_t sums() const = 0;
  /// The first pass over elements: may change the slots; adds its terms to sums().
  virtual void measure(Dtype dtype, const Piece& piece, double* sums) const = 0;
  /// Updates the per-step values from the sums over all parameters.
  virtual void conclude(double* step, const double* sums, double loss) const = 0;
  /// The second pass, which moves the elements.
  virtual void run(Dtype dtype, const Piece& piece) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "global"; }
  bool needs_closure() const override { return uses_loss(); }

 protected:
  using AnyRule::AnyRule;
};

/// A rule that moves a whole parameter at once, in ops.
class MatrixRule : public AnyRule {
 public:
  /// The required shape as text, "" if this one is right.
  virtual std::string throw_shape(const Shape& shape) const = 0;
  /// Computes the new w and slots.
  virtual void update(const Tensor& g, Tensor& w, std::vector<Tensor>& slots, const double* step) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "matrix"; }

 protected:
  using AnyRule::AnyRule;
};

/// A rule that wraps another, and acts on each element of a parameter after that rule's steps.
class AfterRule : public AnyRule {
 public:
  /// The name of its one slot for each parameter, which starts as w.
  virtual const char* kept_name() const = 0;
  std::vector<Slot> slots() const override { return {{kept_name(), true, 0, true}}; }
  /// Acts after step t of the parameter: may write w and its slot, both dense. Must not allocate: the step has been taken.
  virtual void after(Array& w, Array& kept, std::int64_t t) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "wrapper"; }
  bool needs_closure() const override { return inner()->needs_closure(); }

 protected:
  using AnyRule::AnyRule;
};

}  // namespace gradus::optim
