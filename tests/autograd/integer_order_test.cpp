// Integers: comparisons, reductions, scans, orders, single elements and every layout, against loops over exact numbers.
#include <gradus/tests/helpers/integers.h>

#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <random>

using namespace gradus;
using namespace gradus::integers;

namespace {

/// Numbers of every size, the ends among them.
Tensor any_longs(const Shape& shape, unsigned seed) {
  std::mt19937_64 draw(seed);
  Array a(shape, i64);
  for (int64_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<int64_t>(draw()) >> (draw() % 64);
    a.uninitialized<int64_t>()[i] = draw() % 16 == 0 ? lowest : draw() % 16 == 0 ? highest : x;
  }
  return Tensor(a);
}

/// The same tensor as a transpose, a slice with steps, and, where its rows are equal, an expansion.
std::vector<Tensor> layouts(const Tensor& x) {
  std::vector<Tensor> all{x};
  if (x.rank() == 2) {
    all.push_back(contiguous(transpose(x, 0, 1)).transpose(0, 1));
    all.push_back(slice(repeat_interleave(x, 2, 1), 1, 0, 2 * x.dim(1), 2));
    all.push_back(slice(cat({x, x}, 0), 0, x.dim(0), 2 * x.dim(0)));
  }
  return all;
}

}  // namespace

TEST_CASE("the six comparisons of i64 are exact, of numbers, of reals and of u8 too") {
  const Tensor a = longs({big + 1, big, highest, lowest, -1}), b = longs({big, big + 1, highest, highest, 0});
  CHECK(is(a == b, boolean, Longs{0, 0, 1, 0, 0}));
  CHECK(is(a != b, boolean, Longs{1, 1, 0, 1, 1}));
  CHECK(is(a < b, boolean, Longs{0, 1, 0, 1, 1}));
  CHECK(is(a <= b, boolean, Longs{0, 1, 1, 1, 1}));
  CHECK(is(a > b, boolean, Longs{1, 0, 0, 0, 0}));
  CHECK(is(a >= b, boolean, Longs{1, 0, 1, 0, 0}));
  CHECK(is(a == big + 1, boolean, Longs{1, 0, 0, 0, 0}));
  CHECK(is(a > big, boolean, Longs{1, 0, 1, 0, 0}));
  CHECK(is(big < a, boolean, Longs{1, 0, 1, 0, 0}));
  CHECK(is(a == 0x1p53, boolean, Longs{0, 1, 0, 0, 0}));
  CHECK(is(a <= 0x1p53, boolean, Longs{0, 1, 0, 1, 1}));
  CHECK(is(a < 0x1p63, boolean, Longs{1, 1, 1, 1, 1}));
  CHECK(is(a == 0x1p63, boolean, Longs{0, 0, 0, 0, 0}));
  CHECK(is(a >= -0x1p63, boolean, Longs{1, 1, 1, 1, 1}));
  CHECK(is(a > -0.5, boolean, Longs{1, 1, 1, 0, 0}));
  CHECK(is(a < INFINITY, boolean, Longs{1, 1, 1, 1, 1}));
  CHECK(is(a < NAN, boolean, Longs{0, 0, 0, 0, 0}));
  CHECK(is(a != NAN, boolean, Longs{1, 1, 1, 1, 1}));
  CHECK(is(longs({big + 1, 3}) > full({2}, 0x1p53, f64), boolean, Longs{1, 0}));
  CHECK(is(full({2}, 0x1p53) < longs({big + 1, 3}), boolean, Longs{1, 0}));
  CHECK(is(full({2}, 0x1p53) == longs({big + 1, big}), boolean, Longs{0, 1}));
  CHECK(is(ones({2}) == longs({1, 2}), boolean, Longs{1, 0}));  // predictions and labels
  CHECK(is(bytes({0, 200}) < 300, boolean, Longs{1, 1}));
  CHECK(is(bytes({0, 200}) == 256, boolean, Longs{0, 0}));
  CHECK(is(bytes({0, 200}) >= -1, boolean, Longs{1, 1}));
  CHECK(is(bytes({0, 200}) > 127.5, boolean, Longs{0, 1}));
  CHECK(is(bytes({0, 200}) < bytes({1, 199}), boolean, Longs{1, 0}));
  CHECK(is(bytes({1, 200}) == longs({1, 456}), boolean, Longs{1, 0}));
  CHECK(is(bools({true, false}) == bools({true, true}), boolean, Longs{1, 0}));
  CHECK(is(bools({true, false}) > 0, boolean, Longs{1, 0}));
  CHECK(is(bools({true, false}) == true, boolean, Longs{1, 0}));
  CHECK(is(tensor<int64_t>({2, 1}, {1, 2}) == longs({1, 2, 3}), boolean, Longs{1, 0, 0, 0, 1, 0}));
  CHECK((longs({}) == 1).shape() == Shape{0});
  CHECK((ones({2}) == 1).dtype() == boolean);
  CHECK(is(full({1}, 16777216) == 16777217, boolean, Longs{1}));  // beside f32 a plain number is an f32
  REFUSES(ShapeError, longs({1, 2}) == longs({1, 2, 3}), "[2]", "[3]");
}

