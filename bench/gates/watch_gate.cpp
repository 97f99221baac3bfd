// Gate of docs/decisions/tape.md: what FiniteWatch costs a training step of the convolutional network of `gradus compare`
// (batch 64, Adam), at most 1 %. Steps with and without it take turns in one process; the gate is for the median ratio of a
// pair.
//
//   watch_gate [pairs [threads]]     400 pairs and 1 thread by default
#include <gradus/autograd/inspect/finite.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/compare/networks.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace gradus;

namespace {

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? std::max(30, std::atoi(argv[1])) : 400;
  set_threads(argc > 2 ? std::max(1, std::atoi(argv[2])) : 1);
  tools::Cnn network;
  auto optimizer = optim::make("adam(lr=1e-3)", network.named_parameters());
  FiniteWatch watch(network.parameters());
  const Tensor x(normal({64, 1, 28, 28}, 0, 1, default_generator().next_stream())), labels(Array::zeros({64}, i64));
  const auto step = [&](bool watched) {
    const auto start = std::chrono::steady_clock::now();
    optimizer.zero_grad();
    const auto loss = [&] { return cross_entropy(network(x), labels); };
    if (watched) watch.backward(loss);
    else loss().backward();
    optimizer.step();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<double> plain, watched, ratio;
  for (int i = 0; i < pairs + 10; ++i) {
    const bool first = i % 2;
    const double a = step(first), b = step(!first);
    if (i < 10) continue;
    plain.push_back(first ? b : a), watched.push_back(first ? a : b);
    ratio.push_back(watched.back() / plain.back());
  }
  const double cost = median(ratio) - 1;
  std::printf("plain %.1f us, watched %.1f us: %+.2f %%, ratio of pairs %+.2f %% (gate: 1 %%)\n", median(plain),
              median(watched), 100 * (median(watched) / median(plain) - 1), 100 * cost);
  return cost <= 0.01 ? 0 : 1;
}
