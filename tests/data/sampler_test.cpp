#include <gradus/data/loader.h>
#include <gradus/data/sampler.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/throws.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace gradus;
using namespace gradus::data;

namespace {

using Items = std::vector<std::int64_t>;

/// How often each of n items comes in `epochs` epochs, as a part of all.
std::vector<double> frequencies(const Sampler& sampler, std::size_t n, std::int64_t epochs) {
  std::vector<double> count(n);
  double all = 0;
  for (std::int64_t e = 0; e < epochs; ++e)
    for (const std::int64_t i : sampler(e)) ++count[static_cast<std::size_t>(i)], ++all;
  for (double& c : count) c /= all;
  return count;
}

struct Numbers {
  std::int64_t size() const { return 10; }
  Example get(std::int64_t i) const { return {Array::full({}, static_cast<double>(i)), {}}; }
};

}  // namespace

TEST_CASE("weighted_random_sampler with replacement draws in proportion to the weights") {
  const Array weights = Array::of<float>({5}, {0, 1, 2, 0, 5});
  const Sampler sampler = weighted_random_sampler(weights, {.samples = 1000});
  const auto found = frequencies(sampler, 5, 40);
  const double expected[] = {0, 0.125, 0.25, 0, 0.625};
  for (std::size_t i = 0; i < 5; ++i)  // four deviations of 40,000 draws
    CHECK(std::abs(found[i] - expected[i]) <= 4 * std::sqrt(expected[i] * (1 - expected[i]) / 40'000));
  CHECK(sampler(3) == sampler(3));
  CHECK(sampler(3) != sampler(4));
  CHECK(sampler(3) != weighted_random_sampler(weights, {.samples = 1000, .seed = 8})(3));
  CHECK(weighted_random_sampler(weights)(0).size() == 5);
}

TEST_CASE("weighted_random_sampler without replacement is as if items were drawn one after the other") {
  const Sampler sampler =
      weighted_random_sampler(Array::of<double>({4}, {1, 0, 2, 5}), {.samples = 2, .replacement = false});
  double pairs[4][4] = {};
  constexpr int epochs = 20'000;
  for (int e = 0; e < epochs; ++e) {
    const Items items = sampler(e);
    REQUIRE(items.size() == 2);
    REQUIRE(items[0] != items[1]);
    pairs[items[0]][items[1]] += 1.0 / epochs;
  }
  const double w[] = {1, 0, 2, 5};
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const double expected = i == j ? 0 : w[i] / 8 * w[j] / (8 - w[i]);
      CHECK(std::abs(pairs[i][j] - expected) <= 4.5 * std::sqrt(expected * (1 - expected) / epochs));
    }
  const Items all = weighted_random_sampler(Array::ones({6}), {.replacement = false})(0);
  CHECK(std::set<std::int64_t>(all.begin(), all.end()).size() == 6);
}

TEST_CASE("stratified_sampler: all items, every stretch with the classes of the whole") {
  Array labels({120}, i64);
  for (std::int64_t i = 0; i < 120; ++i) labels.uninitialized<std::int64_t>()[i] = i < 60 ? 0 : i < 100 ? 1 : -5;
  const Sampler sampler = stratified_sampler(labels);
  for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
    const Items order = sampler(epoch);
    CHECK(std::set<std::int64_t>(order.begin(), order.end()).size() == 120);
    for (std::size_t at = 0; at < 120; at += 12) {
      int of[3] = {};
      for (std::size_t k = at; k < at + 12; ++k) ++of[order[k] < 60 ? 0 : order[k] < 100 ? 1 : 2];
      CHECK(std::abs(of[0] - 6) <= 2);
      CHECK(std::abs(of[1] - 4) <= 2);
      CHECK(std::abs(of[2] - 2) <= 1);
    }
  }
  CHECK(sampler(0) != sampler(1));
  CHECK(sampler(1) == stratified_sampler(labels)(1));
}

