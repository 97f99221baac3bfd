// The step with a closure: loss, gradient, products with the Hessian, estimates of curvature.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>

namespace gradus::optim {

/// All parameters as one vector, and the protocol of a closure.
class Optimizer::Loss final : public Objective {
 public:
  Loss(Optimizer& opt, Closure closure) : opt_(opt), closure_(closure) {
    opt.follow_all();
    for (const auto& e : opt.entries_) size_ += e.leaf.size();
    if (opt.rule().maximize()) sign_ = -1;
  }

  double evaluate() override {
    const Tensor loss = run();
    if (!has_gradients()) differentiable(loss).backward();
    return opt_.loss_ = sign_ * loss.item();
  }
  double evaluate_for_hessian() override {
    const Tensor loss = run();
    if (has_gradients())
      throw OptimError(opt_.rule().name(), "needs products with the Hessian, but the closure has run backward() itself",
                       "return the loss and leave backward() to the optimizer");
    recorded_ = for_live(grad({differentiable(loss)}, live(), {.create_graph = true, .allow_unused = true}));
    for (std::size_t i = 0; i < recorded_.size(); ++i) opt_.entries_[i].leaf.leaf()->grad = recorded_[i].detach();
    return opt_.loss_ = sign_ * loss.item();
  }
  std::vector<double> hessian_times(const std::vector<double>& v) override {
    std::vector<Tensor> parts;
    std::int64_t at = 0;
    for (const auto& e : opt_.entries_) {
      const auto from = v.begin() + at, to = from + e.leaf.size();
      parts.emplace_back(Array::of<double>(e.leaf.shape(), std::vector<double>(from, to)).to(e.leaf.dtype()));
      at += e.leaf.size();
    }
    const auto products = times(parts);
    std::size_t i = 0;
    auto all = gather([&](const Entry&) { return products[i++]; });
    if (sign_ < 0)
      for (double& x : all) x = -x;
    return all;
  }
  /// The Hessian of the closure's loss times v, both by parameter.
  std::vector<Array> times(const std::vector<Tensor>& v) {
    std::vector<Tensor> outputs, seeds, products(v.size());
    for (std::size_t i = 0; i < v.size(); ++i)
      if (recorded_[i].defined() && recorded_[i].requires_grad()) outputs.push_back(recorded_[i]), seeds.push_back(v[i]);
    if (!outputs.empty()) products = for_live(grad(outputs, live(), {.retain_graph = true, .allow_unused = true}, seeds));
    ++opt_.evaluations_.hessian_vector;
    std::vector<Array> all;
    for (std::size_t i = 0; i < v.size(); ++i)
      all.push_back(products[i].defined() ? products[i].array().contiguous()
                                          : Array::zeros(v[i].shape(), opt_.entries_[i].leaf.dtype()));
    return all;
  }
  std::int64_t size() const override { return size_; }
  std::vector<double> parameters() const override {
    return gather([](const Entry& e) { return e.leaf.array(); });
  }
  void set_parameters(const std::vector<double>& values) override {
    const double* from = values.data();
    for (auto& e : opt_.entries_) {
      if (e.leaf.requires_grad()) visit_real(e.leaf.dtype(), [&]<class T>() {
        T* w = e.leaf.writable().write<T>(opt_.rule().writer());
        for (std::int64_t i = 0; i < e.leaf.size(); ++i) w[i] = static_cast<T>(from[i]);
      });
      from += e.leaf.size();
    }
  }
  std::vector<double> gradient() const override {
    auto g = gather([](const Entry& e) { return e.leaf.leaf()->grad.array(); });
    if (sign_ < 0)
      for (double& x : g) x = -x;
    return g;
  }
  bool step_inner() override { return moved_ = opt_.pass_and_move({}); }
  bool moved() const { return moved_; }
  double sign() const { return sign_; }

