// Trained models served by many threads beside one that trains: everything must have the bits of one thread.
#pragma once

#include <gradus/autograd/sample.h>
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace gradus::testing {

inline std::string bits_of(const Tensor& t) {
  const Array a = t.array().copy();
  return std::string(a.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype()));
}
inline std::string bits_of(nn::ModuleBase& net) {
  std::string all;
  for (const auto& [name, numbers] : net.state_dict()) all += name + bits_of(Tensor(numbers));
  return all;
}

struct ConvNet : nn::Module<ConvNet> {
  nn::Conv2d conv1{1, 8, 3, {.padding = 1}}, conv2{8, 8, 3, {.padding = 1}};
  nn::BatchNorm2d norm{8};
  nn::Sequential head{nn::Linear(8 * 3 * 3, 32), nn::ReLU(), nn::Dropout(0.2), nn::Linear(32, 4)};
  GRADUS_FIELDS(conv1, conv2, norm, head)
  Tensor forward(const Tensor& x) {  // [N, 1, 12, 12]
    const Tensor features = max_pool2d(relu(norm(conv2(max_pool2d(relu(conv1(x)), 2)))), 2);
    return head(flatten(features, 1));
  }
};

struct Lstm : nn::Module<Lstm> {
  nn::Parameter w_ih{leaf(sample_values({64, 12}, -0.4, 0.4, 1).to(f32))},
      w_hh{leaf(sample_values({64, 16}, -0.4, 0.4, 2).to(f32))}, b_ih{leaf(sample_values({64}, -0.4, 0.4, 3).to(f32))},
      b_hh{leaf(sample_values({64}, -0.4, 0.4, 4).to(f32))};
  nn::Linear output{16, 4};
  GRADUS_FIELDS(w_ih, w_hh, b_ih, b_hh, output)
  Tensor forward(const Tensor& x) {  // [N, 1, 12, 12]: twelve steps of twelve numbers
    LstmState state{zeros({x.dim(0), 16}), zeros({x.dim(0), 16})};
    for (int64_t t = 0; t < 12; ++t) state = lstm_cell(select(select(x, 1, 0), 1, t), state, {w_ih, w_hh, b_ih, b_hh});
    return output(state.h);
  }
};

struct Attention : nn::Module<Attention> {
  nn::Linear query{12, 16}, key{12, 16}, value{12, 16}, output{16, 4};
  GRADUS_FIELDS(query, key, value, output)
  Tensor forward(const Tensor& x) {  // [N, 1, 12, 12]: twelve tokens
    const Tensor tokens = select(x, 1, 0);
    const Tensor seen = scaled_dot_product_attention(query(tokens), key(tokens), value(tokens), {.causal = true});
    return output(mean(seen, {1}));
  }
};

/// Some steps of training, from weights and batches that depend on nothing else.
template <class Net> std::string trained_bits(const Net& from, const std::vector<Tensor>& inputs, int steps) {
  Net net = from;
  net.train();
  manual_seed(5);  // the masks of Dropout
  auto optimizer = optim::make("adam(lr=1e-3)", net.named_parameters());
  for (int i = 0; i < steps; ++i) {
    const Tensor& x = inputs[static_cast<std::size_t>(i) % inputs.size()];
    optimizer.zero_grad();
    cross_entropy(net(x), Tensor(Array::full({x.dim(0)}, i % 4, i64))).backward();
    optimizer.step();
  }
  return bits_of(net);
}

struct Served {
  std::int64_t calls = 0, wrong = 0, trainings = 0, trained_wrong = 0;
};

/// `n` threads call one `net` on shared inputs while another trains copies of it.
template <class Net> Served serve(Net& net, int n, double seconds) {
  net.eval();
  std::vector<Tensor> inputs;
  std::vector<std::string> expected;
  for (unsigned i = 0; i < 6; ++i) inputs.emplace_back(sample_values({1 + i % 3, 1, 12, 12}, -1, 1, i).to(f32));
  {
    Net alone = net;  // a copy that knows its place: `net` itself is called by the threads first
    alone.eval();
    NoGrad guard;
    for (const Tensor& x : inputs) expected.push_back(bits_of(softmax(alone(x)) * 2.0));
  }
  constexpr int steps = 6;
  const Net start = net;
  const std::string after_training = trained_bits(start, inputs, steps);
  const Tensor two = scalar(2);
  std::atomic<std::int64_t> calls = 0, wrong = 0, trainings = 0, trained_wrong = 0;
  std::atomic<bool> go = false;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::vector<std::thread> threads;
  for (int k = 0; k < n; ++k)
    threads.emplace_back([&, model = [&net, two](const Tensor& x) { return softmax(net(x)) * two; }] {
      NoGrad guard;
      while (!go) std::this_thread::yield();
      for (std::size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
        const std::size_t which = i % inputs.size();
        const Tensor x = inputs[which];
        wrong += bits_of(model(x)) != expected[which];
        ++calls;
      }
    });
  threads.emplace_back([&] {
    while (!go) std::this_thread::yield();
    do {
      trained_wrong += trained_bits(start, inputs, steps) != after_training;
      ++trainings;
    } while (std::chrono::steady_clock::now() < end);
  });
  go = true;
  for (auto& t : threads) t.join();
  return {calls, wrong, trainings, trained_wrong};
}

}  // namespace gradus::testing
