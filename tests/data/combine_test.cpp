#include <gradus/data/combine.h>
#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/throws.h>

#include <algorithm>
#include <atomic>

using namespace gradus;
using namespace gradus::data;

namespace {

using Items = std::vector<std::int64_t>;

/// Item i is (i + begin, its class: i % 3), one of a kind that has no load().
struct Plain {
  std::int64_t n, begin = 0;
  std::atomic<int>* reads = nullptr;
  std::int64_t size() const { return n; }
  Example get(std::int64_t i) const {
    if (reads) ++*reads;
    return {Array::full({}, static_cast<double>(i + begin)), Array::full({}, i % 3, i64)};
  }
};

TensorDataset rows(std::int64_t n) { return TensorDataset(Array::arange(n, f32), Array::arange(n, i64)); }

template <class D> Items served(const D& d) {
  Items all;
  for (std::int64_t i = 0; i < d.size(); ++i) all.push_back(static_cast<std::int64_t>(d.get(i).x.item()));
  return all;
}

Items sorted(Items items) {
  std::sort(items.begin(), items.end());
  return items;
}

Items first(std::int64_t n) {
  Items all;
  for (std::int64_t i = 0; i < n; ++i) all.push_back(i);
  return all;
}

std::int64_t of_class(const Subset& s, std::int64_t c) {
  return std::count_if(s.items().begin(), s.items().end(), [c](std::int64_t i) { return i % 3 == c; });
}

}  // namespace

TEST_CASE("Subset serves the items that it is told, one by one and many at once") {
  const Subset bulk(rows(10), {7, 1, 7}), single(Plain{10}, {7, 1, 7});
  CHECK(served(bulk) == Items{7, 1, 7});
  CHECK(served(single) == Items{7, 1, 7});
  for (const Subset& s : {bulk, single, Subset(Subset(rows(10), {0, 7, 1, 7}), {1, 2, 3})}) {
    const Batch b = DataLoader(s, {.batch_size = 3, .shuffle = false}).batch(0, 0);
    CHECK(b.x.element(0) == 7);
    CHECK(b.x.element(1) == 1);
    CHECK(b.x.element(2) == 7);
  }
  CHECK_THROWS_WITH_AS(Subset(rows(10), {3, 10}), "Subset: item 10 was asked for; the data set has 10", DataError);
  CHECK_THROWS_AS(bulk.get(3), IndexError);
}

TEST_CASE("ConcatDataset serves one data set after the other, also of different types") {
  const ConcatDataset all(Plain{2, 0}, rows(0), Plain{3, 10}, Subset(rows(5), {4}));
  CHECK(served(all) == Items{0, 1, 10, 11, 12, 4});
  CHECK_THROWS_WITH_AS(all.get(6), "ConcatDataset: item 6 was asked for; there are 6", IndexError);
  CHECK(ConcatDataset().size() == 0);
}

TEST_CASE("MapDataset changes each item, CachedDataset reads each once") {
  std::atomic<int> reads = 0;
  const CachedDataset cached(MapDataset(Plain{5, 0, &reads}, [](Example e) {
    e.x = Array::full({}, e.x.item() * 2);
    return e;
  }));
  CHECK(served(cached) == Items{0, 2, 4, 6, 8});
  const CachedDataset copy = cached;
  CHECK(served(copy) == Items{0, 2, 4, 6, 8});
  CHECK(reads == 5);
  CHECK_THROWS_AS(cached.get(-1), IndexError);
}

TEST_CASE("random_split: lengths as PyTorch's, each item in one part, a pure function of the seed") {
  const auto lengths = [](std::int64_t n, const std::vector<double>& wanted) {
    Items found, all;
    for (const Subset& s : random_split(Plain{n}, wanted)) {
      found.push_back(s.size());
      all.insert(all.end(), s.items().begin(), s.items().end());
    }
    CHECK(sorted(all) == first(n));
    return found;
  };
  CHECK(lengths(10, {0.5, 0.3, 0.2}) == Items{5, 3, 2});
  CHECK(lengths(11, {1.0 / 3, 1.0 / 3, 1.0 / 3}) == Items{4, 4, 3});
  CHECK(lengths(7, {0.5, 0.5}) == Items{4, 3});
  CHECK(lengths(5, {0.25, 0.25, 0.25, 0.25}) == Items{2, 1, 1, 1});
  CHECK(lengths(10, {8, 2, 0}) == Items{8, 2, 0});
  CHECK(random_split(Plain{50}, {25, 25}, 1)[0].items() == random_split(Plain{50}, {25, 25}, 1)[0].items());
  CHECK(random_split(Plain{50}, {25, 25}, 1)[0].items() != random_split(Plain{50}, {25, 25}, 2)[0].items());
  CHECK_THROWS_WITH_AS(random_split(Plain{10}, {8, 3}), "random_split: the lengths sum to 11; the data set has 10 items",
                       DataError);
  for (const auto& wrong : std::vector<std::vector<double>>{{0.5, 0.6}, {-1, 11}, {NAN, 10}, {INFINITY}, {1e300}, {}})
    CHECK_THROWS_AS(random_split(Plain{10}, wrong), DataError);
}

TEST_CASE("train_test_split: each item in one part, classes divided alike if labels are given") {
  const auto [train, test] = train_test_split(Plain{10});
  CHECK(test.size() == 3);  // 2.5, rounded
  Items all = train.items();
  all.insert(all.end(), test.items().begin(), test.items().end());
  CHECK(sorted(all) == first(10));
  CHECK(train.items() != sorted(train.items()));

  Array labels({30}, u8);
  for (std::int64_t i = 0; i < 30; ++i) labels.uninitialized<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 3);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto [learn, ask] = train_test_split(Plain{30}, 0.2, seed, labels);
    for (std::int64_t c = 0; c < 3; ++c) {
      CHECK(of_class(ask, c) == 2);
      CHECK(of_class(learn, c) == 8);
    }
  }
  const auto uneven = train_test_split(Plain{30}, 0.25, 1, labels);
  CHECK(uneven.test.size() == 8);
  for (std::int64_t c = 0; c < 3; ++c) CHECK(std::abs(static_cast<double>(of_class(uneven.test, c)) - 2.5) < 1);

  CHECK_THROWS_WITH_AS(train_test_split(Plain{2}, 0.1),
                       "train_test_split: 0 of 2 items are for the test; both parts need one", DataError);
  CHECK_THROWS_AS(train_test_split(Plain{2}, 1.0), DataError);
  CHECK_THROWS_AS(train_test_split(Plain{2}, NAN), DataError);
  CHECK_THROWS_WITH_AS(train_test_split(Plain{4}, 0.5, 1, labels),
                       "train_test_split: 4 items, 30 labels; there must be one for each", DataError);
  CHECK_THROWS_AS(train_test_split(Plain{4}, 0.5, 1, Array::zeros({4})), DataError);
}
