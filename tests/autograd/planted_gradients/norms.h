// Bugs 31 to 36: normalisations and losses, some as fused ops whose kernel is wrong.
#pragma once

#include <gradus/tests/autograd/planted_gradients/bug.h>

namespace gradus::planted {

/// Rows normalised; the kernel forgets the mean of the gradient. What it means is right.
struct LayerNorm {
  static constexpr const char* name = "planted layer norm";
  struct Saved {
    Array x;
  };
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.x)}; }
  static Tensor reference(const std::vector<Tensor>& x, const Saved&) { return layer_norm(x[0], {5}); }
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Tensor x(s.x), y = layer_norm(x, {5}), &g = b.grad();
      return (g - y * mean(g * y, {1}, true)) / sqrt(var(x, {1}, 0, true) + 1e-5);
    });
  }
  static Samples samples() { return any_samples(); }
};

/// x / sqrt(mean x^2 + 1e-4), whose kernel has 1e-6 there.
struct RmsNorm {
  static constexpr const char* name = "planted rms norm";
  struct Saved {
    Array x;
  };
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.x)}; }
  static Tensor reference(const std::vector<Tensor>& x, const Saved&) { return rms_norm(x[0], {5}, {}, 1e-4); }
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Tensor x(s.x), r = 1.0 / sqrt(mean(square(x), {1}, true) + 1e-6), y = x * r, &g = b.grad();
      return r * (g - y * mean(g * y, {1}, true));
    });
  }
  static Samples samples() { return any_samples(); }
};

template <class Op> Call fused_of_one() {
  return [](const std::vector<Tensor>& x) {
    const Tensor y = Op::reference({x[0].detach()}, {});
    return fused<Op>(
        y.array(), [&] { return typename Op::Saved{kept(x[0].array())}; }, x[0]);
  };
}

inline std::vector<Bug> norm_bugs() {
  const Array x = sample_values({3, 5});
  const auto batch = [](auto& t) { return batch_norm(t, ones({5}, f64), zeros({5}, f64)).y; };
  return {
      {"softmax",
       "without the sum over the row",
       "missing term",
       of_one([](auto& t) { return softmax(t); }, [](auto& g, auto&, auto& y) { return g * y; }),
       {x}},
      {"layer norm", "without the mean of the gradient", "missing term", fused_of_one<LayerNorm>(), {x}},
      {"rms norm", "eps 1e-6 in the backward pass, 1e-4 in the values", "constant", fused_of_one<RmsNorm>(), {x}},
      {"batch norm",
       "mean and variance are taken for constants",
       "missing term",
       of_one(batch, [](auto& g, auto& t, auto&) { return g / sqrt(var(t, {0}, 0, true) + 1e-5); }),
       {x}},
      {"var",
       "divided by n - 1, the values by n",
       "factor",
       of_one([](auto& t) { return var(t, {1}, 0); },
              [](auto& g, auto& t, auto&) { return unsqueeze(g, 1) * (t - mean(t, {1}, true)) * (2.0 / 4); }),
       {x}},
      {"logsumexp",
       "exp(x - max) without its sum",
       "factor",
       of_one([](auto& t) { return logsumexp(t, 1); },
              [](auto& g, auto& t, auto&) { return unsqueeze(g, 1) * exp(t - max(t, 1, true)); }),
       {x}},
  };
}

}  // namespace gradus::planted
