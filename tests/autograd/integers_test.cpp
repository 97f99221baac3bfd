// Integers are numbers too: arithmetic and dtypes of i64, u8 and bool, against exact numbers modulo 2^64 (or 256)
// and against the dtypes of PyTorch 2.
#include <gradus/tests/helpers/integers.h>

#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <limits>

using namespace gradus;
using namespace gradus::integers;

namespace {

bool is(const Tensor& t, Dtype dtype, const std::vector<double>& numbers) {
  bool same = t.dtype() == dtype && t.size() == static_cast<int64_t>(numbers.size());
  for (int64_t i = 0; same && i < t.size(); ++i) {
    const double x = t.array().element(i), y = numbers[static_cast<std::size_t>(i)];
    same = x == y || (x != x && y != y);
  }
  if (!same) MESSAGE(to_string(t));
  return same;
}

}  // namespace

TEST_CASE("i64 arithmetic is exact beyond 2^53 and wraps around at 2^63") {
  const Tensor a = longs({big + 1, highest, lowest, -7}), b = longs({2, 1, -1, 3});
  CHECK(is(a + b, i64, Longs{big + 3, lowest, highest, -4}));
  CHECK(is(a - b, i64, Longs{big - 1, highest - 1, lowest + 1, -10}));
  CHECK(is(a * b, i64, Longs{2 * big + 2, highest, lowest, -21}));
  CHECK(is(-a, i64, Longs{-big - 1, -highest, lowest, 7}));
  CHECK(is(abs(a), i64, Longs{big + 1, highest, lowest, 7}));
  CHECK(is(sign(a), i64, Longs{1, 1, -1, -1}));
  CHECK(is(square(longs({big, 3037000500, -4})), i64, Longs{0, int64_t(9223372037000250000u), 16}));
  CHECK(is(maximum(a, b), i64, Longs{big + 1, highest, -1, 3}));
  CHECK(is(minimum(a, b), i64, Longs{2, 1, lowest, -7}));
  CHECK(is(maximum(longs({big + 1}), longs({big})), i64, Longs{big + 1}));
  CHECK(is(a + 1, i64, Longs{big + 2, lowest, lowest + 1, -6}));
  CHECK(is(1 - a, i64, Longs{-big, 1 - highest, lowest + 1, 8}));
  CHECK(is(longs({1, -1}) * (big + 1), i64, Longs{big + 1, -big - 1}));
  CHECK(is(longs({0}) + highest, i64, Longs{highest}));
  CHECK(is(floor(a), i64, held(a)));
  CHECK(is(round(a) + trunc(a) - ceil(a), i64, held(a)));
  Tensor sum = longs({1});
  sum += 2, sum *= 5, sum -= longs({1});
  CHECK(is(sum, i64, Longs{14}));
}

TEST_CASE("u8 arithmetic wraps around at 256") {
  const Tensor a = bytes({0, 1, 200, 255}), b = bytes({1, 2, 100, 255});
  CHECK(is(a + b, u8, Longs{1, 3, 44, 254}));
  CHECK(is(a - b, u8, Longs{255, 255, 100, 0}));
  CHECK(is(a * b, u8, Longs{0, 2, 32, 1}));
  CHECK(is(-a, u8, Longs{0, 255, 56, 1}));
  CHECK(is(abs(a), u8, Longs{0, 1, 200, 255}));
  CHECK(is(sign(a), u8, Longs{0, 1, 1, 1}));
  CHECK(is(a + 1, u8, Longs{1, 2, 201, 0}));
  CHECK(is(a * 2, u8, Longs{0, 2, 144, 254}));
  CHECK(is(255 - a, u8, Longs{255, 254, 55, 0}));
  CHECK(is(maximum(a, 100), u8, Longs{100, 100, 200, 255}));
  CHECK(is(a + longs({0, 0, 0, 1}), i64, Longs{0, 1, 200, 256}));
  REFUSES(DtypeError, a + 300, "add: ", "u8", "0 to 255", "300", "try: x.to(i64)");
  REFUSES(DtypeError, a * -1, "mul: ", "-1");
}