TEST_CASE("item() never rounds an integer; item<int64_t>() holds every one") {
  const Tensor x = longs({big + 1});
  CHECK(x.item<int64_t>() == big + 1);
  CHECK(x.array().at<int64_t>({0}) == big + 1);
  CHECK(longs({lowest}).item<int64_t>() == lowest);
  CHECK(longs({highest}).item<int64_t>() == highest);
  CHECK(longs({lowest}).item() == -0x1p63);
  CHECK(longs({big}).item() == 0x1p53);
  CHECK(longs({big + 2}).item() == 0x1p53 + 2);
  CHECK(longs({-big - 2}).item<std::int64_t>() == -big - 2);
  REFUSES(DtypeError, x.item(), "item: i64[1] holds 9007199254740993, which is no double; the nearest is 9007199254740992",
          "try: x.item<int64_t>()");
  REFUSES(DtypeError, longs({highest}).item(), "9223372036854775807");
  REFUSES(DtypeError, longs({-big - 1}).item(), "-9007199254740993");
  REFUSES(DtypeError, x.array().at({0}), "at: i64[] holds 9007199254740993");
  CHECK(x.item<double>() == 0x1p53);  // asked for
  CHECK(x.item<float>() == 0x1p53f);
  CHECK(scalar(-1.5).item<int>() == -1);
  CHECK(scalar(3).item<std::uint8_t>() == 3);
  CHECK(bools({true}).item<bool>());
  CHECK(scalar(0.5).item<bool>());
  CHECK(bytes({200}).item<int>() == 200);
  REFUSES(DtypeError, bytes({200}).item<std::int8_t>(), "item: u8[1] holds 200", "[-128, 127]");
  REFUSES(DtypeError, longs({-1}).item<std::uint64_t>(), "holds -1");
  REFUSES(DtypeError, longs({int64_t(1) << 31}).item<int>(), "2147483648");
  REFUSES(DtypeError, scalar(NAN).item<int64_t>(), "nan");
  REFUSES(DtypeError, scalar(0x1p63).item<int64_t>(), "holds 9223372036854775808",
          "[-9223372036854775808, 9223372036854775807]");
  REFUSES(ShapeError, longs({1, 2}).item<int64_t>(), "item: a single number was asked of i64[2]");
}

TEST_CASE("numbers given for i64 keep all digits, and u8 and i64 go there and back") {
  CHECK(is(full({2}, big + 1, i64), i64, Longs{big + 1, big + 1}));
  CHECK(scalar(highest, i64).item<int64_t>() == highest);
  CHECK(Tensor(big + 1).item<int64_t>() == big + 1);
  CHECK(full({1}, 300, u8).item() == 255);
  CHECK(full({1}, 3).dtype() == f32);
  const Tensor all = arange(256);
  CHECK(held(all.to(u8).to(i64)) == held(all));
  CHECK(held(longs({-3, 0, 1}).to(boolean).to(i64)) == Longs{1, 0, 1});
  CHECK(held(longs({big, -big}).to(f64).to(i64)) == Longs{big, -big});
}

