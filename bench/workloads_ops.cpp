// W1: the overhead of an op. W8: single ops on much data.
#include <gradus/autograd/ops.h>
#include <gradus/bench/workloads.h>

namespace gradus::bench {
namespace {

struct Small {
  Tensor x = randn({8}), w = leaf(randn({8}).array()), b = leaf(randn({8}).array());
};

Step forward_backward() {
  return [s = Small()] {
    s.w.zero_grad();
    s.b.zero_grad();
    sum(relu(s.x * s.w + s.b)).backward();
  };
}

Step forward_only() {
  return [s = Small()] { const Tensor y = sum(relu(s.x * s.w + s.b)); };
}

Step add_unrecorded() {
  return [s = Small()] {
    NoGrad guard;
    const Tensor y = s.x + s.w;
  };
}

/// `f` of two tensors, no gradients; `streams` of them are read or written once at least.
template <class F> Workload op(const std::string& name, const Shape& shape, int streams, F f) {
  return {"W8_" + name, "us", static_cast<double>(streams * 4 * shape.size()), [shape, f] {
            return Step([f, x = randn(shape), y = randn(shape)] {
              NoGrad guard;
              f(x, y);
            });
          }};
}

struct Images {
  int64_t n, channels, size, out;
  std::string name() const {
    return "n" + std::to_string(n) + "_" + std::to_string(channels) + "x" + std::to_string(size) + "x" +
           std::to_string(size) + "_to" + std::to_string(out);
  }
  Tensor x() const { return randn({n, channels, size, size}); }
  Tensor weight() const { return randn({out, channels, 3, 3}); }
};

Workload convolution_forward(const Images& g) {
  return {"W8_conv_" + g.name() + "_fwd", "us", 0, [g] {
            return Step([x = g.x(), w = g.weight(), b = randn({g.out})] {
              NoGrad guard;
              conv2d(x, w, b, {.padding = 1});
            });
          }};
}
Workload convolution_backward(const Images& g) {
  return {"W8_conv_" + g.name() + "_fwdbwd", "us", 0, [g] {
            const Tensor seed = randn({g.n, g.out, g.size, g.size});
            return Step([seed, x = leaf(g.x().array()), w = leaf(g.weight().array()), b = leaf(randn({g.out}).array())] {
              for (const Tensor* t : {&x, &w, &b}) t->zero_grad();
              conv2d(x, w, b, {.padding = 1}).backward(seed);
            });
          }};
}

}  // namespace

std::vector<Workload> overhead_workloads() {
  return {
      {"W1_fwd_bwd", "ns", 0, forward_backward},
      {"W1_fwd_tape", "ns", 0, forward_only},
      {"W1_add_nograd", "ns", 0, add_unrecorded},
  };
}

std::vector<Workload> op_workloads() {
  const Shape large{4096, 1024};
  std::vector<Workload> all = {
      op("softmax", large, 2, [](const Tensor& x, const Tensor&) { softmax(x, 1); }),
      op("layernorm", large, 2, [](const Tensor& x, const Tensor&) { layer_norm(x, {1024}); }),
      op("gelu", large, 2, [](const Tensor& x, const Tensor&) { gelu(x); }),
      op("exp", large, 2, [](const Tensor& x, const Tensor&) { exp(x); }),
      op("tanh", large, 2, [](const Tensor& x, const Tensor&) { tanh(x); }),
      op("add", large, 3, [](const Tensor& x, const Tensor& y) { x + y; }),
      op("sum", large, 1, [](const Tensor& x, const Tensor&) { sum(x); }),
      op("sum_rows", large, 1, [](const Tensor& x, const Tensor&) { sum(x, {1}); }),
      op("sum_cols", large, 1, [](const Tensor& x, const Tensor&) { sum(x, {0}); }),
      op("matmul512", {512, 512}, 0, [](const Tensor& x, const Tensor& y) { matmul(x, y); }),
      op("bmm64", {64, 64, 64}, 0, [](const Tensor& x, const Tensor& y) { matmul(x, y); }),
  };
  for (const Images& g : {Images{32, 3, 32, 16}, {32, 16, 32, 16}, {32, 32, 16, 32}, {32, 64, 8, 64}, {4, 64, 56, 64}}) {
    all.push_back(convolution_forward(g));
    all.push_back(convolution_backward(g));
  }
  return all;
}

}  // namespace gradus::bench
