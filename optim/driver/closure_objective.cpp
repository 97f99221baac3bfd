// The objective of a step with a closure: loss, gradient, products with the Hessian.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/optim/driver/closure_objective.h>
#include <gradus/optim/rule/sparse.h>

#include <algorithm>

namespace gradus::optim {

ClosureObjective::ClosureObjective(std::vector<ParameterState>& parameters, const AnyRule& rule, Closure closure,
                                   Evaluations& count, std::function<bool()> step_inner)
    : all_(parameters), rule_(rule), closure_(closure), count_(count), step_inner_(std::move(step_inner)) {
  for (const auto& p : all_) size_ += p.leaf.size();
  if (rule.maximize()) sign_ = -1;
}

Tensor ClosureObjective::run() {
  for (auto& p : all_) p.leaf.zero_grad();
  Tensor loss = closure_();
  if (!loss.defined() || loss.size() != 1)
    throw OptimError(rule_.name(), join("the closure must return a loss of one number, got ",
                                        loss.defined() ? describe(loss.array()) : "an absent tensor"));
  ++count_.loss;
  ++count_.gradient;
  return loss;
}

double ClosureObjective::evaluate() {
  const Tensor loss = run();
  const bool traversed = loss.node() && loss.node()->released;  // by the closure; other parameters got the gradients
  if (!has_gradients() && !traversed) differentiable(loss).backward();
  return sign_ * loss.item();
}

double ClosureObjective::evaluate_for_hessian() {
  const Tensor loss = run();
  if (has_gradients())
    throw OptimError(rule_.name(), "needs products with the Hessian, but the closure has run backward() itself",
                     "return the loss and leave backward() to the optimizer");
  recorded_ = for_live(grad({differentiable(loss)}, live(), {.create_graph = true, .allow_unused = true}));
  for (std::size_t i = 0; i < recorded_.size(); ++i) all_[i].leaf.leaf()->grad = recorded_[i].detach();
  return sign_ * loss.item();
}

std::vector<double> ClosureObjective::hessian_times(const std::vector<double>& v) {
  std::vector<Tensor> parts;
  std::int64_t at = 0;
  for (const auto& p : all_) {
    const auto from = v.begin() + at, to = from + p.leaf.size();
    parts.emplace_back(Array::of<double>(p.leaf.shape(), std::vector<double>(from, to)).to(p.leaf.dtype()));
    at += p.leaf.size();
  }
  const auto products = times(parts);
  std::size_t i = 0;
  auto all = gather([&](const ParameterState&) { return products[i++]; });
  if (sign_ < 0)
    for (double& x : all) x = -x;
  return all;
}

std::vector<Array> ClosureObjective::times(const std::vector<Tensor>& v) {
  std::vector<Tensor> outputs, seeds, products(v.size());
  for (std::size_t i = 0; i < v.size(); ++i)
    if (recorded_[i].defined() && recorded_[i].requires_grad()) outputs.push_back(recorded_[i]), seeds.push_back(v[i]);
  if (!outputs.empty()) products = for_live(grad(outputs, live(), {.retain_graph = true, .allow_unused = true}, seeds));
  ++count_.hessian_vector;
  std::vector<Array> all;
  for (std::size_t i = 0; i < v.size(); ++i)
    all.push_back(products[i].defined() ? products[i].array().contiguous()
                                        : Array::zeros(v[i].shape(), all_[i].leaf.dtype()));
  return all;
}

std::vector<double> ClosureObjective::parameters() const {
  return gather([](const ParameterState& p) { return p.leaf.array(); });
}

void ClosureObjective::set_parameters(const std::vector<double>& values) {
  const double* from = values.data();
  for (auto& p : all_) {
    if (p.leaf.requires_grad())
      visit_real(p.leaf.dtype(), [&]<class T>() {
        T* w = p.leaf.writable().write<T>(rule_.writer());
        for (std::int64_t i = 0; i < p.leaf.size(); ++i) w[i] = static_cast<T>(from[i]);
      });
    from += p.leaf.size();
  }
}

std::vector<double> ClosureObjective::gradient() const {
  auto g = gather([&](const ParameterState& p) {
    if (p.leaf.leaf()->row_values.defined()) check_sparse(rule_, p.name);
    return p.leaf.leaf()->grad.array();
  });
  if (sign_ < 0)
    for (double& x : g) x = -x;
  return g;
}

/// Throws if the loss has no history: otherwise a closure that lost its history would train nothing, without a message.
const Tensor& ClosureObjective::differentiable(const Tensor& loss) const {
  if (loss.requires_grad()) return loss;
  throw OptimError(rule_.name(), "the closure's loss has no history: it uses no parameter, or NoGrad was active");
}

/// The leaves that are not frozen; for_live() makes one tensor per leaf one per parameter, absent for frozen ones.
std::vector<Tensor> ClosureObjective::live() const {
  std::vector<Tensor> all;
  for (const auto& p : all_)
    if (p.leaf.requires_grad()) all.push_back(p.leaf);
  return all;
}
std::vector<Tensor> ClosureObjective::for_live(std::vector<Tensor> given) const {
  std::vector<Tensor> all(all_.size());
  for (std::size_t i = 0, k = 0; i < all.size() && !given.empty(); ++i)
    if (all_[i].leaf.requires_grad()) all[i] = std::move(given[k++]);
  return all;
}

bool ClosureObjective::has_gradients() const {
  return std::any_of(all_.begin(), all_.end(), [](const auto& p) { return p.leaf.leaf()->has_grad(); });
}

template <class F> std::vector<double> ClosureObjective::gather(F array_of) const {
  std::vector<double> all(static_cast<std::size_t>(size_), 0.0);
  double* to = all.data();
  for (const auto& p : all_) {
    if (const Array a = array_of(p).contiguous(); a.defined())
      visit_real(a.dtype(), [&]<class T>() { std::copy_n(a.data<T>(), a.size(), to); });
    to += p.leaf.size();
  }
  return all;
}

/// Random signs from streams with the top bit set, which no Generator hands out.
Array random_signs(const Tensor& w, std::uint64_t seed, std::int64_t steps, std::size_t place) {
  const Philox random{seed, std::uint64_t(1) << 63 | static_cast<std::uint64_t>(steps) << 20 | place};
  Array u(w.shape(), w.dtype());
  visit_real(w.dtype(), [&]<class T>() {
    T* to = u.uninitialized<T>();
    for (std::int64_t i = 0; i < u.size(); ++i) {
      const auto k = static_cast<std::uint64_t>(i);
      to[i] = random.word(k / 32) >> (k % 32) & 1 ? T(1) : T(-1);
    }
  });
  return u;
}

}  // namespace gradus::optim