TEST_CASE("sums and products of i64, u8 and bool are exact, in i64, modulo 2^64") {
  CHECK(is(sum(longs({big, 1, 1})), i64, Longs{big + 2}));
  CHECK(is(sum(longs({highest, 1})), i64, Longs{lowest}));
  CHECK(is(sum(bytes({200, 200, 200})), i64, Longs{600}));
  CHECK(is(sum(bools({true, false, true})), i64, Longs{2}));
  CHECK(is(prod(longs({big, 3, 5})), i64, Longs{big * 15}));
  CHECK(is(prod(bytes({200, 200})), i64, Longs{40000}));
  CHECK(is(prod(longs({int64_t(1) << 32, int64_t(1) << 32})), i64, Longs{0}));
  CHECK(is(prod(tensor<int64_t>({2, 2}, {1, 2, 3, 4}), 0), i64, Longs{3, 8}));
  CHECK(is(prod(tensor<int64_t>({2, 2}, {1, 2, 3, 4}), 1, true), i64, Longs{2, 12}));
  CHECK(is(sum(longs({})), i64, Longs{0}));
  CHECK(is(prod(longs({})), i64, Longs{1}));
  CHECK(is(sum(Tensor(Array::full({}, 7, u8))), i64, Longs{7}));
  CHECK(is(prod(Tensor(Array::full({}, true, boolean))), i64, Longs{1}));
  for (const Dtype t : {i64, u8, boolean})
    REFUSES(DtypeError, mean(zeros({2, 3}, t)), "mean: ", "[2,3]", "try: mean(x.to(f32))");
  const Array wide = Array::full({3, 1, 1}, 255, u8).expand({3, 700, 900});
  CHECK(sum_axes(wide, 7).item<int64_t>() == int64_t(255) * 3 * 700 * 900);
  CHECK(sum_axes(wide, 6).at<int64_t>({2, 0, 0}) == int64_t(255) * 700 * 900);
  CHECK(sum_axes(wide, 1).at<int64_t>({0, 699, 899}) == 765);
  const Array dense = wide.copy();
  const auto before = pool::usage().live_bytes;
  CHECK(sum_axes(dense, 7).item<int64_t>() == int64_t(255) * 3 * 700 * 900);
  CHECK(pool::usage().live_bytes == before);
  // 2.2e9 bytes that are one: a copy in i64 would be 17.6 GB
  CHECK(sum(Tensor(Array::full({1}, 3, u8).expand({2200000000}))).item<int64_t>() == 6600000000);
}

TEST_CASE("sums in every layout, over every axis") {
  for (const Dtype t : {i64, u8, boolean})
    for (const Shape& shape : {Shape{3, 5}, Shape{1, 70}, Shape{130, 257}, Shape{0, 3}}) {
      const Tensor x = any_longs(shape, 3).to(t);
      for (const Tensor& y : layouts(x))
        for (const std::vector<int>& axes : {std::vector<int>{0}, {1}, {}}) {
          const Tensor s = sum(y, axes, true);
          std::vector<std::uint64_t> expected(static_cast<std::size_t>(s.size()));
          const Longs in = held(x);
          for (int64_t i = 0; i < x.size(); ++i) {
            const int64_t r = i / shape[1], c = i % shape[1];
            const auto to = static_cast<std::size_t>(axes.empty() ? 0 : axes[0] == 0 ? c : r);
            expected[to] += static_cast<std::uint64_t>(in[static_cast<std::size_t>(i)]);
          }
          CHECK(s.dtype() == i64);
          CHECK(held(s) == Longs(expected.begin(), expected.end()));
        }
    }
}

TEST_CASE("running sums and products of integers, in i64") {
  CHECK(is(cumsum(longs({big, 1, 1}), 0), i64, Longs{big, big + 1, big + 2}));
  CHECK(is(cumsum(longs({highest, 1}), 0), i64, Longs{highest, lowest}));
  CHECK(is(cumsum(bytes({200, 200, 200}), 0), i64, Longs{200, 400, 600}));
  CHECK(is(cumsum(bools({true, false, true}), 0), i64, Longs{1, 1, 2}));
  CHECK(is(cumprod(longs({3, -5, big}), 0), i64, Longs{3, -15, -15 * big}));
  CHECK(is(cumsum(tensor<int64_t>({2, 3}, {1, 2, 3, 4, 5, 6}), 0), i64, Longs{1, 2, 3, 5, 7, 9}));
  CHECK(is(cumprod(tensor<std::uint8_t>({2, 3}, {1, 2, 3, 4, 5, 60}), -1), i64, Longs{1, 2, 6, 4, 20, 1200}));
  CHECK(is(cumsum(transpose(tensor<int64_t>({2, 3}, {1, 2, 3, 4, 5, 6}), 0, 1), 1), i64, Longs{1, 5, 2, 7, 3, 9}));
  CHECK(cumsum(zeros({2, 0}, i64), 1).shape() == Shape({2, 0}));
  CHECK(cumsum(zeros({0, 2}, u8), 1).dtype() == i64);
}

