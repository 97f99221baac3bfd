// W2 to W6: whole training steps, on eight batches that take turns (four of W4 and W6).
#include <gradus/bench/networks.h>
#include <gradus/bench/supervised.h>
#include <gradus/tools/compare/networks.h>

#include <memory>

namespace gradus::bench {
namespace {

auto images(const Shape& shape) {
  return [shape] { return Batch{randn(shape), randint(0, 10, {shape[0]})}; };
}
auto characters(int64_t n, int64_t length) {
  return [=] { return Batch{randint(0, 65, {n, length}), randint(0, 65, {n * length})}; };
}

Workload mlp(const std::string& name, const std::string& spec) {
  return {"W2_mlp_" + name, "us", 0, [spec] { return supervised<tools::Mlp>(spec, 8, images({64, 784})); }};
}
template <class Network, class Make>
Workload training(const std::string& name, const std::string& spec, int batches, Make make) {
  return {name, "us", 0, [=] { return supervised<Network>(spec, batches, make); }};
}

/// The sequence alone: its gradients to the input and the weights.
Step lstm_forward_backward() {
  struct State {
    nn::LSTM lstm{64, 256};
    Tensor x = leaf(randn({64, 32, 64}).array()), seed = randn({64, 32, 256});
  };
  auto s = std::make_shared<State>();
  return [s] {
    s->lstm.zero_grad();
    s->x.zero_grad();
    sum(s->lstm(s->x).y * s->seed).backward();
  };
}

}  // namespace

std::vector<Workload> training_workloads() {
  const std::string adam = "adam(lr=1e-3)";
  return {
      mlp("sgd", "sgd(lr=1e-3)"),
      mlp("momentum", "sgd(lr=1e-3, momentum=0.9)"),
      mlp("adam", adam),
      mlp("rmsprop", "rmsprop(lr=1e-3)"),
      training<tools::Cnn>("W3_lenet_adam", adam, 8, images({64, 1, 28, 28})),
      training<MnistExample>("W3_mnist_example_adam", adam, 8, images({64, 1, 28, 28})),
      training<ResNet20>("W4_resnet20_momentum", "sgd(lr=1e-3, momentum=0.9)", 4, images({32, 3, 32, 32})),
      {"W5_lstm", "us", 0, lstm_forward_backward},
      training<CharRnn<nn::LSTM>>("W5_lstm_char", adam, 8, characters(32, 64)),
      training<CharRnn<nn::GRU>>("W5_gru_char", adam, 8, characters(32, 64)),
      training<RowRnn>("W5_lstm_rows", adam, 8, images({64, 28, 28})),
      training<Gpt>("W6_gpt_adamw", "adamw(lr=1e-3)", 4, characters(16, 128)),
  };
}

}  // namespace gradus::bench
