// A pole stands on a cart, and falls unless the cart is pushed the right way: Barto, Sutton and Anderson, "Neuronlike
// adaptive elements that can solve difficult learning control problems", 1983, without friction; constants, limits and the
// 500 steps are those of CartPole-v1.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/random.h>
#include <gradus/examples/flags.h>

#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

namespace gradus::examples {

struct CartPole {
  static constexpr double gravity = 9.8, cart_mass = 1, pole_mass = 0.1, half_length = 0.5, force = 10, tau = 0.02;
  static constexpr double x_limit = 2.4, angle_limit = 12 * std::numbers::pi / 180;

  double x = 0, speed = 0, angle = 0, turn = 0;  ///< metres, radians (0 is upright), and what they change a second

  /// One step of Euler's method.
  void push(bool right) {
    const double sine = std::sin(angle), cosine = std::cos(angle), mass = cart_mass + pole_mass;
    const double pushed = ((right ? force : -force) + pole_mass * half_length * turn * turn * sine) / mass;
    const double turn_change =
        (gravity * sine - cosine * pushed) / (half_length * (4.0 / 3 - pole_mass * cosine * cosine / mass));
    const double speed_change = pushed - pole_mass * half_length * turn_change * cosine / mass;
    x += tau * speed, speed += tau * speed_change;
    angle += tau * turn, turn += tau * turn_change;
  }
  bool fallen() const { return !(std::abs(x) <= x_limit && std::abs(angle) <= angle_limit); }
};

/// Some carts side by side. One whose episode is over begins anew, all four numbers in U(-0.05, 0.05).
class CartPoles {
 public:
  static constexpr int64_t longest = 500;  ///< steps of an episode, each worth 1

  explicit CartPoles(int64_t count) : carts_(static_cast<std::size_t>(count)), steps_(carts_.size()) {
    for (std::size_t i = 0; i < carts_.size(); ++i) begin(i);
  }
  /// What is seen: f32 [N, 4].
  Tensor state() const {
    Array all({std::ssize(carts_), 4});
    float* to = all.uninitialized<float>();
    for (const CartPole& c : carts_)
      for (const double v : {c.x, c.speed, c.angle, c.turn}) *to++ = static_cast<float>(v);
    return Tensor(std::move(all));
  }
  struct Step {
    Tensor reached;     ///< [N, 4], before those whose episode is over begin anew
    Tensor fell, over;  ///< f32 [N], 0 or 1; over: it fell, or the time is up
    Tensor length;      ///< f32 [N]: of the episode so far
  };
  /// action i64 [N]: 1 pushes to the right.
  Step push(const Tensor& action) {
    for (std::size_t i = 0; i < carts_.size(); ++i) carts_[i].push(action.array().data<int64_t>()[i] == 1), ++steps_[i];
    const Tensor reached = state();
    std::vector<float> fell, over, length;
    for (std::size_t i = 0; i < carts_.size(); ++i) {
      fell.push_back(carts_[i].fallen());
      over.push_back(carts_[i].fallen() || steps_[i] >= longest);
      length.push_back(static_cast<float>(steps_[i]));
      if (over.back() != 0) begin(i);
    }
    const Shape n{std::ssize(carts_)};
    return {reached, tensor(n, fell), tensor(n, over), tensor(n, length)};
  }

  NamedArrays state_dict() const {
    Array all({std::ssize(carts_), 5}, f64);
    double* to = all.uninitialized<double>();
    for (std::size_t i = 0; i < carts_.size(); ++i)
      for (const double v : {carts_[i].x, carts_[i].speed, carts_[i].angle, carts_[i].turn, static_cast<double>(steps_[i])})
        *to++ = v;
    return {{"carts", all}};
  }
  void load_state_dict(const NamedArrays& state) {
    const double* from = state.at(0).second.data<double>();
    for (std::size_t i = 0; i < carts_.size(); ++i, from += 5)
      carts_[i] = {from[0], from[1], from[2], from[3]}, steps_[i] = static_cast<int64_t>(from[4]);
  }

 private:
  void begin(std::size_t i) {
    const Philox random = default_generator().next_stream();
    const auto near_zero = [&](std::uint64_t k) { return 0.1 * random.uniform(k) - 0.05; };
    carts_[i] = {near_zero(0), near_zero(1), near_zero(2), near_zero(3)}, steps_[i] = 0;
  }
  std::vector<CartPole> carts_;
  std::vector<int64_t> steps_;
};

using Scores = std::function<Tensor(const Tensor&)>;  ///< states [N, 4] -> a score of each action [N, 2]

/// How long each of 100 poles stands if the action with the largest score is always taken.
inline Tensor play(const Scores& scores_of) {
  const NoGrad guard;
  CartPoles carts(100);
  Tensor length = zeros({100});
  for (int64_t t = 0; t < CartPoles::longest && any(length == 0).item() == 1; ++t) {
    const auto step = carts.push(argmax(scores_of(carts.state()), 1));
    length = where((step.over == 1) & (length == 0), step.length, length);
  }
  return length;
}

inline training::Metric mean_return() {
  return {"mean_return", true,
          [](const Tensor& length, const Tensor&) {
            return std::vector{sum(length).item(), double(length.size())};
          },
          [](const std::vector<double>& sums) { return sums[0] / sums[1]; }};
}

/// Trains until the poles of a validation stand; the outcome is that of 100 new episodes.
inline Outcome learn_to_balance(const Flags& flags, nn::ModuleBase& net, optim::Optimizer& optimizer,
                                const data::DataLoader& turns, const training::StepFunction& step,
                                training::FitOptions options, const Scores& scores_of) {
  options.unit = "turns";
  options.after_record = {[](training::FitState& s) { s.stop = s.last->metrics[0] >= 495; }};
  Outcome outcome = flags.outcome(net, training::fit(net, optimizer, turns, step, options), options, "pole balancing", 25);
  outcome.value = mean(play(scores_of)).item();
  return outcome;
}

}  // namespace gradus::examples
