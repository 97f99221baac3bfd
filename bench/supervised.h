// A training step of any network: gradients absent, forward, cross-entropy, backward, the optimizer's step.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/bench/workloads.h>
#include <gradus/optim/optimizer.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gradus::bench {

struct Batch {
  Tensor x, labels;
};

/// The step of Network(arguments...), on `batches` batches of make() that take turns.
template <class Network, class Make, class... Arguments>
Step supervised(const std::string& optimizer, int batches, Make make, Arguments... arguments) {
  struct State {
    Network network;
    optim::Optimizer optimizer;
    std::vector<Batch> batches;
    std::size_t next = 0;
    explicit State(const std::string& spec, Arguments... a)
        : network(a...), optimizer(optim::make(spec, network.named_parameters())) {}
  };
  auto s = std::make_shared<State>(optimizer, arguments...);
  for (int i = 0; i < batches; ++i) s->batches.push_back(make());
  return [s] {
    const Batch& b = s->batches[s->next++ % s->batches.size()];
    s->optimizer.zero_grad();
    cross_entropy(s->network(b.x), b.labels).backward();
    s->optimizer.step();
  };
}

}  // namespace gradus::bench
