// The step: which parameters move, with what gradient, in one pass.
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/touched_rows.h>

#include <algorithm>
#include <functional>

namespace gradus::optim {
namespace {

/// What kept a parameter for its gradient learns that its numbers change.
void announce_write(Tensor& leaf, const AnyRule& r) {
  visit_real(leaf.dtype(), [&]<class T>() { leaf.writable().write<T>(r.writer()); });
}

}  // namespace

/// No gradient can come to it any more, and without a word the parameter in its place would never move.
void Optimizer::throw_gone(const Entry& e) const {
  throw OptimError(rule().name(), join("parameter \"", e.name, "\" (", describe(e.leaf.array()),
                                       ") is no part of a module any longer: it, or a module that held it, was replaced"),
                   "make a new optimizer after changing the module");
}

/// backward() went over a tape that was recorded before the parameter was converted.
void Optimizer::throw_gradient(const Entry& e) const {
  throw OptimError(rule().name(), join("parameter \"", e.name, "\" is ", describe(e.leaf.array()), ", its gradient ",
                                       describe(e.leaf.leaf()->grad.array())),
                   "run the model again after converting it, then backward()");
}

/// Parameters whose gradient is there. Errors: before anything has changed.
std::vector<Optimizer::Entry*> Optimizer::ready() {
  std::vector<Entry*> entries;
  entries.reserve(entries_.size());
  for (auto& e : entries_) {
    const Leaf* leaf = e.leaf.leaf();
    if (leaf->moved_to) [[unlikely]] follow(e);
    if (leaf->frozen) continue;
    if (!leaf->grad.defined()) {
      if (leaf->gone) [[unlikely]] throw_gone(e);
      continue;
    }
    if (leaf->grad.dtype() != e.leaf.dtype() || !(leaf->grad.shape() == e.leaf.shape())) [[unlikely]] throw_gradient(e);
    const AnyRule& r = rule_of(e);
    if (r.info().shape == RuleShape::matrix)
      if (const auto why = static_cast<const MatrixRule&>(r).throw_shape(e.leaf.shape()); !why.empty())
        throw OptimError(r.name(), join("parameter \"", e.name, "\" is ", describe(e.leaf.array()), "; ", why),
                         join("opt.group(\"", e.name, "\", \"adamw(lr=1e-3)\")"));
    entries.push_back(&e);
  }
  return entries;
}

/// Slots that the options in force need and that are not there yet.
void Optimizer::prepare(Entry& e, const AnyRule& r) const {
  if (e.prepared) return;
  if (e.t == 0 && e.step.empty() && r.info().shape != RuleShape::global)
    for (const auto& v : r.first_step()) e.step.push_back(v.value);
  const auto slots = r.slots_of(e.leaf.shape());
  e.slots.resize(slots.size());
  e.pointers.resize(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Array& a = e.slots[i];
    if (slots[i].kept && !(a.defined() && a.shape() == slots[i].shape))
      a = slots[i].from_w ? e.leaf.array().copy() : Array::full(slots[i].shape, slots[i].initial, e.leaf.dtype());
    e.pointers[i] = slots[i].kept ? const_cast<char*>(a.bytes()) : nullptr;
  }
  if (groups_[e.group].rule->info().shape == RuleShape::wrapper && !e.kept.defined()) e.kept = e.leaf.array().copy();
  e.prepared = true;
}

/// Dense numbers that are nobody else's while w is written.
Array Optimizer::gradient_of(const Entry& e) const {
  if (e.flow.defined()) return e.flow;
  const Array& g = e.leaf.leaf()->grad.array();
  return g.dense() && !g.shares_storage(e.leaf.array()) ? g : g.copy();
}

/// All of a parameter, for a pass.
Piece Optimizer::piece_of(Entry& e, std::vector<Array>& kept_alive) {
  const AnyRule& r = rule_of(e);
  const Array& w = e.leaf.array();
  void* numbers = const_cast<char*>(w.bytes());
  const Array& given = e.flow.defined() ? e.flow : e.leaf.leaf()->grad.array();
  const bool as_it_is = given.dense() && !given.shares_storage(w);
  if (!as_it_is) kept_alive.push_back(gradient_of(e));
  const void* g = as_it_is ? given.bytes() : kept_alive.back().bytes();
  return {numbers, g, e.pointers.data(), e.step.data(), r.maximize() ? -e.factor : e.factor, 0, w.size()};
}

void Optimizer::add_work(Entry& e, std::vector<Array>& kept_alive) {
  const AnyRule& r = rule_of(e);
  const Dtype dtype = e.leaf.dtype();
  Piece piece = piece_of(e, kept_alive);
  if (r.info().shape == RuleShape::element) {
    const auto& rule = static_cast<const ElementRule&>(r);
    if (!r.touched_rows_only()) return element_work_.push_back({&rule, dtype, piece});
    for (const Run& run : touched_rows(gradient_of(e))) {
      piece.begin = run.begin, piece.end = run.end;
      element_work_.push_back({&rule, dtype, piece});
    }
    return;
  }
  kept_alive.push_back(Array::like(e.leaf.array()));
  void* direction = const_cast<char*>(kept_alive.back().bytes());
  layer_work_.push_back({static_cast<const LayerRule*>(&r), dtype, piece, direction, e.step.data()});
}

Optimizer::Shared& Optimizer::shared_of(const AnyRule& rule) {
  for (Shared& s : shared_)
    if (s.rule == rule.name()) return s;
  shared_.push_back({rule.name(), 0, {}});
  for (const auto& v : rule.first_step()) shared_.back().step.push_back(v.value);
  return shared_.back();
}

/// Parameters under global rules: for each such rule its sums over all of them, then the step.
void Optimizer::move_globally(std::vector<Entry*> entries, std::vector<Array>& kept_alive) {
  while (!entries.empty()) {
    const std::string name = rule_of(*entries[0]).name();
    const auto leads = [&](const Group& g) { return g.rule->moving().name() == name; };
    const auto& lead = static_cast<const GlobalRule&>(std::find_if(groups_.begin(), groups_.end(), leads)->rule->moving());
    Shared& shared = shared_of(lead);
    lead.advance(shared.step.data(), ++shared.t);
    std::vector<GlobalWork> work;
    std::erase_if(entries, [&](Entry* e) {
      if (rule_of(*e).name() != name) return false;
      Piece piece = piece_of(*e, kept_alive);
      announce_write(e->leaf, rule_of(*e));
      piece.step = shared.step.data();
      work.push_back({static_cast<const GlobalRule*>(&rule_of(*e)), e->leaf.dtype(), piece});
      return true;
    });
    lead.conclude(shared.step.data(), measure(work).data(), loss_);
    run_pass(work);
  }
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

void Optimizer::take_curvature(Entry& e, const Array& estimate) const {
  const AnyRule& r = rule_of(e);
  const NoGrad constants;
  std::vector<Tensor> slots(e.slots.begin(), e.slots.end());
  r.take_curvature(Tensor(r.maximize() ? (-Tensor(estimate)).array() : estimate), slots);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!e.slots[i].defined()) continue;
    e.slots[i] = slots[i].array().contiguous();
    e.pointers[i] = const_cast<char*>(e.slots[i].bytes());
  }
}

