// The step: which parameters move, with what gradient, in one pass.
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>

namespace gradus::optim {

/// Parameters whose gradient is there. Errors: before anything has changed.
std::vector<Optimizer::Entry*> Optimizer::ready() {
  std::vector<Entry*> entries;
  entries.reserve(entries_.size());
  for (auto& e : entries_) {
    const Leaf* leaf = e.leaf.leaf();
    if (!leaf) throw OptimError(rule().name(), join("\"", e.name, "\" is no longer a leaf that wants a gradient"));
    if (!leaf->grad.defined()) continue;
    const AnyRule& r = rule_of(e);
    if (r.info().shape == RuleShape::matrix)
      if (const auto why = static_cast<const MatrixRule&>(r).refuse_shape(e.leaf.shape()); !why.empty())
        throw OptimError(r.name(), join("parameter \"", e.name, "\" is ", describe(e.leaf.array()), "; ", why),
                         join("opt.group(\"", e.name, "\", \"adamw(lr=1e-3)\")"));
    entries.push_back(&e);
  }
  return entries;
}

/// Slots that the options in force need and that are not there yet.
void Optimizer::prepare(Entry& e, const AnyRule& r) const {
  if (e.prepared) return;
  if (e.t == 0 && e.step.empty())
    for (const auto& v : r.first_step()) e.step.push_back(v.value);
  const auto slots = r.slots();
  e.slots.resize(slots.size());
  e.pointers.resize(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Array& a = e.slots[i];
    if (slots[i].kept && !a.defined()) a = Array::full(e.leaf.shape(), slots[i].initial, e.leaf.dtype());
    e.pointers[i] = slots[i].kept ? const_cast<char*>(a.bytes()) : nullptr;
  }
  e.prepared = true;
}

/// Dense numbers that are nobody else's while w is written.
Array Optimizer::gradient_of(const Entry& e) const {
  if (e.flow.defined()) return e.flow;
  const Array& g = e.leaf.leaf()->grad.array();
  return g.dense() && !g.same_numbers(e.leaf.array()) ? g : g.copy();
}

void Optimizer::add_work(Entry& e, std::vector<Array>& kept_alive) {
  const AnyRule& r = rule_of(e);
  const Dtype dtype = e.leaf.dtype();
  Array& w = e.leaf.writable();
  void* numbers = dtype == f32 ? static_cast<void*>(w.write<float>(r.writer())) : w.write<double>(r.writer());
  const Array& given = e.flow.defined() ? e.flow : e.leaf.leaf()->grad.array();
  const bool as_it_is = given.dense() && !given.same_numbers(w);
  if (!as_it_is) kept_alive.push_back(gradient_of(e));
  const void* g = as_it_is ? given.bytes() : kept_alive.back().bytes();
  const Piece piece{numbers, g, e.pointers.data(), e.step.data(), r.maximize() ? -e.factor : e.factor, 0, w.size()};
  if (r.info().shape == RuleShape::element)
    return element_work_.push_back({static_cast<const ElementRule*>(&r), dtype, piece});
  kept_alive.push_back(Array::like(w));
  void* direction = const_cast<char*>(kept_alive.back().bytes());
  layer_work_.push_back({static_cast<const LayerRule*>(&r), dtype, piece, direction, e.step.data()});
}

void Optimizer::move_matrix(Entry& e) const {
  const auto& r = static_cast<const MatrixRule&>(rule_of(e));
  const NoGrad constants;
  Tensor g(gradient_of(e)), w(e.leaf.array());
  const double factor = r.maximize() ? -e.factor : e.factor;
  if (factor != 1) g = factor * g;
  std::vector<Tensor> slots(e.slots.begin(), e.slots.end());
  r.update(g, w, slots, e.step.data());
  for (std::size_t i = 0; i < slots.size(); ++i) e.slots[i] = slots[i].array().contiguous();
  e.leaf.writable().assign(w.array(), r.writer());
}

void Optimizer::move(const std::vector<Entry*>& entries) {
  for (Entry* e : entries) prepare(*e, rule_of(*e));
  std::vector<Array> kept_alive;
  element_work_.clear();
  layer_work_.clear();
  for (Entry* e : entries) {
    rule_of(*e).advance(e->step.data(), ++e->t);
    if (rule_of(*e).info().shape == RuleShape::matrix) move_matrix(*e);
    else add_work(*e, kept_alive);
  }
  run_pass(element_work_);
  if (!layer_work_.empty()) run_pass(layer_work_);
}

void Optimizer::step() {
  if (rule().info().shape == RuleShape::closure)
    throw OptimError(rule().name(), "evaluates the loss itself and needs a closure",
                     "opt.step([&] { return loss_of(model); })");
  for (const auto& f : before_) f(*this);
  if (!pass_and_move()) return;
  ++steps_;
  for (const auto& f : after_) f(*this);
}

/// False if a stage has held the step back.
bool Optimizer::pass_and_move() {
  auto entries = ready();
  follow_schedules();
  if (!stages_.empty() && !pass_stages(entries)) return false;
  move(entries);
  if (!stages_.empty())
    for (Entry* e : entries) e->flow = {}, e->factor = 1;
  return true;
}

/// All parameters as one vector, and the protocol of a closure.
class Optimizer::Loss final : public Objective {
 public:
  Loss(Optimizer& opt, Closure closure) : opt_(opt), closure_(closure) {
    for (const auto& e : opt.entries_) size_ += e.leaf.size();
    if (opt.rule().maximize()) sign_ = -1;
  }

