// The same bits of trained weights at any number of threads, with proof that so many threads really worked.
#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/data/digits.h>
#include <gradus/data/loader.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/compare/networks.h>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

using namespace gradus;

namespace {

struct Threads {
  explicit Threads(int n) { set_threads(n); }
  ~Threads() { set_threads(2); }
};

/// Pieces that wait for each other: they only all arrive if `n` threads run them at once.
int threads_at_once(int n) {
  std::atomic<int> arrived{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  parallel_for(n, [&](int64_t) {
    ++arrived;
    while (arrived < n && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return std::chrono::steady_clock::now() < deadline ? arrived.load() : 0;
}

template <class Network> std::vector<Array> trained(const std::string& optimizer_spec, int64_t steps) {
  manual_seed(3);
  Network network;
  auto optimizer = optim::make(optimizer_spec, network.named_parameters());
  data::DataLoader loader(data::TensorDataset(data::generate_digits(64 * steps, 5)), {.batch_size = 64, .seed = 3});
  for (auto& batch : loader.epoch(0)) {
    optimizer.zero_grad();
    cross_entropy(network(Tensor(batch.x)), Tensor(batch.y)).backward();
    optimizer.step();
  }
  std::vector<Array> weights;
  for (const Tensor& w : network.parameters()) weights.push_back(w.array().copy());
  return weights;
}

template <class Network> void check_network(const std::string& optimizer, int64_t steps) {
  std::vector<Array> one;
  {
    Threads t(1);
    one = trained<Network>(optimizer, steps);
  }
  for (const int n : {2, 3, 7}) {
    Threads t(n);
    if (std::string(parallel_backend()) != "serial") REQUIRE(threads_at_once(n) == n);
    CHECK_MESSAGE(same_bits(one, trained<Network>(optimizer, steps)), n << " threads");
  }
}

}  // namespace

TEST_CASE("an MLP trains to the same bits with 1, 2, 3 and 7 threads") { check_network<tools::Mlp>("adamw(lr=1e-3)", 12); }

TEST_CASE("a CNN trains to the same bits with 1, 2, 3 and 7 threads") {
  check_network<tools::Cnn>("sgd(lr=0.05, momentum=0.9)", 6);
}

TEST_CASE("a sum whose pieces are cut by the number of threads is caught by this comparison") {
  std::vector<float> x(100000);
  const Philox random{7, 0};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random.normal(i));
  auto planted = [&](int64_t n) {
    std::vector<float> parts(static_cast<std::size_t>(n));
    const int64_t size = static_cast<int64_t>(x.size());
    parallel_for(n, [&](int64_t k) {
      for (int64_t i = size * k / n; i < size * (k + 1) / n; ++i)
        parts[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(i)];
    });
    Array total({}, f32);
    *total.uninitialized<float>() = 0;
    for (const float p : parts) *total.uninitialized<float>() += p;
    return std::vector<Array>{total};
  };
  bool differs = false;
  for (const int n : {2, 3, 7}) differs = differs || !same_bits(planted(1), planted(n));
  CHECK(differs);
}
