#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/same_arrays.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

using namespace gradus;
using namespace gradus::data;
using testing::same_array;

namespace {

/// What the items of a data set see of each other.
struct Watched {
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t inside = 0, most_inside = 0, begun = 0;
};

/// Item i is 16 numbers of its own; get() takes longer for some of them. With `meet` a get() waits for a second one.
struct Slow {
  std::int64_t n = 60;
  std::shared_ptr<Watched> watched = std::make_shared<Watched>();
  bool meet = false;
  std::int64_t size() const { return n; }
  Example get(std::int64_t i) const {
    {
      std::unique_lock lock(watched->mutex);
      ++watched->begun;
      watched->most_inside = std::max(watched->most_inside, ++watched->inside);
      watched->changed.notify_all();
      if (meet && watched->begun > 1)  // the first is read when the loader is made
        watched->changed.wait_for(lock, std::chrono::seconds(20), [this] { return watched->most_inside > 1; });
      else if (i % 7 == 0) watched->changed.wait_for(lock, std::chrono::microseconds(200));
    }
    Example e{normal({16}, 0, 1, {5, static_cast<std::uint64_t>(i)}), Array::full({}, i, i64)};
    const std::lock_guard lock(watched->mutex);
    --watched->inside;
    return e;
  }
};

std::vector<Batch> all_of(const Epoch& epoch) {
  std::vector<Batch> all;
  for (auto& b : epoch) all.push_back(std::move(b));
  return all;
}

void check_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    CHECK(same_array(a[k].x, b[k].x));
    CHECK(same_array(a[k].y, b[k].y));
  }
}

}  // namespace

TEST_CASE("the batches are the same, bit for bit, with 0 to 5 workers, from the beginning and from the middle") {
  const TensorDataset bulk(normal({60, 3}, 0, 1, {1, 2}), Array::arange(60, i64));
  const auto check = [](const auto& dataset) {
    const DataLoader alone(dataset, {.batch_size = 7, .num_workers = 0});
    for (const int workers : {1, 2, 3, 5}) {
      const DataLoader loader(dataset, {.batch_size = 7, .num_workers = workers});
      for (const std::int64_t first : {0, 4, 8, 9})
        check_same(all_of(loader.epoch(2, first)), all_of(alone.epoch(2, first)));
      check_same({loader.batch(2, 8)}, {alone.batch(2, 8)});
    }
  };
  check(bulk);
  check(Slow{});
}

TEST_CASE("several workers load at once") {
  const Slow items{.n = 8, .meet = true};
  CHECK(all_of(DataLoader(items, {.batch_size = 1, .num_workers = 2}).epoch(0)).size() == 8);
  CHECK(items.watched->most_inside == 2);
}

TEST_CASE("no more is read ahead than one batch a worker") {
  for (const int workers : {0, 1, 3}) {
    const Slow items;
    const DataLoader loader(items, {.batch_size = 4, .num_workers = workers});
    std::int64_t taken = 0;
    for (auto& b : loader.epoch(0)) {
      taken += b.x.dim(0);
      const std::lock_guard lock(items.watched->mutex);
      CHECK(items.watched->begun - 1 <= taken + 4 * workers);
    }
    CHECK(items.watched->begun == 61);
  }
}

TEST_CASE("a loop that is left, and an iterator that is not used, leave no worker behind") {
  for (const int workers : {1, 2, 3}) {
    const Slow items;
    const DataLoader loader(items, {.batch_size = 4, .num_workers = workers});
    for (int most = 0; most < 8; ++most) {
      int n = 0;
      for (auto& b : loader.epoch(most)) {
        (void)b;
        if (++n > most) break;
      }
      CHECK(items.watched->inside == 0);
    }
    { auto unused = loader.epoch(0).begin(); }
    CHECK(items.watched->inside == 0);
    auto moved = loader.epoch(0).begin();
    moved = loader.epoch(1).begin();
    CHECK(same_array((*moved).y, loader.batch(1, 0).y));
  }
}

namespace {

struct Broken {
  std::int64_t size() const { return 40; }
  Example get(std::int64_t i) const {
    if (i == 22 || i == 35) throw std::runtime_error("torn");
    return {Array::full({}, static_cast<double>(i)), {}};
  }
};

}  // namespace

TEST_CASE("an error comes in the place of its batch, the first one first, and is the end") {
  for (const int workers : {0, 1, 2, 3, 7}) {
    const DataLoader loader(Broken{}, {.batch_size = 3, .shuffle = false, .num_workers = workers});
    auto i = loader.epoch(0).begin();
    for (int k = 0; k < 6; ++k, ++i) CHECK((*i).x.element(0) == 3 * k);
    CHECK((*i).x.element(0) == 18);
    CHECK_THROWS_WITH_AS(++i, "DataLoader: while loading item 22: torn", DataError);
    CHECK(i == std::default_sentinel);
    ++i;
    CHECK(i == std::default_sentinel);
  }
}

TEST_CASE("a transform's error names the item") {
  const Transform fails = [](Example e, Philox) -> Example {
    if (e.y.item() == 13) throw std::runtime_error("upside down");
    return e;
  };
  const DataLoader loader(Slow{}, {.shuffle = false, .num_workers = 2, .transform = fails});
  CHECK_THROWS_WITH_AS(loader.batch(0, 0), "DataLoader: while loading item 13: upside down", DataError);
}

TEST_CASE("DataLoader refuses a number of workers that is out of range") {
  CHECK_THROWS_WITH_AS(DataLoader(Slow{}, {.num_workers = -1}), "DataLoader: num_workers is -1; it must be 0 to 256",
                       DataError);
  CHECK_THROWS_AS(DataLoader(Slow{}, {.num_workers = 257}), DataError);
}
