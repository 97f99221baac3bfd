// Gate of docs/training.md: what fit, as it is by default, costs a step beside the plain loop, at most 1 %; the convolutional
// network of `gradus compare` (W3), batch 64, Adam. Each step of fit is followed by one of the plain loop on its own copy of
// the network and its own loader; the gate is for the median ratio of a pair, in time of the one thread that computes (whoever
// waits for the loader is given the processor more readily afterwards), and for the same bits in both at the end.
//
//   fit_gate [epochs of 40 steps]     10 by default
#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/data/digits.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/compare/networks.h>
#include <gradus/train/fit.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <vector>

using namespace gradus;

namespace {

/// Microseconds that this thread has computed.
double now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e6 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

bool same_bits(const NamedArrays& a, const NamedArrays& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && gradus::same_bits(x.second, y.second);
  });
}

/// The loop that one writes, a step at a time.
struct PlainLoop {
  tools::Cnn& network;
  optim::Optimizer optimizer = optim::make("adam(lr=1e-3)", network.named_parameters());
  data::DataLoader loader;
  std::int64_t epoch = 0;
  std::optional<data::BatchIterator> at = std::nullopt;

  void step() {
    if (at) ++*at;
    if (!at || *at == std::default_sentinel) at.emplace(loader.epoch(epoch++).begin());
    const data::Batch& batch = **at;
    optimizer.zero_grad();
    cross_entropy(network(Tensor(batch.x)), Tensor(batch.y)).backward();
    optimizer.step();
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t epochs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 10;
  set_threads(1);
  const data::TensorDataset digits(data::generate_digits(40 * 64, 1));
  const data::DataLoader loader(digits, {.batch_size = 64});
  manual_seed(1);
  tools::Cnn network, copy = network;
  auto optimizer = optim::make("adam(lr=1e-3)", network.named_parameters());
  PlainLoop plain{.network = copy, .loader = loader};

  std::vector<double> by_fit, by_hand, ratio;
  double begin = now();
  const auto in_turns = [&](training::FitState&) {
    const double middle = now();
    plain.step();
    const double end = now();
    by_fit.push_back(middle - begin), by_hand.push_back(end - middle);
    if (by_fit.size() > 10) ratio.push_back(by_fit.back() / by_hand.back());
    begin = now();
  };
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = network(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  training::fit(network, optimizer, loader, step, {.epochs = epochs, .after_step = {in_turns}});

  const bool same = same_bits(network.state_dict(), copy.state_dict());
  const double cost = median(ratio) - 1;
  std::printf("plain %.1f us, fit %.1f us, ratio of pairs %+.2f %% (gate: 1 %%), %s bits\n", median(by_hand), median(by_fit),
              100 * cost, same ? "the same" : "OTHER");
  return cost <= 0.01 && same ? 0 : 1;
}
