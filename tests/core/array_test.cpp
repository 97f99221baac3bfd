#include <gradus/core/array.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

using namespace gradus;

namespace {

std::vector<double> values(const Array& a) {
  std::vector<double> v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}
using V = std::vector<double>;

template <class E, class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("array: makers") {
  CHECK(values(Array::arange(3)) == V{0, 1, 2});
  CHECK(values(Array::full({2}, 1.5)) == V{1.5, 1.5});
  CHECK(values(Array::ones({2}, boolean)) == V{1, 1});
  CHECK(values(Array::of<bool>({2}, {true, false})) == V{1, 0});
  CHECK(Array::zeros({}).item() == 0);
  CHECK(Array({2, 0}).size() == 0);
  const Array like = Array::like(Array::arange(6).reshape({2, 3}).transpose(0, 1));
  CHECK(describe(like) == "i64[3,2]");
  CHECK(like.dense());
  CHECK(like.stride(0) == 2);
  CHECK_FALSE(Array().defined());
  CHECK(describe(Array()) == "absent");
  CHECK_FALSE(Array().copy().defined());
  CHECK_THROWS_AS(Array({2, -1}), ShapeError);
  CHECK_THROWS_AS(Array::arange(-1), ShapeError);
  CHECK_THROWS_AS(Array::of<float>({2}, {1}), ShapeError);
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1}), ShapeError);
}

