#include <doctest/doctest.h>

#include <gradus/autograd/ops.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

using namespace gradus;

namespace {

std::vector<double> numbers_of(const Tensor& x) {
  std::vector<double> all;
  for (int64_t i = 0; i < x.size(); ++i) all.push_back(x.array().element(i));
  return all;
}

}  // namespace

TEST_CASE("rand, randn, randint and randperm repeat by seed, and have their distributions") {
  manual_seed(7);
  const Tensor u = rand({100, 100}), n = randn({100, 100}, f64), k = randint(-2, 3, {10000}), p = randperm(1000);
  CHECK(u.dtype() == f32);
  CHECK(u.array().element(0) >= 0);
  CHECK(max(u).item() < 1);
  CHECK(std::fabs(mean(u).item() - 0.5) < 0.01);
  CHECK(std::fabs(mean(n).item()) < 0.03);
  CHECK(std::fabs(mean(square(n)).item() - 1) < 0.05);
  int64_t counts[5] = {};
  for (const double v : numbers_of(k)) {
    REQUIRE(v >= -2);
    REQUIRE(v < 3);
    ++counts[static_cast<int>(v) + 2];
  }
  for (const int64_t c : counts) CHECK(std::abs(c - 2000) < 200);
  std::vector<bool> seen(1000);
  for (const double v : numbers_of(p)) seen[static_cast<std::size_t>(v)] = true;
  CHECK(std::count(seen.begin(), seen.end(), true) == 1000);
  manual_seed(7);
  CHECK(numbers_of(rand({100, 100})) == numbers_of(u));
  CHECK(numbers_of(randn({100, 100}, f64)) == numbers_of(n));
  CHECK(numbers_of(rand({100, 100})) != numbers_of(u));  // the next stream
  Generator a(3), b(3);
  CHECK(numbers_of(randperm(10, a)) == numbers_of(randperm(10, b)));
  CHECK(randint(INT64_MIN, INT64_MAX, {3}).dtype() == i64);
}

TEST_CASE("eye, linspace, arange, zeros_like, ones_like") {
  CHECK(numbers_of(eye(2, f64)) == std::vector<double>{1, 0, 0, 1});
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(numbers_of(linspace(0, 1, 5, f64)) == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  CHECK(linspace(0, 0.1, 7, f64).array().element(6) == 0.1);
  CHECK(numbers_of(linspace(3, 9, 1, f64)) == std::vector<double>{3});
  CHECK(numbers_of(arange(2, 9, 3)) == std::vector<double>{2, 5, 8});
  CHECK(numbers_of(arange(5, 0, -2)) == std::vector<double>{5, 3, 1});
  CHECK(arange(5, 5).size() == 0);
  CHECK(arange(5, 0).size() == 0);
  CHECK(numbers_of(arange(INT64_MAX - 1, INT64_MAX)).size() == 1);
  const Tensor x = rand({2, 3}, f64);
  CHECK(numbers_of(ones_like(x)) == std::vector<double>(6, 1));
  CHECK(zeros_like(x).dtype() == f64);
}

TEST_CASE("creation refuses what cannot be made") {
  CHECK(thrown<DtypeError>([] { rand({2}, i64); }) == "rand: makes f32 or f64, not i64\n  try: f32, then .to(i64)");
  CHECK(says(thrown<ShapeError>([] { randint(3, 3, {2}); }), {"low must be below high, got 3 and 3"}));
  CHECK(says(thrown<ShapeError>([] { randperm(-1); }), {"n must be at least 0, got -1"}));
  CHECK(says(thrown<ShapeError>([] { eye(-2); }), {"n must be at least 0"}));
  CHECK(says(thrown<ShapeError>([] { linspace(0, 1, -1); }), {"steps must be at least 0"}));
  CHECK(says(thrown<ShapeError>([] { arange(0, 5, 0); }), {"a step of 0"}));
  CHECK(says(thrown<ShapeError>([] { arange(INT64_MIN, INT64_MAX); }), {"too many numbers"}));
}

TEST_CASE("a vector becomes a tensor with one axis, of its own dtype") {
  const Tensor lengths(std::vector<int64_t>{5, 2, 3}), weights(std::vector<float>{0.5f, 2}), none(std::vector<double>{});
  CHECK(lengths.dtype() == i64);
  CHECK(numbers_of(lengths) == std::vector<double>{5, 2, 3});
  CHECK(weights.dtype() == f32);
  CHECK(weights.shape() == Shape{2});
  CHECK(none.shape() == Shape{0});
  CHECK_FALSE(std::is_convertible_v<std::vector<float>, Tensor>);  // a cast that is written
}
