#include <gradus/core/parallel.h>
#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <iterator>
#include <set>
#include <stdexcept>

using namespace gradus;
using namespace gradus::data;

static_assert(std::input_iterator<BatchIterator>);

namespace {

/// n grey images of 2 x 3 whose pixels and label tell which item they are.
TensorDataset numbered(std::int64_t n) {
  Array images({n, 2, 3}, u8), labels({n}, u8);
  for (std::int64_t i = 0; i < n; ++i) {
    for (int k = 0; k < 6; ++k)
      images.uninitialized<std::uint8_t>()[i * 6 + k] = static_cast<std::uint8_t>((i * 7 + k) % 256);
    labels.uninitialized<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 256);
  }
  return TensorDataset(images, labels);
}

/// The labels an epoch brings, in order.
std::vector<int> labels_of(const Epoch& epoch) {
  std::vector<int> all;
  for (auto& batch : epoch)
    for (std::int64_t i = 0; i < batch.y.size(); ++i) all.push_back(static_cast<int>(batch.y.element(i)));
  return all;
}

bool same_bytes(const Array& a, const Array& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype())) == 0;
}

/// A data set written by a user: item by item, one of them bad.
struct Squares {
  std::int64_t n = 10, bad = -1;
  int kind = 0;
  std::int64_t size() const { return n; }
  Example get(std::int64_t i) const {
    if (i == bad && kind == 0) throw std::runtime_error("cats/0071.png is damaged");
    if (i == bad && kind == 1) throw 7;
    const std::int64_t length = i == bad ? 4 : 3;
    return {Array::full({length}, static_cast<double>(i * i), f64), Array::full({}, static_cast<double>(i), i64)};
  }
};

