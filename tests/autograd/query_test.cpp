// Questions about numbers, counts and draws.
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;

namespace {

const double inf = HUGE_VAL, nan_number = std::nan("");
Tensor doubles(std::vector<double> v) { return tensor<double>({static_cast<int64_t>(v.size())}, v); }
Tensor integers(std::vector<int64_t> v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); }
bool equal(const Tensor& a, const std::vector<bool>& wanted) {
  if (a.dtype() != boolean || a.size() != static_cast<int64_t>(wanted.size())) return false;
  for (int64_t i = 0; i < a.size(); ++i)
    if ((a.array().element(i) != 0) != wanted[static_cast<std::size_t>(i)]) return false;
  return true;
}
bool equal(const Tensor& a, const Tensor& b) { return same_bits(a.array(), b.array()); }

}  // namespace

TEST_CASE("isnan, isinf, isfinite, any and all") {
  const Tensor x = doubles({1, nan_number, -inf, 0});
  CHECK(equal(isnan(x), {false, true, false, false}));
  CHECK(equal(isinf(x), {false, false, true, false}));
  CHECK(equal(isfinite(x), {true, false, false, true}));
  CHECK(equal(isnan(integers({1, 2})), {false, false}));
  CHECK(any(x).item<bool>());
  CHECK_FALSE(all(x).item<bool>());
  CHECK(any(doubles({0, nan_number})).item<bool>());
  CHECK_FALSE(any(zeros({0})).item<bool>());
  CHECK(all(zeros({0})).item<bool>());
  const Tensor m = tensor<int64_t>({2, 3}, {0, 0, 5, 0, 1, 1});
  CHECK(equal(any(m, 0), {false, true, true}));
  CHECK(equal(all(m, 0), {false, false, true}));
  CHECK(equal(any(m, -1), {true, true}));
  CHECK(any(m, 1, true).shape() == Shape{2, 1});
  CHECK(any(scalar(2.0), 0).item<bool>());
  CHECK_THROWS_AS(any(m, 2), IndexError);
}

TEST_CASE("nonzero, bincount and unique") {
  CHECK(equal(nonzero(tensor<double>({2, 3}, {0, 1, 0, nan_number, 0, -2})), tensor<int64_t>({3, 2}, {0, 1, 1, 0, 1, 2})));
  CHECK(argwhere(zeros({2, 2})).shape() == Shape{0, 2});
  CHECK(nonzero(scalar(3.0)).shape() == Shape{1, 0});
  CHECK(equal(bincount(integers({1, 3, 1})), integers({0, 2, 0, 1})));
  CHECK(equal(bincount(integers({1}), {}, 3), integers({0, 1, 0})));
  CHECK(equal(bincount(integers({1, 0, 1}), doubles({0.5, 1, 2})), doubles({1, 2.5})));
  CHECK(bincount(integers({})).size() == 0);
  CHECK(says(thrown<IndexError>([] { bincount(integers({2, -1})); }), {"got -1 at 1"}));
  CHECK(says(thrown<DtypeError>([] { bincount(doubles({2})); }), {"x.to(i64)"}));
  const auto [values, inverse, counts] = unique(tensor<double>({2, 3}, {3, 1, 3, nan_number, -1, 1}));
  CHECK(equal(values.slice(0, 0, 3), doubles({-1, 1, 3})));
  CHECK(std::isnan(values.array().element(3)));
  CHECK(equal(inverse, tensor<int64_t>({2, 3}, {2, 1, 2, 3, 0, 1})));
  CHECK(equal(counts, integers({1, 2, 2, 1})));
}

TEST_CASE("multinomial and bernoulli draw as their weights have it") {
  manual_seed(2);
  const Tensor p = tensor<double>({2, 3}, {0, 1, 3, 1, 0, 0});
  const Tensor drawn = multinomial(p, 4000, true);
  CHECK(drawn.shape() == Shape{2, 4000});
  const Tensor counts = bincount(select(drawn, 0, 0), {}, 3);
  CHECK(counts.array().element(0) == 0);
  CHECK(counts.array().element(1) == doctest::Approx(1000).epsilon(0.1));
  CHECK(bincount(select(drawn, 0, 1)).size() == 1);
  const Tensor both = multinomial(doubles({0, 2, 5}), 2);
  CHECK(bincount(both, {}, 3).array().element(0) == 0);
  CHECK(both.array().element(0) != both.array().element(1));
  CHECK(says(thrown<Error>([] {
               multinomial(doubles({0, 1}), 2);
             }),
             {"row 0 has 1 weights above 0, too few for 2 samples"}));
  CHECK(says(thrown<Error>([] { multinomial(doubles({-1, 1}), 1); }), {"got -1 in row 0"}));
  CHECK(says(thrown<Error>([] { multinomial(doubles({nan_number, 1}), 1); }), {"must be finite"}));
  const Tensor coins = bernoulli(full({10000}, 0.3, f64));
  CHECK(mean(coins).item() == doctest::Approx(0.3).epsilon(0.05));
  CHECK(equal(bernoulli(doubles({0, 1})), doubles({0, 1})));
  CHECK(says(thrown<Error>([] { bernoulli(doubles({1.5})); }), {"[0, 1], got 1.5"}));
}
