// The step of an Optimizer: which parameters move, and with which gradient.
#include <gradus/autograd/observe.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/rule/sparse.h>

#include <algorithm>
#include <tuple>

namespace gradus::optim {
namespace {

/// Throws for a parameter that its module has dropped: it gets no gradients any more, and its replacement would never move.
[[noreturn]] void throw_gone(const AnyRule& rule, const ParameterState& p) {
  throw OptimError(rule.name(),
                   join("parameter \"", p.name, "\" (", describe(p.leaf.array()),
                        ") is no part of a module any longer: it, or a module that held it, was replaced"),
                   "make a new optimizer after changing the module");
}

/// Throws for a gradient that does not fit: backward() traversed a tape recorded before the parameter was converted.
[[noreturn]] void throw_gradient(const AnyRule& rule, const ParameterState& p) {
  throw OptimError(rule.name(),
                   join("parameter \"", p.name, "\" is ", describe(p.leaf.array()), ", its gradient ",
                        describe(p.leaf.leaf()->grad_numbers())),
                   "run the model again after converting it, then backward()");
}

/// Throws if the first step finds no gradient at all. Later steps may: a batch need not pass through every part of a model.
[[noreturn]] void throw_without_gradients(const std::vector<ParameterState>& parameters) {
  const auto reached = [](const ParameterState& p) { return p.leaf.leaf()->reached > 0; };
  const auto frozen = [](const ParameterState& p) { return p.leaf.leaf()->frozen; };
  const std::string all = join("any of the ", parameters.size(), " parameters (\"", parameters[0].name, "\", ...)");
  if (std::any_of(parameters.begin(), parameters.end(), reached))
    throw OptimError("step", join("no gradient is left in ", all, ": zero_grad() ran after backward()"),
                     "zero_grad(), backward(), step(), in this order");
  if (std::all_of(parameters.begin(), parameters.end(), frozen))
    throw OptimError("step", join("no gradient can come to ", all, ": all are frozen"), "net.requires_grad_()");
  throw OptimError("step", join("no gradient has come to ", all),
                   "loss.backward() before it, of a loss that these parameters enter");
}

}  // namespace

void Optimizer::check_mode(const char* op) const {
  if (evaluating_)
    throw OptimError(op, join("the parameters are where ", rule().name(), " evaluates, not where it trains"), "opt.train()");
}

void Optimizer::step() try {
  const std::string hint = "opt.step([&] { return loss_of(model); })";
  if (rule().evaluates_loss()) throw OptimError(rule().name(), "evaluates the loss itself and needs a closure", hint);
  check_mode("step");
  for (const Group& g : spec_.groups) {
    const AnyRule& r = g.rule->moving();
    const bool curvature = r.curvature(steps_) != Curvature::none;
    if (curvature || r.uses_loss())
      throw OptimError(r.name(),
                       join(curvature ? "estimates the curvature" : "uses the loss", " at this step and needs a closure"),
                       hint);
  }
  before_moving();
  if (move_parameters({})) after_moving();
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

void Optimizer::before_moving() {
  warnings_.look(parameters_, spec_, steps_);
  for (const auto& f : before_) f(*this);
}

void Optimizer::after_moving() {
  ++steps_;
  for (const auto& f : after_) f(*this);
}

/// The parameters that have a gradient and are not frozen. Errors: OptimError before any parameter has changed.
std::vector<ParameterState*> Optimizer::ready_parameters() {
  std::vector<ParameterState*> ready;
  ready.reserve(parameters_.size());
  for (auto& p : parameters_) {
    const Leaf* leaf = p.leaf.leaf();
    if (leaf->moved_to) [[unlikely]]
      p.follow(rule(), steps_);
    if (leaf->frozen) continue;
    if (!leaf->has_grad()) {
      if (leaf->gone) [[unlikely]]
        throw_gone(rule(), p);
      continue;
    }
    if (!leaf->grad_fits(p.leaf.shape(), p.leaf.dtype())) [[unlikely]]
      throw_gradient(rule(), p);
    if (leaf->row_values.defined()) check_sparse(rule_of(p), p.name);
    drivers_[driver_of_group_[p.group]]->check({&p, &rule_of(p)});
    ready.push_back(&p);
  }
  if (steps_ == 0 && ready.empty()) throw_without_gradients(parameters_);
  return ready;
}

/// Prepares the whole step, then takes it: failing memory leaves everything as it was. False if a stage has held the step
/// back.
bool Optimizer::move_parameters(const std::vector<Array>& curvature) {
  auto ready = ready_parameters();
  if (spec_.follow(steps_))
    for (auto& p : parameters_) p.prepared = false;
  struct Release {
    Optimizer& of;
    ~Release() {
      for (auto& all : of.moved_) all.clear();
      for (auto& d : of.drivers_) d->release();
      if (of.spec_.stages.empty()) return;
      for (auto& p : of.parameters_) p.staged = {};
    }
  } release{*this};
  if (!spec_.stages.empty() && !pass_stages(spec_.stages, parameters_, ready)) return false;
  try {
    for (ParameterState* p : ready) {
      p->prepare(rule_of(*p));
      const auto place = static_cast<std::size_t>(p - parameters_.data());
      moved_[driver_of_group_[p->group]].push_back({p, &rule_of(*p), curvature.empty() ? Array() : curvature[place]});
    }
    for (std::size_t d = 0; d < drivers_.size(); ++d) drivers_[d]->prepare(moved_[d]);
  } catch (...) {
    for (ParameterState* p : ready) p->forget();
    throw;
  }
  for (auto& d : drivers_) d->step(loss_);
  if (op_observer) [[unlikely]]
    op_observer->passed("optimizer step");
  return true;
}

// ---- with a closure --------------------------------------------------------------------------------------------------

double Optimizer::step_closure(Closure closure, const Closure* sampled) {
  rule();  // throws for an optimizer that was moved from
  check_mode("step");
  follow_parameters();
  ClosureObjective loss(parameters_, rule(), closure, evaluations_, [this] { return move_parameters({}); });
  if (rule().evaluates_loss()) {
    for (const auto& f : before_) f(*this);
    spec_.follow(steps_);
    const auto start = loss.parameters();
    double before;
    try {
      before = loss.sign() * drivers_[driver_of_group_[0]]->step_by(loss);
    } catch (...) {
      loss.set_parameters(start);
      throw;
    }
    warnings_.look(parameters_, spec_, steps_);
    if (loss.moved()) after_moving();
    return before;
  }
  if (asks(Curvature::sampled) && !sampled)
    throw OptimError(rule().name(), "estimates the curvature at this step and needs a second closure",
                     "opt.step([&] { return loss; }, [&] { return loss_of_sampled_labels; })");
  loss_ = asks(Curvature::hutchinson) ? loss.evaluate_for_hessian() : loss.evaluate();
  const double before = loss.sign() * loss_;
  try {
    const auto curvature = estimate_curvature(loss, sampled);
    before_moving();
    if (move_parameters(curvature)) after_moving();
  } catch (const std::bad_alloc&) {
    no_memory_for(rule().name());
  }
  return before;
}

bool Optimizer::asks(Curvature kind) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const auto& p) { return rule_of(p).moving().curvature(steps_) == kind; });
}