/// What a wrapper does after the step.
void Optimizer::finish(Entry& e) const {
  const auto& whole = static_cast<const AfterRule&>(*groups_[e.group].rule);
  const NoGrad constants;
  Tensor w(e.leaf.array()), kept(e.kept);
  whole.after(w, kept, e.t);
  e.kept = kept.array().shares_storage(e.leaf.array()) ? kept.array().copy() : kept.array().contiguous();
  if (!w.array().shares_storage(e.leaf.array())) e.leaf.writable().assign(w.array(), whole.writer());
}

void Optimizer::move(const std::vector<Entry*>& entries, const std::vector<Array>& curvature) {
  std::vector<Array> kept_alive;
  std::vector<Entry*> global;
  element_work_.clear();
  layer_work_.clear();
  try {
    for (Entry* e : entries) {
      prepare(*e, rule_of(*e));
      const RuleShape shape = rule_of(*e).info().shape;
      if (shape == RuleShape::global) global.push_back(e);
      else if (shape != RuleShape::matrix) add_work(*e, kept_alive);
    }
  } catch (...) {
    for (Entry* e : entries)
      if (e->t == 0) e->slots = {}, e->pointers = {}, e->step = {}, e->kept.reset(), e->prepared = false;
    throw;
  }
  const auto begin = [&] {  // under elementwise rules nothing fails from here on: a step is taken, or nothing has changed
    for (Entry* e : entries) {
      ++e->t;
      const RuleShape shape = rule_of(*e).info().shape;
      if (shape == RuleShape::global) continue;
      const auto place = static_cast<std::size_t>(e - entries_.data());
      if (place < curvature.size() && curvature[place].defined()) take_curvature(*e, curvature[place]);
      rule_of(*e).advance(e->step.data(), e->t);
      if (shape == RuleShape::matrix) move_matrix(*e);
      else announce_write(e->leaf, rule_of(*e));
    }
  };
  run_pass(element_work_, std::ref(begin));
  if (!layer_work_.empty()) run_pass(layer_work_);
  if (!global.empty()) move_globally(std::move(global), kept_alive);
  for (Entry* e : entries)
    if (groups_[e->group].rule->info().shape == RuleShape::wrapper) finish(*e);
}