TEST_CASE("distributed_sampler gives what PyTorch's DistributedSampler gives") {
  const auto shares = [](std::int64_t size, std::int64_t ranks, bool drop_last) {
    std::vector<Items> all;
    for (std::int64_t r = 0; r < ranks; ++r)
      all.push_back(
          distributed_sampler(size, {.num_replicas = ranks, .rank = r, .shuffle = false, .drop_last = drop_last})(3));
    return all;
  };
  using Shares = std::vector<Items>;
  CHECK(shares(10, 3, false) == Shares{{0, 3, 6, 9}, {1, 4, 7, 0}, {2, 5, 8, 1}});
  CHECK(shares(10, 3, true) == Shares{{0, 3, 6}, {1, 4, 7}, {2, 5, 8}});
  CHECK(shares(2, 5, false) == Shares{{0}, {1}, {0}, {1}, {0}});
  CHECK(shares(9, 3, true) == Shares{{0, 3, 6}, {1, 4, 7}, {2, 5, 8}});
  CHECK(shares(7, 4, false) == Shares{{0, 4}, {1, 5}, {2, 6}, {3, 0}});
  CHECK(shares(7, 4, true) == Shares{{0}, {1}, {2}, {3}});

  std::multiset<std::int64_t> together;
  for (std::int64_t r = 0; r < 3; ++r) {
    const Sampler sampler = distributed_sampler(30, {.num_replicas = 3, .rank = r});
    const Items share = sampler(5);
    together.insert(share.begin(), share.end());
    CHECK(share != sampler(6));
  }
  CHECK(together.size() == 30);
  CHECK(std::set<std::int64_t>(together.begin(), together.end()).size() == 30);
}

TEST_CASE("DataLoader takes the items of its sampler, the same again from the middle of an epoch") {
  const DataLoader loader(Numbers{}, {.batch_size = 2, .sampler = distributed_sampler(10, {.num_replicas = 3, .rank = 1})});
  CHECK(loader.size() == 4);
  CHECK(loader.batches() == 2);
  Items served;
  for (auto& batch : loader.epoch(7))
    for (std::int64_t i = 0; i < batch.x.size(); ++i) served.push_back(static_cast<std::int64_t>(batch.x.element(i)));
  CHECK(served == distributed_sampler(10, {.num_replicas = 3, .rank = 1})(7));
  CHECK(loader.batch(7, 1).x.element(0) == static_cast<double>(served[2]));
  for (auto& batch : loader.epoch(7, 1)) CHECK(batch.x.element(1) == static_cast<double>(served[3]));

  const auto with = [](Sampler sampler) { return DataLoader(Numbers{}, {.sampler = std::move(sampler)}); };
  CHECK_THROWS_WITH_AS(with([](std::int64_t) {
                         return Items{3, 10};
                       }),
                       "DataLoader: the sampler gives item 10 for epoch 0; there are 10", DataError);
  CHECK_THROWS_WITH_AS(with([](std::int64_t) { return Items{}; }),
                       "DataLoader: the sampler gives 0 items for epoch 0; it must be at least one", DataError);
  const DataLoader uneven = with([](std::int64_t e) { return Items(static_cast<std::size_t>(e + 1), 0); });
  CHECK_THROWS_WITH_AS(uneven.epoch(2).begin(),
                       "DataLoader: the sampler gives 3 items for epoch 2; it must be 1, as for epoch 0", DataError);
}

TEST_CASE("samplers refuse what they cannot do") {
  CHECK(thrown<DataError>([] {
          weighted_random_sampler(Array::of<float>({2}, {1, -1}));
        }) == "weighted_random_sampler: weight 1 is -1; weights must be finite and not below 0");
  CHECK(thrown<DataError>([] { weighted_random_sampler(Array::ones({3}), {.samples = 4, .replacement = false}); }) ==
        "weighted_random_sampler: 3 weights are above 0, their sum is 3; 4 samples without replacement need as many");
  CHECK_THROWS_AS(weighted_random_sampler(Array::zeros({3})), DataError);
  CHECK_THROWS_AS(weighted_random_sampler(Array::full({3}, NAN)), DataError);
  CHECK_THROWS_AS(weighted_random_sampler(Array::full({3}, 1e308, f64)), DataError);
  CHECK_THROWS_AS(weighted_random_sampler(Array::ones({3}, i64)), DataError);
  CHECK_THROWS_AS(weighted_random_sampler(Array{}), DataError);
  CHECK_THROWS_AS(weighted_random_sampler(Array::ones({3}), {.samples = -1}), DataError);
  CHECK_THROWS_AS(stratified_sampler(Array::zeros({3})), DataError);
  CHECK_THROWS_AS(stratified_sampler(Array::zeros({0}, i64)), DataError);
  CHECK(thrown<DataError>([] { distributed_sampler(10, {.num_replicas = 2, .rank = 2}); }) ==
        "distributed_sampler: rank is 2, num_replicas is 2; 0 <= rank < num_replicas must hold");
  CHECK_THROWS_AS(distributed_sampler(2, {.num_replicas = 3, .drop_last = true}), DataError);
  CHECK_THROWS_AS(distributed_sampler(0, {}), DataError);
}