TEST_CASE("three divisions: / is real, // goes down, % has the divisor's sign and fmod the dividend's") {
  const Tensor a = longs({7, -7, 7, -7, 6, lowest, lowest, highest}), b = longs({3, 3, -3, -3, 3, -1, 2, -1});
  CHECK(is(floor_divide(a, b), i64, Longs{2, -3, -3, 2, 2, lowest, lowest / 2, -highest}));
  CHECK(is(remainder(a, b), i64, Longs{1, 2, -2, -1, 0, 0, 0, 0}));
  CHECK(is(a % b, i64, Longs{1, 2, -2, -1, 0, 0, 0, 0}));
  CHECK(is(fmod(a, b), i64, Longs{1, -1, 1, -1, 0, 0, 0, 0}));
  CHECK(is(a % 3, i64, Longs{1, 2, 1, 2, 0, 1, 1, 1}));
  CHECK(is(floor_divide(longs({big + 1}), 1), i64, Longs{big + 1}));
  CHECK(is(longs({7, -8}) / longs({2, 2}), f32, std::vector<double>{3.5, -4}));
  CHECK(is(longs({7, 0, -1}) / 0, f32, std::vector<double>{INFINITY, NAN, -INFINITY}));
  CHECK(is(1 / longs({4}), f32, std::vector<double>{0.25}));
  CHECK(is(bytes({255, 51}) / 255, f32, std::vector<double>{1, 51.0f / 255}));
  CHECK(is(bools({true, false}) / 2, f32, std::vector<double>{0.5, 0}));
  CHECK(is(floor_divide(bytes({200, 7}), bytes({7, 200})), u8, Longs{28, 0}));
  CHECK(is(bytes({200, 7}) % 7, u8, Longs{4, 0}));
  CHECK(is(floor_divide(longs({7}), 2.0), f32, std::vector<double>{3}));
  CHECK(is(longs({-7}) % 2.5, f32, std::vector<double>{0.5}));
  REFUSES(ArithmeticError, floor_divide(a, 0), "floor_divide: i64[8] is divided by integers", "try: a / b");
  REFUSES(ArithmeticError, a % longs({1, 1, 0, 1, 1, 1, 1, 1}), "remainder: ", "number 2 is 0");
  REFUSES(ArithmeticError, fmod(bytes({1}), bytes({0})), "fmod: u8[1]");
  CHECK(is(longs({}) % 0, i64, Longs{}));  // nothing is divided... and the divisor is expanded to nothing
}

TEST_CASE("floor_divide of reals, as Python's //") {
  for (const Dtype t : {f32, f64}) {
    const Tensor a = tensor<double>({7}, {7, -7, 7, -7, 6.5, 1, 0.3}).to(t);
    const Tensor b = tensor<double>({7}, {2, 2, -2, -2, 0.5, 0, 0.1}).to(t);
    CHECK(is(floor_divide(a, b), t, std::vector<double>{3, -4, -4, 3, 13, INFINITY, t == f32 ? 3.0 : 2.0}));
    CHECK(is(floor_divide(tensor<double>({3}, {-1, 1, NAN}).to(t), INFINITY), t, std::vector<double>{-1, 0, NAN}));
  }
}

TEST_CASE("powers of integers are exact, wrap around, and refuse negative exponents") {
  CHECK(is(pow(longs({3, -3, 2, 0}), 39), i64, Longs{4052555153018976267, -4052555153018976267, int64_t(1) << 39, 0}));
  CHECK(is(pow(longs({2, 2, 0, -1, 10}), longs({62, 64, 0, 63, 18})), i64,
           Longs{int64_t(1) << 62, 0, 1, -1, 1000000000000000000}));
  CHECK(is(pow(bytes({2, 3, 16}), 5), u8, Longs{32, 243, 0}));
  CHECK(is(pow(2, longs({0, 10})), i64, Longs{1, 1024}));
  CHECK(is(pow(longs({4, 9}), 0.5), f32, std::vector<double>{2, 3}));
  CHECK(is(pow(longs({4, 9}), 2.0), f32, std::vector<double>{16, 81}));
  CHECK(is(pow(2.0, longs({-1, 3})), f32, std::vector<double>{0.5, 8}));
  REFUSES(ArithmeticError, pow(longs({2}), -1), "pow: i64[1] to a negative power", "is -1", "try: pow(x.to(f32), exponent)");
  REFUSES(ArithmeticError, pow(longs({2, 2}), longs({1, -2})), "number 1 of the exponents is -2");
}

