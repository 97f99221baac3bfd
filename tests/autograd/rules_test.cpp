// Dtypes, plain numbers and broadcasting: what mixes, what does not, and what the refusals say.
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

using namespace gradus;

namespace {

template <class F> std::string thrown(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("a plain number takes the dtype of the tensor it meets, on either side") {
  const Tensor narrow = ones({2}), wide = ones({2}, f64), number = 2.5;
  CHECK((narrow * 2.0).dtype() == f32);
  CHECK((2.0 - narrow).dtype() == f32);
  CHECK((1 / wide).dtype() == f64);
  CHECK((narrow + number).dtype() == f32);
  CHECK((number + narrow).dtype() == f32);
  CHECK((number / wide).dtype() == f64);
  CHECK(max(narrow, Tensor(0.5)).dtype() == f32);
  CHECK(where(narrow > 0.0, narrow, Tensor(0.0)).dtype() == f32);
  CHECK(where(wide > 0.0, Tensor(0.0), wide).dtype() == f64);
  CHECK((number + number).dtype() == f64);
  CHECK((narrow > 0.5).dtype() == boolean);
  CHECK((narrow / 3.0).array().element(0) == static_cast<double>(1.0f / 3.0f));
}

TEST_CASE("a number with a point is a number, not an axis") {
  const Tensor x = tensor<float>({2, 2}, {-1, 2, 3, -4}), one = max(x, 1.0), other = min(x, 0.5f),
               chosen = select(x > 0.0, 2.0, 0.5);
  REQUIRE(one.shape() == Shape{2, 2});
  REQUIRE(other.shape() == Shape{2, 2});
  REQUIRE(chosen.shape() == Shape{2, 2});
  CHECK(one.dtype() == f32);
  CHECK(sum(one).item() == 7);
  CHECK(sum(other).item() == -4);
  CHECK(sum(chosen).item() == 5);
  CHECK(max(x, 1).shape() == Shape{2});  // and a whole one is an axis, as PyTorch's
}

template <class Seed>
concept SeedOfDropout = requires(const Tensor& x, Seed seed) {
  dropout(x, 0.5, seed);
};
static_assert(SeedOfDropout<int> && SeedOfDropout<std::uint64_t> && !SeedOfDropout<bool>);  // F.dropout(x, 0.5, training)

TEST_CASE("variance and logsumexp of too few numbers, as PyTorch") {
  CHECK(std::isnan(var(zeros({0})).item()));  // not -0: 0 / (0 - 1)
  CHECK(std::isnan(var(ones({1})).item()));
  CHECK(var(tensor<float>({2}, {1, 3}), {}, 3).item() == INFINITY);  // not below 0
  CHECK(logsumexp(zeros({0}), 0).item() == -INFINITY);
  CHECK(logsumexp(zeros({0, 2}), 1).shape() == Shape{0});
}

TEST_CASE("tensors never promote each other, not even 0-d ones") {
  const Tensor narrow = ones({2}), wide = ones({2}, f64);
  CHECK(thrown([&] { narrow + wide; }) == "add: f32[2] and f64[2] do not mix\n  try: x.to(f32)");
  CHECK(thrown([&] { wide* scalar(2); }) == "mul: f64[2] and f32[] do not mix\n  try: x.to(f64)");
  CHECK_THROWS_AS(matmul(ones({2, 2}), ones({2, 2}, f64)), DtypeError);
  CHECK_THROWS_AS(cat({narrow, wide}), DtypeError);
  CHECK_THROWS_AS(linear(ones({1, 2}), ones({3, 2}, f64)), DtypeError);
  CHECK((narrow + wide.to(f32)).dtype() == f32);
}

TEST_CASE("what is made for reals refuses integers and bools; the message says how they would do") {
  CHECK(thrown([] { tanh(arange(3)); }) == "tanh: computes with f32 or f64, got i64[3]\n  try: x.to(f32)");
  CHECK(thrown([] { exp(zeros({2, 2}, u8)); }) == "exp: computes with f32 or f64, got u8[2,2]\n  try: x.to(f32) / 255");
  CHECK_THROWS_AS(mean(arange(3)), DtypeError);
  CHECK_THROWS_AS(matmul(zeros({2, 2}, i64), zeros({2, 2}, i64)), DtypeError);
  CHECK_THROWS_AS(where(ones({2}), ones({2}), ones({2})), DtypeError);
  CHECK(sum(arange(4)).item() == 6);
  CHECK(sum(arange(4)).dtype() == i64);
}

TEST_CASE("a change of dtype is recorded, and the gradient comes back in the leaf's") {
  Tensor x = leaf(Array::ones({2}));
  const Tensor y = x.to(f64) * 3.0;
  CHECK(y.dtype() == f64);
  sum(y).backward();
  CHECK(x.grad().dtype() == f32);
  CHECK(x.grad().array().element(1) == 3);
  CHECK_FALSE(x.to(i64).requires_grad());
  CHECK(x.to(f32).node() == x.node());
}

TEST_CASE("broadcasting as NumPy does, and its refusal names both shapes") {
  CHECK((ones({3, 1}) + ones({4})).shape() == Shape{3, 4});
  CHECK((ones({}) + ones({2, 3})).shape() == Shape{2, 3});
  CHECK((ones({1}) * ones({0})).shape() == Shape{0});
  CHECK((ones({2, 1, 3}) - ones({5, 1})).shape() == Shape{2, 5, 3});
  const std::string message = thrown([] { ones({2, 3}) + ones({2, 4}); });
  CHECK(message.find("add: ") == 0);
  CHECK(message.find("[2,3]") != std::string::npos);
  CHECK(message.find("[2,4]") != std::string::npos);
  CHECK_THROWS_AS(ones({2}) * ones({3}), ShapeError);
}

TEST_CASE("a gradient has the shape of its tensor, whatever was broadcast") {
  const Shape left[] = {{3, 1}, {1}, {}, {2, 1, 4}, {1, 1, 1}, {4}}, right = {2, 3, 4};
  for (const Shape& s : left) {
    CAPTURE(to_string(s));
    Tensor a = leaf(Array::ones(s, f64)), b = leaf(Array::full(right, 2, f64));
    sum(a * b).backward();
    REQUIRE(a.grad().shape() == s);
    CHECK(a.grad().array().element(0) == 2.0 * static_cast<double>(right.size() / s.size()));
    CHECK(b.grad().shape() == right);
  }
}

TEST_CASE("products: the refusal says which lengths differ, and offers a transpose only where it would fit") {
  const Tensor a = ones({32, 784});
  Tensor b = leaf(Array::ones({512, 10}), "head.weight");
  CHECK(thrown([&] { matmul(a, b); }) ==
        "matmul: inner dimensions differ: a is f32[32,784], b is f32[512,10] (\"head.weight\"); a's last (784) must equal "
        "b's second last (512)");
  CHECK(thrown([&] {
          matmul(a, ones({10, 784}));
        }).find("\n  try: matmul(a, transpose(b, 0, 1)), which gives [..,10]") != std::string::npos);
  CHECK_THROWS_AS(matmul(ones({}), a), ShapeError);
  CHECK_THROWS_AS(linear(ones({2, 3}), ones({4, 5})), ShapeError);
}

TEST_CASE("what is refused records nothing and changes nothing") {
  Tensor x = leaf(Array::ones({2, 3}));
  const auto before = x.array().version();
  const auto held = x.node()->references();
  CHECK_THROWS_AS(x + ones({4}), ShapeError);
  CHECK_THROWS_AS(x.reshape({4}), ShapeError);
  CHECK_THROWS_AS(cat({x, ones({2})}), ShapeError);
  CHECK_THROWS_AS(matmul(x, x), ShapeError);
  CHECK_THROWS_AS(x.sum({2}), IndexError);
  CHECK_THROWS_AS(select(x, 0, 2), IndexError);
  CHECK(x.array().version() == before);
  CHECK(x.node()->references() == held);
}

TEST_CASE("an infinite gradient stays on the branch that was taken") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto gradient = [&](auto f, double at) {
    const Tensor x = leaf(Array::full({3}, at, f64));
    f(x).backward(full({3}, inf, f64));
    return x.grad().array().element(0);
  };
  const Tensor one = ones({3}, f64);
  CHECK(gradient([&](const Tensor& x) { return where(x > one, x, one); }, 0) == 0);
  CHECK(gradient([&](const Tensor& x) { return where(x > one, one, x); }, 2) == 0);
  CHECK(gradient([&](const Tensor& x) { return maximum(x, one); }, 0) == 0);
  CHECK(gradient([&](const Tensor& x) { return minimum(x, one); }, 2) == 0);
  CHECK(gradient([&](const Tensor& x) { return relu(x); }, -1) == 0);
  CHECK(gradient([&](const Tensor& x) { return clamp(x, -1, 1); }, 2) == 0);
  CHECK(gradient([&](const Tensor& x) { return hardtanh(x); }, 2) == 0);
  CHECK(gradient([&](const Tensor& x) { return floor(x); }, 0.5) == 0);
  CHECK(gradient([&](const Tensor& x) { return sign(x); }, 0.5) == 0);
  CHECK(gradient([&](const Tensor& x) { return pow(x, 0); }, 0.5) == 0);
  CHECK(gradient([&](const Tensor& x) { return maximum(x, one); }, 2) == inf);
}

TEST_CASE("equal numbers share the gradient of maximum and minimum, as in PyTorch") {
  for (auto f : {maximum, minimum}) {
    const Tensor a = leaf(Array::full({2}, 3, f64)), b = leaf(Array::full({2}, 3, f64));
    f(a, b).backward(ones({2}, f64));
    CHECK(a.grad().array().element(1) == 0.5);
    CHECK(b.grad().array().element(1) == 0.5);
  }
}
