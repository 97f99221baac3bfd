// Drivers of rules that need a whole parameter, the loss itself, or another rule.
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/optim/driver/driver.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// Computes the new value of each parameter, then stores them all: failing memory leaves everything as it was.
class MatrixDriver final : public Driver {
 public:
  bool drives(const AnyRule& rule) const override { return dynamic_cast<const MatrixRule*>(&rule) != nullptr; }

  void check(const Driven& d) const override {
    const ParameterState& s = *d.state;
    if (const auto why = static_cast<const MatrixRule*>(d.rule)->throw_shape(s.leaf.shape()); !why.empty())
      throw OptimError(d.rule->name(), join("parameter \"", s.name, "\" is ", describe(s.leaf.array()), "; ", why),
                       join("opt.group(\"", s.name, "\", \"adamw(lr=1e-3)\")"));
  }

  void prepare(const std::vector<Driven>& all) override {
    const NoGrad constants;
    for (const Driven& d : all) {
      const ParameterState& s = *d.state;
      Moved m{d, s.leaf.array(), {}, s.step};
      d.rule->advance(m.step.data(), s.t + 1);
      Tensor g(s.gradient()), w(s.leaf.array());
      const double factor = d.rule->maximize() ? -s.staged.factor : s.staged.factor;
      if (factor != 1) g = factor * g;
      std::vector<Tensor> slots(s.slots.begin(), s.slots.end());
      static_cast<const MatrixRule*>(d.rule)->update(g, w, slots, m.step.data());
      m.w = w.array();
      for (const Tensor& slot : slots) m.slots.push_back(slot.defined() ? slot.array().contiguous() : Array());
      moved_.push_back(std::move(m));
    }
  }

  void step(double) override {
    for (Moved& m : moved_) {
      ParameterState& s = *m.of.state;
      ++s.t;
      s.step.swap(m.step);
      s.slots.swap(m.slots);
      s.leaf.writable().assign(m.w, m.of.rule->writer());
    }
  }
  void release() override { moved_.clear(); }

 private:
  const char* moved_at_once() const override { return "parameter"; }
  struct Moved {
    Driven of;
    Array w;
    std::vector<Array> slots;
    std::vector<double> step;
  };
  std::vector<Moved> moved_;
};

/// The base of drivers that hold the driver of a wrapped rule.
class WrapperDriver : public Driver {
 public:
  explicit WrapperDriver(const AnyRule& rule)
      : name_(rule.name()), inner_(rule.inner() ? rule.inner()->new_driver() : nullptr) {}
  bool drives(const AnyRule& rule) const override {
    return rule.name() == name_ && (!inner_ || inner_->drives(*rule.inner()));
  }
  void lead(AnyRule& rule) override {
    if (inner_) inner_->lead(*rule.inner());
  }
  void check(const Driven& d) const override {
    if (inner_) inner_->check(inside(d));
  }
  void prepare(const std::vector<Driven>& all) override {
    for (const Driven& d : all) within_.push_back(inside(d));
    inner_->prepare(within_);
  }
  void step(double loss) override { inner_->step(loss); }
  void release() override {
    if (inner_) inner_->release();
    within_.clear();
  }
  ElementValues explain(const Driven& one, std::int64_t index) const override {
    return inner_ ? inner_->explain(inside(one), index) : Driver::explain(one, index);
  }
  void archive(StateArchive& a, const std::vector<Driven>& all) override {
    if (!inner_) return Driver::archive(a, all);
    std::vector<Driven> within;
    for (const Driven& d : all) within.push_back(inside(d));
    inner_->archive(a, within);
  }

 protected:
  static Driven inside(const Driven& d) { return {d.state, d.rule->inner(), d.curvature}; }
  std::string name_;
  std::unique_ptr<Driver> inner_;  // null: no rule is wrapped
  std::vector<Driven> within_;
};