TEST_CASE("dtypes that meet: as PyTorch where a number, a 0-d integer or a bool is involved; f32 and i64 do not mix") {
  const Tensor n = longs({1, 2}), p = bytes({1, 2}), m = bools({true, false});
  const Tensor x = tensor<float>({2}, {0.5f, 2}), d = x.to(f64);
  CHECK(is(n + 0.5, f32, std::vector<double>{1.5, 2.5}));
  CHECK(is(n * 2.0, f32, std::vector<double>{2, 4}));
  CHECK(is(0.5 - p, f32, std::vector<double>{-0.5, -1.5}));
  CHECK(is(m * 0.5, f32, std::vector<double>{0.5, 0}));
  CHECK(is(x * m, f32, std::vector<double>{0.5, 0}));
  CHECK(is(m * d, f64, std::vector<double>{0.5, 0}));
  CHECK(is(x - m, f32, std::vector<double>{-0.5, 2}));
  CHECK(is(n + m, i64, Longs{2, 2}));
  CHECK(is(p + m, u8, Longs{2, 2}));
  CHECK(is(m * 2, i64, Longs{2, 0}));
  CHECK(is(m + true, boolean, Longs{1, 1}));
  CHECK(is(n + true, i64, Longs{2, 3}));
  CHECK(is(x / sum(m), f32, std::vector<double>{0.5, 2}));  // 0-d i64
  CHECK(is(sum(n) * d, f64, std::vector<double>{1.5, 6}));
  CHECK(is(n * scalar(0.5), f32, std::vector<double>{0.5, 1}));
  CHECK(is(n * scalar(0.5, f64), f64, std::vector<double>{0.5, 1}));
  CHECK(is(x + 1, f32, std::vector<double>{1.5, 3}));
  CHECK(is(d * big, f64, std::vector<double>{0.5 * big, 2.0 * big}));
  REFUSES(DtypeError, x * n, "mul: f32[2] and i64[2] do not mix: f32 keeps 24 bits", "try: b.to(f32)");
  REFUSES(DtypeError, p - d, "sub: f64[2] and u8[2] do not mix: f64 keeps 53 bits", "try: a.to(f64)");
  REFUSES(DtypeError, x + d, "add: f32[2] and f64[2] do not mix");
  REFUSES(DtypeError, x + scalar(1, f64), "do not mix");
  REFUSES(DtypeError, exp(n), "exp: computes with f32 or f64, got i64[2]", "try: x.to(f32)");
  REFUSES(DtypeError, hypot(n, 2.0), "hypot: computes with f32 or f64, got i64[2]");
  CHECK(is(hypot(x, true), f32, std::vector<double>{std::hypot(0.5f, 1.0f), std::hypot(2.0f, 1.0f)}));
}

TEST_CASE("bools: + is or, * is and; a difference of bools is refused") {
  const Tensor a = bools({false, false, true, true}), b = bools({false, true, false, true});
  CHECK(is(a + b, boolean, Longs{0, 1, 1, 1}));
  CHECK(is(a * b, boolean, Longs{0, 0, 0, 1}));
  CHECK(is(maximum(a, b), boolean, Longs{0, 1, 1, 1}));
  CHECK(is(minimum(a, b), boolean, Longs{0, 0, 0, 1}));
  CHECK(is(1 - a, i64, Longs{1, 1, 0, 0}));
  REFUSES(DtypeError, a - b, "sub: not of bools", "try: a ^ b");
  REFUSES(DtypeError, -a, "neg: not of bools", "try: !x");
  REFUSES(DtypeError, a % b, "remainder: not of bools", "x.to(i64)");
  REFUSES(DtypeError, pow(a, b), "pow: not of bools");
}

TEST_CASE("& | ^ ~ are logical on bools, bit by bit on integers, and refused on reals") {
  const Tensor a = bools({false, false, true, true}), b = bools({false, true, false, true});
  CHECK(is(a & b, boolean, Longs{0, 0, 0, 1}));
  CHECK(is(a | b, boolean, Longs{0, 1, 1, 1}));
  CHECK(is(a ^ b, boolean, Longs{0, 1, 1, 0}));
  CHECK(is(~a, boolean, Longs{1, 1, 0, 0}));
  CHECK(is(!a, boolean, Longs{1, 1, 0, 0}));
  CHECK(is(longs({12, -1, 5}) & longs({10, 255, -2}), i64, Longs{8, 255, 4}));
  CHECK(is(longs({12, -8}) | 3, i64, Longs{15, -5}));
  CHECK(is(longs({12, -1}) ^ longs({10, 255}), i64, Longs{6, -256}));
  CHECK(is(~longs({0, -1, lowest}), i64, Longs{-1, 0, highest}));
  CHECK(is(~bytes({0, 85, 255}), u8, Longs{255, 170, 0}));
  CHECK(is(bytes({6, 3}) & 5, u8, Longs{4, 1}));
  CHECK(is(!longs({0, 3}), boolean, Longs{1, 0}));
  CHECK(is(!tensor<float>({2}, {0, 3}), boolean, Longs{1, 0}));
  CHECK(is(longs({3, 4}) & bools({true, true}), i64, Longs{1, 0}));
  REFUSES(DtypeError, ones({2}) & ones({2}), "&: takes bools or integers, got f32[2]", "try: compare it");
  REFUSES(DtypeError, a | 0.5, "|: takes bools or integers");
  REFUSES(DtypeError, ~ones({2}), "~: takes bools or integers, got f32[2]");
}

