// AnyRule: a rule with its hyper-parameters, as the Optimizer sees it. How one is written: rule.h.
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
  std::string name;   ///< as in a spec: "adamw"
  std::string paper;  ///< who, what
  int year = 0;
};

/// A named Array of state that a parameter carries.
struct Slot {
  std::string name;
  bool kept = true;  ///< false: the options in force do not use it, and it is not allocated
  double initial = 0;
  bool from_w = false;  ///< its first values are the parameter's own
  Shape shape{};        ///< of slots_of(): the parameter's, unless the rule says otherwise
};

/// What a rule asks about second derivatives: nothing; products of the Hessian with random signs; the gradient of the loss
/// of labels sampled from the model.
enum class Curvature { none, hutchinson, sampled };

class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual std::unique_ptr<AnyRule> clone() const = 0;
  /// What steps parameters under this rule; see driver.h.
  virtual std::unique_ptr<Driver> new_driver() const = 0;
  /// What it must see at once, for lists: "element" (one number), "layer" (norms of a parameter), "matrix" (a whole
  /// parameter), "global" (sums over all of them), "closure" (the loss itself), "wrapper" (what the wrapped rule must see).
  virtual const char* shape() const = 0;

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
  /// "adamw(lr=0.001, beta1=0.9, ...)": reads back as an equal rule. Schedules stand in the place of their values, but for
  /// functions of the user's own.
  std::string spec(std::span<const Scheduled> scheduled = {}) const;

  /// What this rule does, as lines of text, for the options in force.
  virtual std::string equations() const = 0;
  /// Its state. Of a wrapper: what it has besides the wrapped rule's.
  virtual std::vector<Slot> slots() const { return {}; }
  /// Those of a parameter of this shape, the wrapped rule's first.
  std::vector<Slot> slots_of(const Shape& w) const;
  /// Numbers computed once per step, with their values before the first; saved with the state.
  virtual std::vector<NamedValue> first_step() const { return {}; }
  /// Brings them to step t = 1, 2, ...
  virtual void advance(double* /*step*/, std::int64_t /*t*/) const {}
  bool maximize() const { return maximize_; }  ///< of this rule alone, not of one that it wraps

  /// Of a wrapper (sam, lookahead): the rule that moves the parameters.
  virtual AnyRule* inner() { return nullptr; }
  const AnyRule* inner() const { return const_cast<AnyRule*>(this)->inner(); }
  virtual void set_inner(std::unique_ptr<AnyRule>) {}
  const AnyRule& moving() const { return inner() ? *inner() : *this; }

  /// Whether a step needs the loss itself: Optimizer::step(closure).
  virtual bool needs_closure() const { return false; }
  /// Whether the loss enters each step.
  virtual bool uses_loss() const { return false; }
  /// Whether it calls the closure, instead of being given gradients.
  virtual bool evaluates_loss() const { return false; }
  /// Whether it is given the gradients that have passed through stages.
  bool takes_gradients() const { return !evaluates_loss() || inner(); }
  /// Whether each number has values of its own to explain.
  virtual bool explains_elements() const { return inner() && inner()->explains_elements(); }
  /// Whether it trains at one point and is evaluated at another, which evaluation_point() gives.
  virtual bool two_points() const { return false; }
  virtual Tensor evaluation_point(const Tensor& w, const std::vector<Tensor>& /*slots*/) const { return w; }
  /// What it asks about second derivatives at the step after `steps` steps, and where it leaves the answer.
  virtual Curvature curvature(std::int64_t /*steps*/) const { return Curvature::none; }
  virtual void take_curvature(const Tensor& /*estimate*/, std::vector<Tensor>& /*slots*/) const {}
  virtual std::uint64_t seed() const { return 0; }  ///< of the random signs
  /// Whether only rows move to which some op has handed a gradient: autograd/touched_rows.h.
  virtual bool touched_rows_only() const { return false; }

 protected:
  explicit AnyRule(RuleInfo info);
  AnyRule(const AnyRule&) = default;
  AnyRule& operator=(const AnyRule&) = delete;
  virtual std::vector<Option> own_options() const = 0;
  virtual void write_option(std::size_t place, double value) = 0;
  virtual Range range_of(const std::string& option) const { return usual_range(option); }
  virtual std::string refusal() const { return {}; }  ///< why the options do not go together, or ""
  virtual void fit_slots(const Shape& /*w*/, std::vector<Slot>& /*slots*/) const {}  ///< shapes, and which are kept

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

// ---- the kinds of rules: what each driver asks of its own ------------------------------------------------------------

/// Each number by itself.
class ElementRule : public AnyRule {
 public:
  virtual void run(Dtype dtype, const Piece& piece) const = 0;
  /// The same update of element piece.begin, on copies.
  virtual ElementValues explain(Dtype dtype, const Piece& piece) const = 0;
  /// One recorded step; `hyper` replaces hyper-parameters by tensors.
  virtual void step_tensors(TensorState& state, const Tensor& g, const NamedTensors& hyper) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "element"; }
  bool explains_elements() const override { return true; }

 protected:
  using AnyRule::AnyRule;
};

/// Euclidean norms of a parameter, and of what its rule measures.
struct LayerNorms {
  double w = 0, measured = 0;
};

/// Each number makes a direction, or something else that is measured; with the norms of the parameter and of that, each
/// number moves.
class LayerRule : public AnyRule {
 public:
  /// Fills `out`, room for as many numbers as w has; w is left.
  virtual void measure(Dtype dtype, const Piece& piece, void* out) const = 0;
  /// Brings the norms into the numbers of the step.
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

/// Sums over all parameters first, then each number: two passes. Its numbers per step are one set for all parameters.
class GlobalRule : public AnyRule {
 public:
  virtual std::size_t sums() const = 0;
  /// The first pass over elements: may change the slots; adds its terms to sums().
  virtual void measure(Dtype dtype, const Piece& piece, double* sums) const = 0;
  /// Brings the numbers per step to what the sums over all parameters say.
  virtual void conclude(double* step, const double* sums, double loss) const = 0;
  /// The second pass.
  virtual void run(Dtype dtype, const Piece& piece) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "global"; }
  bool needs_closure() const override { return uses_loss(); }

 protected:
  using AnyRule::AnyRule;
};

/// A whole parameter at once, in ops.
class MatrixRule : public AnyRule {
 public:
  /// "" or what shape it needs.
  virtual std::string throw_shape(const Shape& shape) const = 0;
  /// Replaces w and the slots.
  virtual void update(const Tensor& g, Tensor& w, std::vector<Tensor>& slots, const double* step) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "matrix"; }

 protected:
  using AnyRule::AnyRule;
};

/// Wraps a rule, and acts on each number of a parameter after the steps of that rule.
class AfterRule : public AnyRule {
 public:
  /// Has one slot of its own for each parameter, which starts as w.
  virtual const char* kept_name() const = 0;
  std::vector<Slot> slots() const override { return {{kept_name(), true, 0, true}}; }
  /// After step t of the parameter: may write over w and what is kept, both dense. Takes no memory: that step is taken.
  virtual void after(Array& w, Array& kept, std::int64_t t) const = 0;

  std::unique_ptr<Driver> new_driver() const override;
  const char* shape() const override { return "wrapper"; }
  bool needs_closure() const override { return inner()->needs_closure(); }

 protected:
  using AnyRule::AnyRule;
};

}  // namespace gradus::optim