  double evaluate() override {
    opt_.zero_grad();
    const Tensor loss = closure_();
    if (!loss.defined() || loss.size() != 1)
      throw OptimError(opt_.rule().name(), join("the closure must return a loss of one number, got ",
                                                loss.defined() ? describe(loss.array()) : "an absent tensor"));
    ++opt_.evaluations_.loss;
    ++opt_.evaluations_.gradient;
    const bool done = std::any_of(opt_.entries_.begin(), opt_.entries_.end(),
                                  [](const Entry& e) { return e.leaf.leaf()->grad.defined(); });
    if (!done && loss.requires_grad()) loss.backward();
    return sign_ * loss.item();
  }
  std::int64_t size() const override { return size_; }
  std::vector<double> parameters() const override {
    return gather([](const Entry& e) { return e.leaf.array(); });
  }
  void set_parameters(const std::vector<double>& values) override {
    const double* from = values.data();
    for (auto& e : opt_.entries_) visit_real(e.leaf.dtype(), [&]<class T>() {
      T* w = e.leaf.writable().write<T>(opt_.rule().writer());
      for (std::int64_t i = 0; i < e.leaf.size(); ++i) w[i] = static_cast<T>(*from++);
    });
  }
  std::vector<double> gradient() const override {
    auto g = gather([](const Entry& e) { return e.leaf.leaf()->grad.array(); });
    if (sign_ < 0)
      for (double& x : g) x = -x;
    return g;
  }
  bool step_inner() override { return moved_ = opt_.pass_and_move(); }
  bool moved() const { return moved_; }
  double sign() const { return sign_; }

 private:
  template <class F>
  std::vector<double> gather(F array_of) const {
    std::vector<double> all(static_cast<std::size_t>(size_), 0.0);
    double* to = all.data();
    for (const auto& e : opt_.entries_) {
      if (const Array a = array_of(e).contiguous(); a.defined()) visit_real(a.dtype(), [&]<class T>() {
        std::copy_n(a.data<T>(), a.size(), to);
      });
      to += e.leaf.size();
    }
    return all;
  }
  Optimizer& opt_;
  Closure closure_;
  std::int64_t size_ = 0;
  double sign_ = 1;
  bool moved_ = true;
};

double Optimizer::step_closure(Closure closure) {
  Loss loss(*this, closure);
  double before;
  if (rule().info().shape == RuleShape::closure) {
    for (const auto& f : before_) f(*this);
    follow_schedules();
    const auto start = loss.parameters();
    try {
      before = loss.sign() * static_cast<ClosureRule&>(*groups_[0].rule).step(loss);
    } catch (...) {
      loss.set_parameters(start);
      throw;
    }
    if (!loss.moved()) return before;
    ++steps_;
    for (const auto& f : after_) f(*this);
  } else {
    before = loss.sign() * loss.evaluate();
    step();
  }
  return before;
}

}  // namespace gradus::optim