std::string message_of(DataLoader& loader) {
  try {
    for (auto& b : loader.epoch(0)) (void)b;
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("TensorDataset: pixels become f32 in [0, 1] with a channel axis, labels i64") {
  const auto set = numbered(40);
  const Example e = set.get(37);
  CHECK(describe(e.x) == "f32[1,2,3]");
  CHECK(describe(e.y) == "i64[]");
  CHECK(e.y.item() == 37);
  CHECK(e.x.at({0, 1, 2}) == static_cast<double>(static_cast<float>((37 * 7 + 5) % 256) / 255.0f));
  CHECK_THROWS_AS(set.get(40), IndexError);
  CHECK_THROWS_AS(set.get(-1), IndexError);
}

TEST_CASE("TensorDataset: colour images keep their axes, numbers keep their dtype, labels may be absent") {
  CHECK(describe(TensorDataset(Array::zeros({5, 3, 8, 8}, u8)).get(1).x) == "f32[3,8,8]");
  const TensorDataset plain(Array::arange(12, f64).reshape({4, 3}), Array::arange(8, f32).reshape({4, 2}));
  CHECK(describe(plain.get(3).x) == "f64[3]");
  CHECK(plain.get(3).x.element(1) == 10);
  CHECK(describe(plain.get(3).y) == "f32[2]");
  CHECK_FALSE(TensorDataset(Array::zeros({5, 2})).get(0).y.defined());
  const TensorDataset turned(Array::arange(6, f32).reshape({2, 3}).transpose(0, 1));
  CHECK(turned.get(2).x.element(1) == 5);
}

TEST_CASE("TensorDataset refuses what does not fit") {
  CHECK_THROWS_WITH_AS(TensorDataset(Array::zeros({5, 2, 2}, u8), Array::zeros({4}, u8)),
                       "TensorDataset: 5 images, 4 labels; x is u8[5,2,2], y is u8[4]; their first axes must be equal",
                       ShapeError);
  CHECK_THROWS_AS(TensorDataset(Array::zeros({})), ShapeError);
  CHECK_THROWS_AS(TensorDataset(Array{}), DataError);
}

TEST_CASE("DataLoader: batches, the last one smaller or left out") {
  const DataLoader keep(numbered(10), {.batch_size = 4, .shuffle = false});
  CHECK(keep.batches() == 3);
  std::vector<std::string> shapes;
  for (auto& b : keep.epoch(0)) shapes.push_back(describe(b.x) + describe(b.y));
  CHECK(shapes == std::vector<std::string>{"f32[4,1,2,3]i64[4]", "f32[4,1,2,3]i64[4]", "f32[2,1,2,3]i64[2]"});
  CHECK(labels_of(keep.epoch(0)) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

  const DataLoader drop(numbered(10), {.batch_size = 4, .shuffle = false, .drop_last = true});
  CHECK(drop.batches() == 2);
  CHECK(labels_of(drop.epoch(0)) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  const DataLoader none(numbered(3), {.batch_size = 4, .drop_last = true});
  CHECK(none.batches() == 0);
  CHECK(labels_of(none.epoch(0)).empty());
  CHECK(labels_of(DataLoader(numbered(3), {.batch_size = 100, .shuffle = false}).epoch(5)) == std::vector<int>{0, 1, 2});
}

TEST_CASE("DataLoader: the order is a pure function of seed and epoch") {
  const DataLoader a(numbered(200), {.batch_size = 16, .seed = 1}), b(numbered(200), {.batch_size = 16, .seed = 1});
  const DataLoader c(numbered(200), {.batch_size = 16, .seed = 2});
  const auto order = labels_of(a.epoch(3));
  CHECK(std::set<int>(order.begin(), order.end()).size() == 200);
  CHECK(order == labels_of(b.epoch(3)));
  CHECK(order == labels_of(a.epoch(3)));
  CHECK(order != labels_of(a.epoch(4)));
  CHECK(order != labels_of(c.epoch(3)));
  const int threads_before = threads();
  set_threads(3);
  CHECK(order == labels_of(a.epoch(3)));
  set_threads(threads_before);
}

TEST_CASE("DataLoader: a worker changes neither order nor bytes, for bulk and for item-wise data sets") {
  auto compare = [](const DataLoader& with, const DataLoader& without) {
    auto i = with.epoch(2).begin();
    int n = 0;
    for (auto& b : without.epoch(2)) {
      REQUIRE_FALSE(i == std::default_sentinel);
      CHECK(same_bytes((*i).x, b.x));
      CHECK(same_bytes((*i).y, b.y));
      ++i, ++n;
    }
    CHECK(i == std::default_sentinel);
    return n;
  };
  const auto set = numbered(100);
  const Squares squares{50};
  CHECK(compare(DataLoader(set, {.batch_size = 7}), DataLoader(set, {.batch_size = 7, .num_workers = 0})) == 15);
  CHECK(compare(DataLoader(squares, {.batch_size = 7}), DataLoader(squares, {.batch_size = 7, .num_workers = 0})) == 8);
}

TEST_CASE("DataLoader: resuming at a batch, one batch alone, and the items of a batch agree with the epoch") {
  const DataLoader loader(numbered(50), {.batch_size = 8});
  std::vector<Batch> all;
  for (auto& b : loader.epoch(1)) all.push_back(std::move(b));
  REQUIRE(all.size() == 7);
  std::size_t at = 3;
  for (auto& b : loader.epoch(1, 3)) CHECK(same_bytes(b.x, all[at++].x));
  CHECK(at == 7);
  CHECK(same_bytes(loader.batch(1, 6).x, all[6].x));
  const auto items = loader.items(1, 6);
  REQUIRE(items.size() == 2);
  CHECK(all[6].y.element(1) == static_cast<double>(items[1]));
  CHECK(labels_of(loader.epoch(1, 7)).empty());
  CHECK_THROWS_AS(loader.epoch(1, 8), IndexError);
  CHECK_THROWS_AS(loader.epoch(-1), IndexError);
  CHECK_THROWS_AS(loader.batch(0, 7), IndexError);
}

TEST_CASE("DataLoader: a plain range-for takes the next epoch each time") {
  DataLoader loader(numbered(30), {.batch_size = 10});
  for (std::int64_t e = 0; e < 3; ++e) {
    std::vector<int> seen;
    for (auto batch : loader)
      for (std::int64_t i = 0; i < batch.y.size(); ++i) seen.push_back(static_cast<int>(batch.y.element(i)));
    CHECK(seen == labels_of(loader.epoch(e)));
  }
  loader.set_next_epoch(7);
  CHECK(loader.next_epoch() == 7);
}

TEST_CASE("DataLoader: leaving early is clean, and no block of memory stays behind") {
  const DataLoader loader(numbered(1000), {.batch_size = 10});
  {
    for (auto& b : loader.epoch(0)) (void)b;
  }
  const auto before = pool::usage();
  for (int round = 0; round < 20; ++round) {
    int n = 0;
    for (auto& b : loader.epoch(round)) {
      (void)b;
      if (++n > round) break;
    }
  }
  { auto unused = loader.epoch(0).begin(); }
  const auto after = pool::usage();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.live_blocks == before.live_blocks);
  std::size_t kept = 0;
  std::vector<Batch> batches;
  for (auto& b : loader.epoch(0)) batches.push_back(b);  // batches outlive the loop
  for (const auto& b : batches) kept += static_cast<std::size_t>(b.y.size());
  CHECK(kept == 1000);
}

TEST_CASE("DataLoader: a loop over an epoch outlives its loader") {
  auto epoch = DataLoader(numbered(20), {.batch_size = 5, .shuffle = false}).epoch(0);
  CHECK(labels_of(epoch).size() == 20);
}

TEST_CASE("DataLoader: an exception comes back with the item, after the batches before it, with and without workers") {
  for (const int workers : {0, 1, 2, 3}) {
    DataLoader loader(Squares{20, 13}, {.batch_size = 5, .shuffle = false, .num_workers = workers});
    int batches = 0;
    try {
      for (auto& b : loader.epoch(0)) batches += static_cast<int>(b.x.dim(0) / 5);
      FAIL("no error");
    } catch (const DataError& e) {
      CHECK(std::string(e.what()) == "DataLoader: while loading item 13: cats/0071.png is damaged");
      CHECK_THROWS_WITH_AS(std::rethrow_if_nested(e), "cats/0071.png is damaged", std::runtime_error);
    }
    CHECK(batches == 2);
    DataLoader odd(Squares{20, 13, 1}, {.batch_size = 5, .shuffle = false, .num_workers = workers});
    CHECK(message_of(odd) == "DataLoader: while loading item 13: an exception that is no std::exception");
    DataLoader ragged(Squares{20, 13, 2}, {.batch_size = 5, .num_workers = workers});
    CHECK(message_of(ragged) ==
          "DataLoader: items 0 and 13 do not stack: x is f64[3] and f64[4]; every item of a data set "
          "must have the same shape and dtype\n  try: {.pad = data::PaddingValues{}}: sequences are padded to the longest");
  }
  DataLoader second(Squares{20, 2}, {.batch_size = 5, .shuffle = false});  // fails in the very first batch
  CHECK(message_of(second) == "DataLoader: while loading item 2: cats/0071.png is damaged");
  CHECK_THROWS_WITH_AS(DataLoader(Squares{20, 0}), "DataLoader: while loading item 0: cats/0071.png is damaged", DataError);
}

TEST_CASE("DataLoader refuses an empty data set and a batch size below 1") {
  CHECK_THROWS_WITH_AS(DataLoader(Squares{0}), "DataLoader: the data set is empty (0 items); it needs at least one",
                       DataError);
  CHECK_THROWS_AS(DataLoader(TensorDataset(Array::zeros({0, 28, 28}, u8), Array::zeros({0}, u8))), DataError);
  CHECK_THROWS_WITH_AS(DataLoader(Squares{3}, {.batch_size = 0}), "DataLoader: batch_size is 0; it must be at least 1",
                       DataError);
  CHECK_THROWS_AS(DataLoader(Squares{3}, {.batch_size = -5}), DataError);
}
