// amax, amin, and the small composites.
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;

namespace {

const double inf = HUGE_VAL, nan_number = std::nan("");
Tensor doubles(std::vector<double> v) { return tensor<double>({static_cast<int64_t>(v.size())}, v); }
bool equal(const Tensor& a, const Tensor& b) { return same_bits(a.array(), b.array()); }

}  // namespace

TEST_CASE("amax and amin take several axes, and share the gradient among equals") {
  const Tensor x = leaf(Array::of<double>({2, 2, 2}, {1, 5, 5, 2, 7, 0, 3, 4}));
  CHECK(equal(amax(x, {1, 2}), doubles({5, 7})));
  CHECK(equal(amin(x, {0}), tensor<double>({2, 2}, {1, 0, 3, 2})));
  CHECK(amax(x).item() == 7);
  CHECK(amax(x, {0, -1}, true).shape() == Shape{1, 2, 1});
  sum(amax(x, {1, 2})).backward();
  CHECK(equal(x.grad(), tensor<double>({2, 2, 2}, {0, 0.5, 0.5, 0, 1, 0, 0, 0})));
  CHECK(std::isnan(amax(doubles({1, nan_number})).item()));
  CHECK_THROWS_AS(amax(x, {3}), IndexError);
}

TEST_CASE("nan_to_num, lerp, addmm, trace and cdist") {
  const Tensor x = doubles({nan_number, inf, -inf, 2});
  CHECK(equal(nan_to_num(x), doubles({0, std::numeric_limits<double>::max(), -std::numeric_limits<double>::max(), 2})));
  CHECK(equal(nan_to_num(x, {.nan = 1, .posinf = 5, .neginf = -6}), doubles({1, 5, -6, 2})));
  CHECK(nan_to_num(scalar(static_cast<float>(inf), f32)).item() == std::numeric_limits<float>::max());
  CHECK(equal(lerp(doubles({0, 2}), doubles({4, 4}), scalar(0.25, f64)), doubles({1, 2.5})));
  const Tensor a = tensor<double>({2, 2}, {1, 2, 3, 4}), b = tensor<double>({2, 1}, {1, -1});
  CHECK(equal(addmm(doubles({10}), a, b, 0.5, 2), tensor<double>({2, 1}, {3, 3})));
  CHECK(trace(tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6})).item() == 6);
  CHECK(equal(cdist(tensor<double>({1, 2}, {0, 0}), tensor<double>({2, 2}, {3, 4, 0, 0})), tensor<double>({1, 2}, {5, 0})));
  CHECK(says(thrown<ShapeError>([&] { trace(b.reshape({2})); }), {"takes a matrix"}));
  CHECK(says(thrown<ShapeError>([&] { cdist(a, b); }), {"rows [.., M, D]"}));
}
