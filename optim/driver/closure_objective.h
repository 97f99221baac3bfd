// ClosureObjective: the loss of a closure as a function of all parameters as one vector.
#pragma once

#include <gradus/optim/driver/driver.h>

#include <functional>
#include <type_traits>

namespace gradus::optim {

/// A borrowed callable without arguments that returns the loss.
class Closure {
 public:
  template <class F>
  requires(std::is_invocable_r_v<Tensor, F&> && !std::is_same_v<std::remove_const_t<F>, Closure>) explicit Closure(F& f)
      : object_(const_cast<std::remove_const_t<F>*>(&f)), call_([](void* o) -> Tensor { return (*static_cast<F*>(o))(); }) {}
  Tensor operator()() const { return call_(object_); }

 private:
  void* object_;
  Tensor (*call_)(void*);
};

class ClosureObjective final : public Objective {
 public:
  /// `step_inner` is the objective's; evaluations are counted in `count`.
  ClosureObjective(std::vector<ParameterState>& parameters, const AnyRule& rule, Closure closure, Evaluations& count,
                   std::function<bool()> step_inner);
  double evaluate() override;
  double evaluate_for_hessian() override;
  std::vector<double> hessian_times(const std::vector<double>& v) override;
  /// The Hessian of the closure's loss times v, both with one tensor per parameter.
  std::vector<Array> times(const std::vector<Tensor>& v);
  std::int64_t size() const override { return size_; }
  std::vector<double> parameters() const override;
  void set_parameters(const std::vector<double>& values) override;
  std::vector<double> gradient() const override;
  bool step_inner() override { return moved_ = step_inner_(); }
  bool moved() const { return moved_; }  ///< false: a stage held the step back
  double sign() const { return sign_; }  ///< -1 with maximize=true

 private:
  Tensor run();
  const Tensor& differentiable(const Tensor& loss) const;
  std::vector<Tensor> live() const;
  std::vector<Tensor> for_live(std::vector<Tensor> given) const;
  bool has_gradients() const;
  template <class F> std::vector<double> gather(F array_of) const;

  std::vector<ParameterState>& all_;
  const AnyRule& rule_;
  Closure closure_;
  Evaluations& count_;
  std::function<bool()> step_inner_;
  std::vector<Tensor> recorded_;  // gradients that can be differentiated again
  std::int64_t size_ = 0;
  double sign_ = 1;
  bool moved_ = true;
};

/// Random signs for parameter `place` after `steps` steps, a function of the seed.
Array random_signs(const Tensor& w, std::uint64_t seed, std::int64_t steps, std::size_t place);

}  // namespace gradus::optim