/// The estimate of curvature for each parameter, absent where the rule asks for none: u H u with random signs u, or the
/// square of the gradient that `sampled` leaves.
std::vector<Array> Optimizer::estimate_curvature(ClosureObjective& loss, const Closure* sampled) {
  const NoGrad constants;
  std::vector<Array> estimates(parameters_.size());
  const auto each = [&](Curvature kind, auto f) {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (rule_of(parameters_[i]).moving().curvature(steps_) == kind) estimates[i] = f(i).array().contiguous();
  };
  if (asks(Curvature::hutchinson)) {
    std::vector<Tensor> u;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      u.emplace_back(random_signs(parameters_[i].leaf, rule_of(parameters_[i]).moving().seed(), steps_, i));
    const auto products = loss.times(u);
    each(Curvature::hutchinson, [&](std::size_t i) { return u[i] * Tensor(products[i]); });
  }
  if (sampled && asks(Curvature::sampled)) {
    const auto gradient_of = [](const ParameterState& p) {
      Leaf& l = *p.leaf.leaf();
      return std::tie(l.grad, l.touched, l.row_values);
    };
    std::vector<std::tuple<Tensor, TouchedRows, Array>> gradients;
    for (const auto& p : parameters_) gradients.emplace_back(gradient_of(p));
    {
      recording = true;
      ClosureObjective(parameters_, rule(), *sampled, evaluations_, {}).evaluate();
      recording = false;
    }
    each(Curvature::sampled, [&](std::size_t i) {
      const Tensor& leaf = parameters_[i].leaf;
      return leaf.grad().defined() ? square(leaf.grad()) : zeros(leaf.shape(), leaf.dtype());
    });
    for (std::size_t i = 0; i < parameters_.size(); ++i) gradient_of(parameters_[i]) = gradients[i];
  }
  return estimates;
}

// ---- two points ------------------------------------------------------------------------------------------------------

void Optimizer::eval() {
  if (evaluating_) return;
  follow_parameters();
  const NoGrad constants;
  for (auto& p : parameters_) {
    const AnyRule& r = rule_of(p).moving();
    if (!r.two_points()) continue;
    evaluating_ = true;
    if (p.t == 0) continue;  // training and evaluation point are the same
    p.prepare(rule_of(p));
    p.training_point = p.leaf.array().copy();
    const Tensor x = r.evaluation_point(Tensor(p.training_point), {p.slots.begin(), p.slots.end()});
    p.leaf.writable().assign(x.array(), r.writer());
  }
}

void Optimizer::train() {
  follow_parameters();
  for (auto& p : parameters_) {
    if (!p.training_point.defined()) continue;
    p.leaf.writable().assign(p.training_point, rule_of(p).moving().writer());
    p.training_point.reset();
  }
  evaluating_ = false;
}

}  // namespace gradus::optim