void Optimizer::check_mode(const char* op) const {
  if (groups_.empty()) throw_moved_from();
  if (evaluating_)
    throw OptimError(op, join("the parameters are where ", rule().name(), " evaluates, not where it trains"), "opt.train()");
}

void Optimizer::step() {
  check_mode("step");
  if (rule().info().shape == RuleShape::closure)
    throw OptimError(rule().name(), "evaluates the loss itself and needs a closure",
                     "opt.step([&] { return loss_of(model); })");
  for (const Group& g : groups_) {
    const AnyRule& r = g.rule->moving();
    const bool curvature = r.curvature(steps_) != Curvature::none;
    if (curvature || (r.info().shape == RuleShape::global && r.needs_closure()))
      throw OptimError(r.name(),
                       join(curvature ? "estimates the curvature" : "uses the loss", " at this step and needs a closure"),
                       "opt.step([&] { return loss_of(model); })");
  }
  take_step({});
}

void Optimizer::take_step(const std::vector<Array>& curvature) try {
  look_for_mistakes();
  for (const auto& f : before_) f(*this);
  if (!pass_and_move(curvature)) return;
  ++steps_;
  for (const auto& f : after_) f(*this);
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

/// Later a step may find none: a part of a model that this batch did not go through. The first one is a mistake.
void Optimizer::throw_without_gradients() const {
  const auto reached = [](const Entry& e) { return e.leaf.leaf()->reached > 0; };
  const auto frozen = [](const Entry& e) { return e.leaf.leaf()->frozen; };
  const std::string all = join("any of the ", entries_.size(), " parameters (\"", entries_[0].name, "\", ...)");
  if (std::any_of(entries_.begin(), entries_.end(), reached))
    throw OptimError("step", join("no gradient is left in ", all, ": zero_grad() ran after backward()"),
                     "zero_grad(), backward(), step(), in this order");
  if (std::all_of(entries_.begin(), entries_.end(), frozen))
    throw OptimError("step", join("no gradient can come to ", all, ": all are frozen"), "net.requires_grad_()");
  throw OptimError("step", join("no gradient has come to ", all),
                   "loss.backward() before it, of a loss that these parameters enter");
}

/// False if a stage has held the step back.
bool Optimizer::pass_and_move(const std::vector<Array>& curvature) {
  auto entries = ready();
  if (steps_ == 0 && entries.empty()) throw_without_gradients();
  follow_schedules();
  if (!stages_.empty() && !pass_stages(entries)) return false;
  move(entries, curvature);
  if (!stages_.empty())
    for (Entry* e : entries) e->flow = {}, e->factor = 1;
  return true;
}

// ---- two points -------------------------------------------------------------------------------------------------------

void Optimizer::eval() {
  if (evaluating_) return;
  follow_all();
  const NoGrad constants;
  for (auto& e : entries_) {
    const AnyRule& r = rule_of(e);
    if (!r.two_points()) continue;
    evaluating_ = true;
    if (e.t == 0) continue;  // the points are still one
    prepare(e, r);
    e.training_point = e.leaf.array().copy();
    const Tensor x = r.evaluation_point(Tensor(e.training_point), {e.slots.begin(), e.slots.end()});
    e.leaf.writable().assign(x.array(), r.writer());
  }
}

void Optimizer::train() {
  follow_all();
  for (auto& e : entries_) {
    if (!e.training_point.defined()) continue;
    e.leaf.writable().assign(e.training_point, rule_of(e).writer());
    e.training_point.reset();
  }
  evaluating_ = false;
}

}  // namespace gradus::optim