 private:
  Tensor run() {
    opt_.zero_grad();
    Tensor loss = closure_();
    if (!loss.defined() || loss.size() != 1)
      throw OptimError(opt_.rule().name(), join("the closure must return a loss of one number, got ",
                                                loss.defined() ? describe(loss.array()) : "an absent tensor"));
    ++opt_.evaluations_.loss;
    ++opt_.evaluations_.gradient;
    return loss;
  }
  /// Without this a closure that has lost its history would train nothing and say nothing.
  const Tensor& differentiable(const Tensor& loss) const {
    if (loss.requires_grad()) return loss;
    throw OptimError(opt_.rule().name(), "the closure's loss has no history: it uses no parameter, or NoGrad was active");
  }
  /// The leaves that are not frozen; and one tensor for each of these as one for each parameter, absent for the frozen ones.
  std::vector<Tensor> live() const {
    std::vector<Tensor> all;
    for (const auto& e : opt_.entries_)
      if (e.leaf.requires_grad()) all.push_back(e.leaf);
    return all;
  }
  std::vector<Tensor> for_live(std::vector<Tensor> given) const {
    std::vector<Tensor> all(opt_.entries_.size());
    for (std::size_t i = 0, k = 0; i < all.size() && !given.empty(); ++i)
      if (opt_.entries_[i].leaf.requires_grad()) all[i] = std::move(given[k++]);
    return all;
  }
  bool has_gradients() const {
    return std::any_of(opt_.entries_.begin(), opt_.entries_.end(),
                       [](const Entry& e) { return e.leaf.leaf()->grad.defined(); });
  }
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
  std::vector<Tensor> recorded_;  // gradients that can be differentiated again
  std::int64_t size_ = 0;
  double sign_ = 1;
  bool moved_ = true;
};

namespace {

/// Random signs for parameter `place` after `steps` steps: streams with the top bit set, which no Generator hands out.
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

}  // namespace

bool Optimizer::asks(Curvature kind) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& e) { return rule_of(e).curvature(steps_) == kind; });
}

/// By parameter, absent where the rule does not ask: u H u with random signs u, or the square of the gradient that
/// `sampled` leaves.
std::vector<Array> Optimizer::estimate_curvature(Loss& loss, const Closure* sampled) {
  const NoGrad constants;
  std::vector<Array> estimates(entries_.size());
  const auto each = [&](Curvature kind, auto f) {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (rule_of(entries_[i]).curvature(steps_) == kind) estimates[i] = f(i).array().contiguous();
  };
  if (asks(Curvature::hutchinson)) {
    std::vector<Tensor> u;
    for (std::size_t i = 0; i < entries_.size(); ++i)
      u.emplace_back(random_signs(entries_[i].leaf, rule_of(entries_[i]).seed(), steps_, i));
    const auto products = loss.times(u);
    each(Curvature::hutchinson, [&](std::size_t i) { return u[i] * Tensor(products[i]); });
  }
  if (sampled && asks(Curvature::sampled)) {
    std::vector<Tensor> gradients;
    for (const auto& e : entries_) gradients.push_back(e.leaf.grad());
    const double before = loss_;
    {
      recording = true;
      Loss other(*this, *sampled);
      other.evaluate();
      recording = false;
    }
    each(Curvature::sampled, [&](std::size_t i) {
      const Tensor g = entries_[i].leaf.grad();
      return g.defined() ? square(g) : zeros(entries_[i].leaf.shape(), entries_[i].leaf.dtype());
    });
    for (std::size_t i = 0; i < entries_.size(); ++i) entries_[i].leaf.leaf()->grad = gradients[i];
    loss_ = before;
  }
  return estimates;
}

double Optimizer::step_closure(Closure closure, const Closure* sampled) {
  check_mode("step");
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
    look_for_mistakes();
    if (!loss.moved()) return before;
    ++steps_;
    for (const auto& f : after_) f(*this);
  } else {
    if (asks(Curvature::sampled) && !sampled)
      throw OptimError(rule().name(), "estimates the curvature at this step and needs a second closure",
                       "opt.step([&] { return loss; }, [&] { return loss_of_sampled_labels; })");
    before = loss.sign() * (asks(Curvature::hutchinson) ? loss.evaluate_for_hessian() : loss.evaluate());
    take_step(estimate_curvature(loss, sampled));
  }
  return before;
}

}  // namespace gradus::optim