TEST_CASE("array: sizes no machine has are refused before anything is done") {
  const auto before = pool::usage();
  const int64_t big = int64_t(1) << 40;
  CHECK_THROWS_AS(Array({big, big}), ResourceError);
  CHECK_THROWS_AS(Array({0, big, big}), ResourceError);
  CHECK_THROWS_AS(Array({big, 1 << 20}, u8), ResourceError);  // 2^60 bytes: fits 64 bits, not the pool's classes
  CHECK_THROWS_AS(Array({INT64_MAX}, u8), ResourceError);
  CHECK_THROWS_AS(Array::zeros({1}).expand({big, big}), ResourceError);
  CHECK_THROWS_AS(Array::like(Array::zeros({1}).expand({big, 1 << 18})), ResourceError);
  CHECK_THROWS_AS(Array::zeros({4}).reshape({big, big}), ShapeError);
  CHECK_THROWS_AS(Array({0}).reshape({0, big, big}), ResourceError);
  CHECK_THROWS_AS(Array({0}).reshape({int64_t(1) << 32, int64_t(1) << 32}), ShapeError);  // 2^64 wraps to 0
  CHECK(pool::usage().live_blocks == before.live_blocks);
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("array: slice as Python does") {
  const Array x = Array::arange(10);
  CHECK(values(x.slice(0, 2, 5)) == V{2, 3, 4});
  CHECK(values(x.slice(0, 1, 10, 4)) == V{1, 5, 9});
  CHECK(values(x.slice(0, 1, 9, 4)) == V{1, 5});
  CHECK(values(x.slice(0, -3, -1)) == V{7, 8});
  CHECK(values(x.slice(0, -100, 2)) == V{0, 1});
  CHECK(values(x.slice(0, 8, 100)) == V{8, 9});
  CHECK(values(x.slice(0, 3, INT64_MAX, INT64_MAX)) == V{3});
  CHECK(values(x.slice(0, INT64_MIN, INT64_MAX, 9)) == V{0, 9});
  CHECK(x.slice(0, 5, 2).size() == 0);
  CHECK(x.slice(0, 100, 200).size() == 0);
  const Array m = Array::arange(12).reshape({3, 4});
  CHECK(values(m.slice(1, 0, 4, 2)) == V{0, 2, 4, 6, 8, 10});
  CHECK(values(m.slice(-2, 0, 3, 2)) == V{0, 1, 2, 3, 8, 9, 10, 11});
  CHECK(values(m.slice(1, 0, 4, 2).slice(0, 1, 3).slice(1, 1, 2)) == V{6, 10});
  CHECK(m.slice(0, 0, 2).dense());
  CHECK_FALSE(m.slice(0, 1, 3).dense());  // its last pack would reach beyond the numbers
  CHECK(Array({3, 8}, f64).slice(0, 1, 3).dense());
  CHECK_FALSE(m.slice(1, 1, 3).dense());
  CHECK(m.slice(1, 1, 3).shares_storage(m));
  CHECK_THROWS_AS(x.slice(0, 0, 5, 0), IndexError);
  CHECK_THROWS_AS(x.slice(1, 0, 5), IndexError);
}

TEST_CASE("array: select, squeeze, unsqueeze, permute, transpose") {
  const Array x = Array::arange(24).reshape({2, 3, 4});
  CHECK(describe(x.select(1, -1)) == "i64[2,4]");
  CHECK(values(x.select(1, -1)) == V{8, 9, 10, 11, 20, 21, 22, 23});
  CHECK(values(x.select(2, 0).select(0, 1)) == V{12, 16, 20});
  CHECK(describe(x.unsqueeze(-1)) == "i64[2,3,4,1]");
  CHECK(describe(x.unsqueeze(0)) == "i64[1,2,3,4]");
  CHECK(x.unsqueeze(1).dense());
  CHECK(describe(x.unsqueeze(1).squeeze(1)) == "i64[2,3,4]");
  CHECK(values(x.unsqueeze(1).squeeze(1)) == values(x));
  const Array p = x.permute({2, 0, -2});
  CHECK(describe(p) == "i64[4,2,3]");
  CHECK(p.at({3, 1, 2}) == x.at({1, 2, 3}));
  CHECK_FALSE(p.dense());
  CHECK(values(p.permute({1, 2, 0})) == values(x));
  CHECK(p.permute({1, 2, 0}).dense());
  CHECK(values(x.transpose(0, -1)) == values(x.permute({2, 1, 0})));
  CHECK(Array({1, 5}).transpose(0, 1).dense());  // an axis of one does not matter
  CHECK_THROWS_AS(x.select(1, 3), IndexError);
  CHECK_THROWS_AS(x.select(1, -4), IndexError);
  CHECK_THROWS_AS(x.squeeze(0), ShapeError);
  CHECK_THROWS_AS(x.permute({0, 1}), ShapeError);
  CHECK_THROWS_AS(x.permute({0, 1, 1}), ShapeError);
  CHECK_THROWS_AS(x.permute({0, 1, 3}), IndexError);
  CHECK_THROWS_AS(Array({1, 1, 1, 1, 1, 1}).unsqueeze(0), ShapeError);
  CHECK(thrown<IndexError>([] { Array::zeros({}).select(0, 0); }).find("0-d") != std::string::npos);
}

TEST_CASE("array: expand and broadcast") {
  const Array row = Array::arange(3).reshape({1, 3});
  CHECK(values(row.expand({2, 3})) == V{0, 1, 2, 0, 1, 2});
  CHECK(row.expand({4, 2, 3}).size() == 24);
  CHECK(row.expand({2, 3}).stride(0) == 0);
  CHECK(row.expand({0, 3}).size() == 0);
  CHECK(values(row.expand({2, 3}).copy()) == V{0, 1, 2, 0, 1, 2});
  CHECK(row.expand({2, 3}).copy().dense());
  CHECK(thrown<ShapeError>([&] {
          row.expand({2, 4});
        }) == "expand: i64[1,3] does not expand to [2,4]; only axes of length 1 repeat");
  CHECK_THROWS_AS(row.expand({3}), ShapeError);
  CHECK_THROWS_AS(row.expand({-2, 3}), ShapeError);

  CHECK(broadcast("add", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast("add", {}, {3}) == Shape{3});
  CHECK(broadcast("add", {0}, {1}) == Shape{0});
  CHECK(thrown<ShapeError>([] {
          broadcast("add", {32, 10}, {32});
        }) == "add: [32,10] and [32] do not broadcast: axis 1 is 10 against 32\n  try: b.unsqueeze(1), which gives [32,1]");
  CHECK(thrown<ShapeError>([] {
          broadcast("add", {3, 1}, {2, 3, 4, 5});
        }) ==
        "add: [3,1] and [2,3,4,5] do not broadcast: axis 2 is 3 against 4\n  try: a.unsqueeze(2), which gives [3,1,1]");
  CHECK(thrown<ShapeError>([] { broadcast("add", {2}, {3}); }) ==
        "add: [2] and [3] do not broadcast: axis 0 is 2 against 3");
}

TEST_CASE("array: reshape is a view of what is dense, else a copy, and dense either way") {
  const Array x = Array::arange(12);
  const Array m = x.reshape({3, -1});
  CHECK(describe(m) == "i64[3,4]");
  CHECK(m.shares_storage(x));
  const Array t = m.transpose(0, 1).reshape({12});
  CHECK_FALSE(t.shares_storage(x));
  CHECK(t.dense());
  CHECK(values(t) == V{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(describe(m.flatten()) == "i64[12]");
  CHECK(describe(x.reshape({2, 3, 2}).flatten(1)) == "i64[2,6]");
  CHECK(describe(Array::zeros({}).flatten()) == "f32[1]");
  CHECK(describe(Array({0, 3}).reshape({-1, 3})) == "f32[0,3]");
  CHECK(describe(Array({0, 3}).flatten()) == "f32[0]");
  CHECK(describe(Array::zeros({1}).reshape({})) == "f32[]");
  CHECK(thrown<ShapeError>([&] { x.reshape({5, -1}); }) == "reshape: [12] holds 12 elements, [5,-1] needs a multiple of 5");
  CHECK(thrown<ShapeError>([&] { x.reshape({3, 5}); }) == "reshape: [12] holds 12 elements, [3,5] holds 15");
  CHECK_THROWS_AS(x.reshape({-1, -1}), ShapeError);
  CHECK_THROWS_AS(x.reshape({-12, -1}), ShapeError);
  CHECK_THROWS_AS(Array({0}).reshape({0, -1}), ShapeError);  // -1 could be anything
}

TEST_CASE("array: at, item and typed access") {
  const Array x = Array::arange(6).reshape({2, 3});
  CHECK(x.at({1, 2}) == 5);
  CHECK(x.at({-1, -3}) == 3);
  CHECK(thrown<IndexError>([&] { x.at({0, -4}); }) == "at: index -4 is out of range on axis 1 of i64[2,3]");
  CHECK(thrown<IndexError>([&] { x.at({2, 0}); }) == "at: index 2 is out of range on axis 0 of i64[2,3]");
  CHECK_THROWS_AS(x.at({0}), IndexError);
  CHECK(Array::full({1, 1}, 4).item() == 4);
  CHECK_THROWS_AS(x.item(), ShapeError);
  CHECK_THROWS_AS(Array({0}).item(), ShapeError);
  CHECK_THROWS_AS(x.data<float>(), DtypeError);
  CHECK_THROWS_AS(Array().data<float>(), DtypeError);
  CHECK_THROWS_AS(x.dim(2), IndexError);
  CHECK(x.dim(-1) == 3);
}

TEST_CASE("array: writing bumps the version for every view, and names the writer") {
  Array x = Array::zeros({4});
  Array view = x.slice(0, 0, 2);
  view.remember_version();
  CHECK_FALSE(view.stale());
  x.write<float>("planted")[1] = 7;
  CHECK(view.stale());
  CHECK(std::string(view.writer()) == "planted");
  CHECK(view.at({1}) == 7);
  view.remember_version();
  CHECK_FALSE(view.stale());
  CHECK_THROWS_AS(x.write<double>("wrong"), DtypeError);
  CHECK_FALSE(view.stale());
  Array other = x.copy();
  other.write<float>("other")[0] = 1;
  CHECK_FALSE(view.stale());
  CHECK(x.at({0}) == 0);
}

TEST_CASE("array: assign broadcasts, keeps the layout, and copes with overlap") {
  Array m = Array::zeros({2, 3}, i64);
  m.assign(Array::arange(3), "row");
  CHECK(values(m) == V{0, 1, 2, 0, 1, 2});
  m.slice(1, 0, 3, 2).assign(Array::full({2, 1}, 9, i64), "columns");
  CHECK(values(m) == V{9, 1, 9, 9, 1, 9});
  Array square = Array::arange(9).reshape({3, 3});
  square.assign(square.transpose(0, 1), "transpose");
  CHECK(values(square) == V{0, 3, 6, 1, 4, 7, 2, 5, 8});
  Array line = Array::arange(6);
  line.slice(0, 1, 6).assign(line.slice(0, 0, 5), "shift");
  CHECK(values(line) == V{0, 0, 1, 2, 3, 4});
  const auto version = line.version();
  CHECK_THROWS_AS(line.assign(Array::zeros({6}), "wrong type"), DtypeError);
  CHECK_THROWS_AS(line.assign(Array::arange(5), "wrong shape"), ShapeError);
  CHECK(line.version() == version);
}

TEST_CASE("array: to another dtype; what an integer cannot hold is clamped") {
  const double inf = std::numeric_limits<double>::infinity();
  const Array x = Array::of<double>({8}, {1.9, -1.9, 300, -5, inf, -inf, std::nan(""), 1e300});
  CHECK(values(x.to(u8)) == V{1, 0, 255, 0, 255, 0, 0, 255});
  const Array i = x.to(i64);
  CHECK(i.data<int64_t>()[1] == -1);
  CHECK(i.data<int64_t>()[4] == INT64_MAX);
  CHECK(i.data<int64_t>()[5] == INT64_MIN);
  CHECK(i.data<int64_t>()[6] == 0);
  CHECK(values(x.to(f32).to(i64)) == values(i));
  CHECK(values(Array::of<float>({3}, {0, -0.5f, 2}).to(boolean)) == V{0, 1, 1});
  CHECK(values(Array::full({1}, 300, u8)) == V{255});
  CHECK(x.to(f64).shares_storage(x));
  CHECK(values(Array::arange(6).reshape({2, 3}).transpose(0, 1).to(f32)) == V{0, 3, 1, 4, 2, 5});
}

TEST_CASE("array: copies of random views agree with element()") {
  std::mt19937 draw(7);
  auto below = [&](int64_t n) { return static_cast<int64_t>(draw() % static_cast<std::uint32_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    Array v = Array::arange(2 * 3 * 1 * 4 * 2).reshape({2, 3, 1, 4, 2});
    for (int step = 0; step < 4 && v.rank() > 0; ++step) {
      const int axis = static_cast<int>(below(v.rank()));
      const int64_t kind = below(5), start = below(2), stride = 1 + below(3);
      switch (kind) {
        case 0: v = v.slice(axis, start, v.dim(axis), stride); break;
        case 1: v = v.transpose(axis, static_cast<int>(start % v.rank())); break;
        case 2:
          if (v.dim(axis) > 0) v = v.select(axis, below(v.dim(axis)));
          break;
        case 3:
          if (v.rank() < max_rank) v = v.unsqueeze(axis);
          break;
        default: {
          Shape s = v.shape();
          if (s[axis] == 1) s[axis] = 3;
          v = v.expand(s);
        }
      }
    }
    const Array c = v.copy();
    CHECK(c.dense());
    CHECK(values(c) == values(v));
    if (v.dense()) CHECK(std::equal(c.data<int64_t>(), c.data<int64_t>() + c.size(), v.data<int64_t>()));
    Array back = Array::zeros(v.shape(), i64).transpose(0, v.rank() ? -1 : 0).transpose(0, -1);
    back.assign(v, "test");
    CHECK(values(back) == values(v));
  }
}

TEST_CASE("strided: a walk merges what is contiguous, and can start anywhere") {
  const int64_t dense[] = {12, 4, 1}, swapped[] = {1, 2, 6};
  CHECK(StridedLoop<1>({2, 3, 4}, {dense}).rank == 1);
  CHECK(StridedLoop<1>({2, 3, 4}, {dense}).run() == 24);
  const StridedLoop<2> walk({2, 3, 4}, {dense, swapped});
  CHECK(walk.rank == 3);
  std::vector<int64_t> all, parts;
  walk.each_run(0, walk.runs(), [&](const int64_t* at) { all.push_back(at[0] * 100 + at[1]); });
  for (int64_t r = 0; r < walk.runs(); ++r)
    walk.each_run(r, r + 1, [&](const int64_t* at) { parts.push_back(at[0] * 100 + at[1]); });
  CHECK(all == std::vector<int64_t>{0, 402, 804, 1201, 1603, 2005});
  CHECK(parts == all);
  CHECK(StridedLoop<1>({}, {dense}).run() == 1);
  CHECK(StridedLoop<1>({1, 1, 1}, {dense}).rank == 1);
}

TEST_CASE("pool: classes hold what they are asked for, waste little, and grow") {
  int previous = 0, wrong = 0;
  for (std::size_t n = 1; n <= 5'000'000; ++n) {
    const int c = pool::class_of(n);
    const std::size_t bytes = pool::class_bytes(c);
    wrong += bytes < n || (n > 1024 && bytes > n + n / 4) || bytes % 64 != 0;  // too small, or wasteful
    wrong += c < previous || c > previous + 1;                                 // not in order, or one left out
    wrong += c > 0 && pool::class_bytes(c - 1) >= n;                           // a smaller one would do
    previous = c;
  }
  CHECK(wrong == 0);
  CHECK(pool::class_bytes(pool::small_classes - 1) == 256 * 1024);
  CHECK(pool::class_of(pool::largest + 192) < pool::classes);
}

TEST_CASE("pool: live blocks and bytes return to where they were") {
  const auto before = pool::usage();
  {
    std::vector<Array> held;
    for (int64_t n = 1; n < 400'000; n = n * 3 / 2 + 1) held.emplace_back(Shape{n}, f64);
    const auto during = pool::usage();
    CHECK(during.live_blocks - before.live_blocks == static_cast<int64_t>(held.size()));
    int64_t bytes = 0;
    for (const Array& a : held) bytes += a.size() * 8;
    CHECK(during.live_bytes - before.live_bytes >= bytes);
    const Array view = held.back().slice(0, 0, 5), copy = held.back();
    CHECK(pool::usage().live_blocks == during.live_blocks);
    CHECK_FALSE(view.unique());
  }
  CHECK(pool::usage().live_blocks == before.live_blocks);
  CHECK(pool::usage().live_bytes == before.live_bytes);
  pool::trim();
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("pool: a thread that only frees, and a thread-local Array that outlives its thread's list, are counted") {
  const auto before = pool::usage();
  std::vector<Array> made;
  for (int i = 0; i < 100; ++i) made.push_back(Array::zeros({16}));
  std::thread([given = std::move(made)]() mutable { given.clear(); }).join();  // it never allocates
  CHECK(pool::usage().live_blocks == before.live_blocks);
  std::thread([] {
    thread_local Array late;  // made before the thread meets the pool, so it dies after they part
    late = Array();
    late = Array::zeros({16});
  }).join();
  CHECK(pool::usage().live_blocks == before.live_blocks);
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("array: shared between threads") {
  const auto before = pool::usage();
  {
    const Array x = Array::arange(1000);
    auto read = [](Array a) {
      double sum = 0;
      for (int round = 0; round < 2000; ++round) {
        const Array copy = a, view = a.slice(0, round % 500, 1000);
        sum += view.element(0);
      }
      return sum;
    };
    double there = 0;
    std::thread other([&there, read, a = x] { there = read(a); });
    const double here = read(x);
    other.join();
    CHECK(there == here);
    CHECK(x.unique());
  }
  CHECK(pool::usage().live_blocks == before.live_blocks);
}
