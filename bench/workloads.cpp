// The workloads, each the same as its PyTorch twin in bench/peers/torch_peer.py: the eager step of a training loop, with
// gradients absent at its start, inputs made beforehand and rotated.
#include <gradus/bench/harness.h>
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/compare/networks.h>

#include <memory>

namespace gradus::bench {
namespace {

Array random_normal(const Shape& shape) { return normal(shape, 0, 1, default_generator().next_stream()); }

Array random_labels(int64_t n, int64_t classes) {
  const Philox random = default_generator().next_stream();
  Array labels({n}, i64);
  for (int64_t i = 0; i < n; ++i)
    labels.uninitialized<int64_t>()[i] =
        static_cast<int64_t>(random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(classes)));
  return labels;
}

// ---- W1: 8 ops on 8 numbers -----------------------------------------------------------------------------------------

struct Small {
  Tensor x{random_normal({8})}, w = leaf(random_normal({8})), b = leaf(random_normal({8}));
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

// ---- W2, W3: whole training steps -----------------------------------------------------------------------------------

template <class Network> Step supervised(const std::string& optimizer, const Shape& input) {
  struct State {
    Network network;
    optim::Optimizer optimizer;
    std::vector<Tensor> x, y;
    std::size_t next = 0;
    explicit State(const std::string& spec) : optimizer(optim::make(spec, network.named_parameters())) {}
  };
  auto s = std::make_shared<State>(optimizer);
  for (int i = 0; i < 8; ++i) {
    s->x.emplace_back(random_normal(input));
    s->y.emplace_back(random_labels(input[0], 10));
  }
  return [s] {
    const std::size_t i = s->next++ % s->x.size();
    s->optimizer.zero_grad();
    cross_entropy(s->network(s->x[i]), s->y[i]).backward();
    s->optimizer.step();
  };
}

Workload mlp(const std::string& name, const std::string& spec) {
  return {"W2_mlp_" + name, "us", 0, [spec] { return supervised<tools::Mlp>(spec, {64, 784}); }};
}

// ---- W5: an LSTM over whole sequences, and the gradients of its input and weights -----------------------------------

Step lstm_forward_backward() {
  struct State {
    nn::LSTM lstm{64, 256};
    Tensor x = leaf(random_normal({64, 32, 64})), seed{random_normal({64, 32, 256})};
  };
  auto s = std::make_shared<State>();
  return [s] {
    s->lstm.zero_grad();
    s->x.zero_grad();
    sum(s->lstm(s->x).y * s->seed).backward();
  };
}

// ---- W7: the optimizer alone, 100 tensors of [100, 1000]; and AdamW on one tensor -----------------------------------

Workload update(const std::string& name, const std::string& spec, double bytes_per_parameter, int tensors = 100,
                const Shape& shape = {100, 1000}) {
  return {name, "us", bytes_per_parameter * tensors * static_cast<double>(shape.size()), [spec, tensors, shape] {
            std::vector<Tensor> parameters;
            for (int i = 0; i < tensors; ++i) {
              parameters.push_back(leaf(random_normal(shape), "p" + std::to_string(i)));
              parameters.back().set_grad(random_normal(shape));
            }
            auto optimizer = std::make_shared<optim::Optimizer>(optim::make(spec, parameters));
            return [optimizer] { optimizer->step(); };
          }};
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = {
      {"W1_fwd_bwd", "ns", 0, forward_backward},
      {"W1_fwd_tape", "ns", 0, forward_only},
      {"W1_add_nograd", "ns", 0, add_unrecorded},
      mlp("sgd", "sgd(lr=1e-3)"),
      mlp("momentum", "sgd(lr=1e-3, momentum=0.9)"),
      mlp("adam", "adam(lr=1e-3)"),
      mlp("rmsprop", "rmsprop(lr=1e-3)"),
      {"W3_lenet_adam", "us", 0,
       [] {
         return supervised<tools::Cnn>("adam(lr=1e-3)", {64, 1, 28, 28});
       }},
      {"W5_lstm", "us", 0, lstm_forward_backward},
      update("W7_sgd", "sgd(lr=1e-3)", 12),
      update("W7_momentum", "sgd(lr=1e-3, momentum=0.9)", 20),
      update("W7_nesterov", "sgd(lr=1e-3, momentum=0.9, nesterov=true)", 20),
      update("W7_adam", "adam(lr=1e-3)", 28),
      update("W7_amsgrad", "adam(lr=1e-3, amsgrad=true)", 36),
      update("W7_adamw", "adamw(lr=1e-3)", 28),
      update("W7_rmsprop", "rmsprop(lr=1e-3)", 20),
      update("W7_adagrad", "adagrad(lr=1e-3)", 20),
      update("W7_adadelta", "adadelta(lr=1e-3)", 28),
      update("W7_adamax", "adamax(lr=1e-3)", 28),
      update("W7_nadam", "nadam(lr=1e-3)", 28),
      update("W7_radam", "radam(lr=1e-3)", 28),
      update("W7_asgd", "asgd(lr=1e-3)", 20),
      update("W7_rprop", "rprop(lr=1e-3)", 28),
      update("W7_adafactor", "adafactor(lr=1e-3)", 12),
      update("W7_muon", "muon(lr=1e-3)", 20),
      update("adamw_4k", "adamw(lr=1e-3)", 28, 1, {4096}),
      update("adamw_1M", "adamw(lr=1e-3)", 28, 1, {1000000}),
      update("adamw_50M", "adamw(lr=1e-3)", 28, 1, {50000000}),
  };
  return all;
}

}  // namespace gradus::bench