TEST_CASE("where, masked_fill and clamp of integers keep their dtype and digits") {
  const Tensor m = bools({true, false}), n = longs({big + 1, highest}), p = bytes({7, 200});
  CHECK(is(where(m, n, longs({0, lowest})), i64, Longs{big + 1, lowest}));
  CHECK(is(where(m, n, 0), i64, Longs{big + 1, 0}));
  CHECK(is(where(m, p, 255), u8, Longs{7, 255}));
  CHECK(is(where(m, p, longs({1, 300})), i64, Longs{7, 300}));
  CHECK(is(where(m, m, bools({false, true})), boolean, Longs{1, 1}));
  CHECK(is(where(m, 1, 0), i64, Longs{1, 0}));
  CHECK(is(where(m, longs({1, 2}), 0.5), f32, std::vector<double>{1, 0.5}));
  CHECK(is(where(tensor<bool>({2, 1}, {true, false}), longs({1, 2}), 3), i64, Longs{1, 2, 3, 3}));
  CHECK(is(masked_fill(n, m, -1), i64, Longs{-1, highest}));
  CHECK(is(masked_fill(n, m, big + 1), i64, Longs{big + 1, highest}));
  CHECK(is(masked_fill(p, m, 0), u8, Longs{0, 200}));
  CHECK(is(masked_fill(m, m, false), boolean, Longs{0, 0}));
  CHECK(is(masked_fill(ones({2}), m, 7), f32, std::vector<double>{7, 1}));
  REFUSES(DtypeError, masked_fill(n, m, 0.5), "masked_fill: the value is real, the tensor i64[2]",
          "try: where(mask, value, x)");
  REFUSES(DtypeError, masked_fill(p, m, 256), "masked_fill: ", "256");
  REFUSES(ShapeError, masked_fill(n, m, n), "masked_fill: the value is i64[2]; it must be a single number");
  CHECK(is(clamp(longs({-5, 3, highest}), 0, big + 1), i64, Longs{0, 3, big + 1}));
  CHECK(is(clamp(p, 10, 300), u8, Longs{10, 200}));
  CHECK(is(clamp(p, -5, 100), u8, Longs{7, 100}));
  CHECK(is(clamp(longs({-5, 3}), 0.5, 2.0), f32, std::vector<double>{0.5, 2}));
  REFUSES(IndexError, clamp(n, 2, 1), "clamp: low 2 must not exceed high 1");
  REFUSES(DtypeError, clamp(p, 300, 400), "clamp: u8[2] holds 0 to 255, nothing in [300, 400]");
  CHECK(is(maximum(longs({-5, 3}), 0), i64, Longs{0, 3}));
  CHECK(is(max(longs({-5, 3}), 0), i64, Longs{3}));  // along axis 0, as torch.max(x, 0)
  REFUSES(IndexError, max(longs({-5, 3}), 2), "max: axis 2 is out of range for i64[2]; it must lie in [-1, 0]",
          "maximum(x, 2)");
  REFUSES(IndexError, min(ones({2, 3}), -3, true), "min: axis -3", "minimum(x, -3)");
  CHECK(is(max(longs({-5, 3}), 0.5), f32, std::vector<double>{0.5, 3}));
}

template <class T, class N> constexpr bool takes_as_axis = requires(const T& x, N n) { x.max(n); };
static_assert(takes_as_axis<Tensor, int> && !takes_as_axis<Tensor, double> && !takes_as_axis<Tensor, float>,
              "x.max(0.5) once was x.max(0)");

TEST_CASE("integers are never recorded, and reals beside them are") {
  Tensor x = leaf(Array::ones({2}));
  CHECK_FALSE((longs({1, 2}) * 3).requires_grad());
  sum(x * bools({true, false}) * sum(longs({1, 2})) + where(bools({true, false}), x, 4)).backward();
  CHECK(is(x.grad(), f32, std::vector<double>{4, 0}));
}