/// The driver of lookahead, which acts after the wrapped rule's steps. Its slot is the last of a parameter's.
class AfterDriver final : public WrapperDriver {
 public:
  using WrapperDriver::WrapperDriver;
  void prepare(const std::vector<Driven>& all) override {
    WrapperDriver::prepare(all);
    all_ = &all;
  }
  void step(double loss) override {
    inner_->step(loss);
    for (const Driven& d : *all_) rule_of(d).after(d.state->leaf.writable(), d.state->slots.back(), d.state->t);
  }
  ElementValues explain(const Driven& one, std::int64_t index) const override {
    const auto& rule = rule_of(one);
    const Dtype dtype = one.state->leaf.dtype();
    ElementValues values = inner_->explain(inside(one), index);
    NamedValue& w_after = values.after.back();
    Array w = Array::full({}, w_after.value, dtype), kept = Array::full({}, one.state->slots.back().element(index), dtype);
    values.before.push_back({rule.kept_name(), kept.item()});
    rule.after(w, kept, one.state->t + 1);
    w_after.value = w.item();
    values.after.insert(values.after.end() - 1, {rule.kept_name(), kept.item()});
    return values;
  }
  void archive(StateArchive& a, const std::vector<Driven>& all) override {
    WrapperDriver::archive(a, all);
    for (const Driven& d : all) {
      ParameterState& s = *d.state;
      if (s.t == 0) continue;
      const std::size_t place = d.rule->inner()->slots_of(s.leaf.shape()).size();
      s.slots.resize(place + 1);
      const std::string name = join(d.rule->name(), "/", rule_of(d).kept_name(), "/", s.name);
      a.array(name, s.slots[place], s.leaf.shape(), s.leaf.dtype());
    }
  }

 private:
  static const AfterRule& rule_of(const Driven& d) { return static_cast<const AfterRule&>(*d.rule); }
  const std::vector<Driven>* all_ = nullptr;
};

/// The driver of lbfgs, and of sam, whose wrapped rule steps by the gradients that sam has found.
class ClosureDriver final : public WrapperDriver {
 public:
  using WrapperDriver::WrapperDriver;
  void lead(AnyRule& rule) override {
    lead_ = static_cast<ClosureRule*>(&rule);
    WrapperDriver::lead(rule);
  }
  double step_by(Objective& objective) override { return lead_->step(objective); }

  /// Saves or loads vectors over all parameters in the parameters' shapes, under their names.
  void archive(StateArchive& a, const std::vector<Driven>& all) override {
    WrapperDriver::archive(a, all);
    NamedArrays state = a.loading() ? keys(a, *all[0].state) : lead_->state();
    for (auto& [key, value] : state) {
      const std::string name = lead_->name() + "/" + key;
      if (value.rank() == 0) {
        a.array(name, value, {}, f64);
        continue;
      }
      std::vector<double> joined;
      std::int64_t at = 0;
      for (const Driven& d : all) {
        const Tensor& leaf = d.state->leaf;
        Array part = a.loading() ? Array() : value.slice(0, at, at + leaf.size()).copy().reshape(leaf.shape());
        a.array(name + "/" + d.state->name, part, leaf.shape(), f64);
        at += leaf.size();
        if (a.loading() && part.defined())
          joined.insert(joined.end(), part.data<double>(), part.data<double>() + part.size());
      }
      if (a.loading()) value = Array::of<double>({static_cast<std::int64_t>(joined.size())}, joined);
    }
    if (a.loading()) lead_->load_state(state);
  }

 private:
  /// The names of its state: "lbfgs/KEY" for a value, and "lbfgs/KEY/PARAMETER" for a vector.
  NamedArrays keys(const StateArchive& a, const ParameterState& first) const {
    NamedArrays all;
    const std::string before = lead_->name() + "/";
    for (const auto& name : a.names()) {
      if (!name.starts_with(before)) continue;
      const std::string rest = name.substr(before.size()), key = rest.substr(0, rest.find('/'));
      if (key == rest) all.emplace_back(key, Array::zeros({}, f64));
      else if (rest.substr(key.size() + 1) == first.name) all.emplace_back(key, Array::zeros({0}, f64));
    }
    return all;
  }
  ClosureRule* lead_ = nullptr;
};

}  // namespace

std::unique_ptr<Driver> MatrixRule::new_driver() const { return std::make_unique<MatrixDriver>(); }
std::unique_ptr<Driver> AfterRule::new_driver() const { return std::make_unique<AfterDriver>(*this); }
std::unique_ptr<Driver> ClosureRule::new_driver() const { return std::make_unique<ClosureDriver>(*this); }

}  // namespace gradus::optim