TEST_CASE("extremes and orders of integers and bools") {
  const Tensor n = longs({big, big + 1, lowest, highest}), m = bools({false, true, true, false});
  CHECK(is(max(n), i64, Longs{highest}));
  CHECK(is(min(n), i64, Longs{lowest}));
  CHECK(is(argmax(slice(n, 0, 0, 2), 0), i64, Longs{1}));
  CHECK(is(max(m), boolean, Longs{1}));
  CHECK(is(min(m, 0), boolean, Longs{0}));
  CHECK(is(argmax(m, 0), i64, Longs{1}));
  CHECK(is(argmin(m, 0), i64, Longs{0}));
  CHECK(is(max(bytes({3, 200, 7}), 0), u8, Longs{200}));
  CHECK(is(sort(n).values, i64, Longs{lowest, big, big + 1, highest}));
  CHECK(is(sort(bytes({3, 200, 7}), 0, true).values, u8, Longs{200, 7, 3}));
  CHECK(is(sort(m).values, boolean, Longs{0, 0, 1, 1}));
  CHECK(is(argsort(m), i64, Longs{0, 3, 1, 2}));
  CHECK(is(topk(n, 2).values, i64, Longs{highest, big + 1}));
  CHECK(is(median(n).values, i64, Longs{big}));
}

TEST_CASE("parts of integers stay integers") {
  const Tensor n = tensor<int64_t>({2, 2}, {big + 1, 2, 3, 4});
  CHECK(is(tril(n), i64, Longs{big + 1, 0, 3, 4}));
  CHECK(is(triu(n.to(u8)), u8, Longs{1, 2, 0, 4}));
  CHECK(is(tril(n > 3), boolean, Longs{1, 0, 0, 1}));
}

TEST_CASE("every layout and size: elementwise integers against a loop") {
  struct Case {
    const char* name;
    std::function<Tensor(const Tensor&, const Tensor&)> op;
    std::function<std::uint64_t(std::uint64_t, std::uint64_t)> one;
  };
  const auto less = [](std::uint64_t a, std::uint64_t b) { return static_cast<int64_t>(a) < static_cast<int64_t>(b); };
  const Case cases[] = {
      {"+", [](auto& a, auto& b) { return a + b; }, [](auto a, auto b) { return a + b; }},
      {"-", [](auto& a, auto& b) { return a - b; }, [](auto a, auto b) { return a - b; }},
      {"*", [](auto& a, auto& b) { return a * b; }, [](auto a, auto b) { return a * b; }},
      {"max", [](auto& a, auto& b) { return max(a, b); }, [=](auto a, auto b) { return less(a, b) ? b : a; }},
      {"where", [](auto& a, auto& b) { return where(a < b, a, b); }, [=](auto a, auto b) { return less(a, b) ? a : b; }},
      {"&", [](auto& a, auto& b) { return a & b; }, [](auto a, auto b) { return a & b; }},
      {"^", [](auto& a, auto& b) { return a ^ b; }, [](auto a, auto b) { return a ^ b; }},
      {"<", [](auto& a, auto& b) { return a < b; }, [=](auto a, auto b) { return std::uint64_t(less(a, b)); }}};
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{8, 8}, Shape{67, 129}, Shape{300, 401}, Shape{2, 0}})
    for (const Dtype t : {i64, u8}) {
      const Tensor a = any_longs(shape, 1).to(t), b = any_longs(shape, 2).to(t), row = any_longs({shape[1]}, 4).to(t);
      const Longs p = held(a), q = held(b), r = held(row);
      for (const Case& c : cases) {
        CAPTURE(c.name);
        const auto expected = [&](bool spread) {
          Longs e;
          for (std::size_t i = 0; i < p.size(); ++i) {
            const int64_t other = spread ? r[i % r.size()] : q[i];
            const std::uint64_t x = c.one(static_cast<std::uint64_t>(p[i]), static_cast<std::uint64_t>(other));
            e.push_back(t == u8 ? static_cast<std::uint8_t>(x) : static_cast<int64_t>(x));
          }
          return e;
        };
        const Longs same = expected(false), spread = expected(true);
        for (const Tensor& x : layouts(a)) {
          for (const Tensor& y : layouts(b)) CHECK(held(c.op(x, y)) == same);
          CHECK(held(c.op(x, row)) == spread);
        }
      }
    }
  CHECK(is(Tensor(Array::full({}, 3, i64)) * Tensor(Array::full({}, 4, i64)), i64, Longs{12}));
}
