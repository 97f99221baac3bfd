// Sixteen more bugs, written down after the diagnosis was finished: how well it does where nobody looked.
#pragma once

#include <gradus/tests/autograd/planted_gradients/products.h>
#include <gradus/tests/autograd/planted_gradients/windows.h>

namespace gradus::planted {

/// h <- tanh(w h + x) three times; the backward pass sees the last step only.
inline Tensor truncated(const std::vector<Tensor>& in) {
  const auto step = [](const Tensor& w, const Tensor& h, const Tensor& x) { return tanh(matmul(h, w) + x); };
  Tensor h = in[1];
  for (int i = 0; i < 2; ++i) h = step(in[0], h, in[1]).detach();
  return step(in[0], h, in[1]);
}

/// Every number twice, side by side; the backward pass takes the first of each pair.
inline Call doubled() {
  return of_one([](auto& x) { return repeat_interleave(square(x), 2, 1); },
                [](auto& g, auto& x, auto&) { return 2.0 * (x * slice(g, 1, 0, g.dim(1), 2)); });
}

inline std::vector<Bug> held_out_rows() {
  const Array a = sample_values({3, 4}), b = sample_values({3, 4}, 0.5, 2, 2), labels = ints({1, 3, 0}).array();
  const auto entropy = [](const std::vector<Tensor>& in) {
    const Tensor y = in[1];
    return of_one([y](auto& x) { return cross_entropy(x, y); },
                  [](auto& g, auto& x, auto&) {
                    return g * (softmax(x) - one_hot(ints({2, 0, 1}), 4, f64)) / 3.0;
                  })({in[0]});
  };
  const auto group = of_one([](auto& x) { return group_norm(x, 2, {}, {}, 1e-3); },
                            [](auto& g, auto& x, auto&) {
                              const Tensor again = leaf(x.array());
                              return grad({group_norm(again, 2, {}, {}, 1e-5)}, {again}, {}, {g.detach()})[0];
                            });
  const auto prelu_weight = of_two(
      [](auto& x, auto& w) { return prelu(x, w); }, [](auto& g, auto& x, auto& w) { return where(x > 0.0, g, g * w); },
      [](auto& g, auto& x, auto&) { return reshape(mean(where(x > 0.0, Tensor(0.0), g * x)), {1}); });
  return {
      {"log_softmax",
       "without the sum of the gradient",
       "missing term or detached",
       of_one([](auto& x) { return log_softmax(x); }, [](auto& g, auto&, auto&) { return g; }),
       {a}},
      {"prelu", "the slope's gradient is a mean, not a sum", "missing sum", prelu_weight, {a, sample_values({1}, 0.1, 0.5)}},
      {"std",
       "the gradient of the variance",
       "factor",
       of_one([](auto& x) { return std(x, {1}); },
              [](auto& g, auto& x, auto&) { return unsqueeze(g, 1) * (x - mean(x, {1}, true)) * (2.0 / 3); }),
       {a}},
      {"mse_loss",
       "the target's gradient has the prediction's sign",
       "sign",
       of_two([](auto& x, auto& y) { return mse_loss(x, y); }, [](auto& g, auto& x, auto& y) { return g * (x - y) / 6.0; },
              [](auto& g, auto& x, auto& y) { return g * (x - y) / 6.0; }),
       {a, b}},
      {"cross_entropy", "one is subtracted at other labels", "misplaced", entropy, {a, labels}},
      {"logaddexp",
       "the shares of a and b are exchanged",
       "swapped",
       of_two([](auto& x, auto& y) { return logaddexp(x, y); }, [](auto& g, auto& x, auto& y) { return g * sigmoid(y - x); },
              [](auto& g, auto& x, auto& y) { return g * sigmoid(x - y); }),
       {a, b}},
      {"max",
       "the gradient goes to the smallest of the row",
       "misplaced",
       of_one([](auto& x) { return max(x, 1); },
              [](auto& g, auto& x, auto&) { return unsqueeze(g, 1) * one_hot(argmin(x, 1), 4, f64); }),
       {a}},
      {"tril",
       "triu in the backward pass",
       "mask",
       of_one([](auto& x) { return tril(x); }, [](auto& g, auto&, auto&) { return triu(g); }),
       {a}},
  };
}

inline std::vector<Bug> held_out_windows() {
  const Array a = sample_values({3, 4}), square_matrix = sample_values({3, 3}, -1, 1, 5);
  const auto drop = [](double scale, std::uint64_t seed) {
    return of_one([](auto& x) { return dropout(x, 0.4, 7); },
                  [=](auto& g, auto&, auto&) { return dropout(g, 0.4, seed) * scale; });
  };
  const auto gathered = of_one(
      [](auto& x) {
        return index_select(square(x), 1, ints({0, 2}));
      },
      [](auto& g, auto& x, auto&) {
        return 2.0 * (x * index_add(zeros({3, 4}, f64), 1, ints({1, 3}), g));
      });
  const auto strided = of_two([](auto& x, auto& w) { return conv1d(x, w, {}, {.stride = 2}); },
                              [](auto& g, auto&, auto& w) {
                                return pad(conv_transpose1d(g, w), {0, 3});
                              },
                              [](auto& g, auto& x, auto&) {
                                return transpose(conv1d(transpose(x, 0, 1), transpose(g, 0, 1), {}, {.dilation = 2}), 0, 1);
                              });
  return {
      {"dropout", "without 1 / (1 - p)", "factor", drop(0.6, 7), {a}},
      {"dropout", "another mask in the backward pass", "mask", drop(1, 8), {a}},
      {"linear",
       "x^T g where g^T x was meant",
       "transposed",
       of_two([](auto& x, auto& w) { return linear(x, w); }, [](auto& g, auto&, auto& w) { return matmul(g, w); },
              [](auto& g, auto& x, auto&) { return matmul(turned(x), g); }),
       {sample_values({2, 3}), square_matrix}},
      {"average pool",
       "divided by the kernel's width, not its area",
       "factor",
       of_one([](auto& x) { return avg_pool2d(x, 2); },
              [](auto& g, auto&, auto&) { return repeat_interleave(repeat_interleave(g, 2, 2), 2, 3) / 2.0; }),
       {sample_values({1, 1, 4, 6})}},
      {"index_select", "every index one too large", "shifted", gathered, {a}},
      {"upsampling", "the gradient of one of two copies", "missing sum or detached", doubled(), {a}},
      {"conv1d",
       "stride 1 in the input's gradient, 2 in the values",
       "misplaced",
       strided,
       {sample_values({1, 2, 8}), sample_values({3, 2, 2}, -2, 2, 2)}},
      {"recurrence",
       "the backward pass stops after one step",
       "detached",
       truncated,
       {square_matrix, sample_values({3, 3})}},
  };
}

inline std::vector<Bug> held_out_bugs() {
  auto all = held_out_rows();
  for (const Bug& bug : held_out_windows()) all.push_back(bug);
  return all;
}

}  // namespace gradus::planted
