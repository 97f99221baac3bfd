// Bugs 37 to 40: buffers, states, and gradients that are right once but not twice.
#pragma once

#include <gradus/tests/autograd/planted_gradients/bug.h>

#include <memory>

namespace gradus::planted {

/// sin with one buffer for all calls: the backward pass reads what the latest call left there.
inline Call one_buffer() {
  const auto buffer = std::make_shared<Array>();
  return [buffer](const std::vector<Tensor>& in) {
    return wrong(
        {in[0]},
        [buffer](auto& x) {
          *buffer = x[0].array().copy();
          return sin(x[0]);
        },
        [buffer](BackwardContext& b, const Kept&) { b.accumulate(0, [&] { return b.grad() * cos(Tensor(*buffer)); }); });
  };
}

/// h' = (1 - z) h + z n, where the gradient of z reads h'.
inline Tensor update(const std::vector<Tensor>& in) {
  return wrong(
      {in[0], in[1], in[2]}, [](auto& x) { return (1.0 - x[1]) * x[0] + x[1] * x[2]; },
      [](BackwardContext& b, const Kept& k) {
        const Tensor& g = b.grad();
        b.accumulate(0, [&] { return g * (1.0 - k.x(1)); });
        b.accumulate(1, [&] { return g * (k.x(2) - k.y()); });
        b.accumulate(2, [&] { return g * k.x(1); });
      });
}

/// sin and, as its backward pass, a cos whose own backward pass lacks the minus.
inline Tensor twice(const Tensor& x) {
  const auto cosine = of_one([](auto& t) { return cos(t); }, [](auto& g, auto& t, auto&) { return g * sin(t); });
  return of_one([](auto& t) { return sin(t); }, [cosine](auto& g, auto& t, auto&) { return g * cosine({t}); })({x});
}

inline std::vector<Bug> state_bugs() {
  const Array x = sample_values({3, 4}), z = sample_values({3, 4}, 0, 1, 2), n = sample_values({3, 4}, -2, 2, 3);
  const auto cube = [](const std::vector<Tensor>& in) {
    return wrong(
        {in[0]}, [](auto& t) { return pow(t[0], 3); },
        [](BackwardContext& b, const Kept& k) {
          b.accumulate(0, [&] { return b.grad() * (3.0 * square(Tensor(k.inputs[0]))); });
        });
  };
  return {
      {"sin", "one buffer for all calls", "stale", one_buffer(), {x}},
      {"gated update", "the state after the update where the one before was meant", "stale", update, {x, z, n}},
      {"cube", "the backward pass takes x for a constant", "detached", cube, {x}, 2},
      {"sin", "the minus of the second derivative is forgotten", "sign", [](auto& t) { return twice(t[0]); }, {x}, 2},
  };
}

}  // namespace gradus::planted
