#include <gradus/nn/nn.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/nn.h>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;
namespace init = nn::init;

namespace {

struct Moments {
  double mean = 0, deviation = 0, least = HUGE_VAL, most = -HUGE_VAL;
  explicit Moments(const Tensor& t) {
    const auto n = static_cast<double>(t.size());
    double squares = 0;
    for (int64_t i = 0; i < t.size(); ++i) {
      const double x = t.array().element(i);
      mean += x / n;
      squares += x * x / n;
      least = std::min(least, x);
      most = std::max(most, x);
    }
    deviation = std::sqrt(squares - mean * mean);
  }
};

/// Uniform in [-bound, bound]: the extremes come near, the deviation is bound / sqrt 3.
void check_uniform(const Tensor& t, double bound) {
  const Moments m(t);
  CHECK(m.least >= -bound * 1.0000001);
  CHECK(m.most <= bound * 1.0000001);
  CHECK(m.least < -0.98 * bound);
  CHECK(m.most > 0.98 * bound);
  CHECK(m.deviation == doctest::Approx(bound / std::sqrt(3.0)).epsilon(0.03));
  CHECK(std::fabs(m.mean) < 0.03 * bound);
}

void check_normal(const Tensor& t, double deviation) {
  const Moments m(t);
  CHECK(m.deviation == doctest::Approx(deviation).epsilon(0.03));
  CHECK(std::fabs(m.mean) < 0.03 * deviation);
  CHECK(m.most > 2.5 * deviation);
}

}  // namespace

TEST_CASE("fans and gains are PyTorch's") {
  CHECK(init::fans({8, 4, 3, 5}).in == 60);
  CHECK(init::fans({8, 4, 3, 5}).out == 120);
  CHECK(init::fans({8, 4}).in == 4);
  CHECK_THROWS_AS(init::fans({8}), ShapeError);
  CHECK_THROWS_AS(init::fans({8, 0}), ShapeError);
  CHECK(init::calculate_gain(init::Nonlinearity::linear) == 1);
  CHECK(init::calculate_gain(init::Nonlinearity::sigmoid) == 1);
  CHECK(init::calculate_gain(init::Nonlinearity::tanh) == doctest::Approx(1.6666666667));
  CHECK(init::calculate_gain(init::Nonlinearity::relu) == doctest::Approx(1.4142135624));
  CHECK(init::calculate_gain(init::Nonlinearity::leaky_relu) == doctest::Approx(1.4141428570));
  CHECK(init::calculate_gain(init::Nonlinearity::leaky_relu, std::sqrt(5.0)) == doctest::Approx(0.5773502692));
  CHECK(init::calculate_gain(init::Nonlinearity::selu) == 0.75);
}

TEST_CASE("the initialisers draw from the distributions their papers give") {
  manual_seed(1);
  nn::Parameter w{zeros({200, 100})};
  init::uniform_(w, -2, 2), check_uniform(w, 2);
  init::normal_(w, 0, 3), check_normal(w, 3);
  init::xavier_uniform_(w), check_uniform(w, std::sqrt(6.0 / 300));
  init::xavier_normal_(w, 2), check_normal(w, 2 * std::sqrt(2.0 / 300));
  init::kaiming_uniform_(w), check_uniform(w, std::sqrt(6.0 / 100));
  init::kaiming_normal_(w, {.mode = init::FanMode::fan_out, .nonlinearity = init::Nonlinearity::relu});
  check_normal(w, std::sqrt(2.0 / 200));
  init::kaiming_uniform_(w, {.a = std::sqrt(5.0)}), check_uniform(w, 0.1);
  init::constant_(w, 0.25);
  CHECK(Moments(w).least == 0.25);
  CHECK(Moments(w).most == 0.25);
  init::ones_(w);
  CHECK(Moments(w).least == 1);
  init::zeros_(w);
  CHECK(Moments(w).most == 0);
  CHECK(w.requires_grad());

  nn::Parameter wide{zeros({40, 500}, f64)};
  init::normal_(wide, 5, 0.1);
  CHECK(Moments(wide).mean == doctest::Approx(5).epsilon(0.001));
  CHECK_THROWS_AS(init::xavier_uniform_(zeros({5})), ShapeError);
  CHECK_THROWS_AS(init::uniform_(arange(5)), DtypeError);
  CHECK_THROWS_AS(init::uniform_(zeros({5}), 1, 1), ShapeError);
}

TEST_CASE("orthogonal matrices: rows or columns are orthonormal times the gain") {
  for (const Shape& shape : {Shape{5, 20}, Shape{20, 5}, Shape{7, 7}, Shape{6, 2, 2, 2}}) {
    const Tensor w = zeros(shape, f64);
    init::orthogonal_(w, 2);
    Tensor m = w.reshape({shape[0], -1});
    if (m.dim(0) > m.dim(1)) m = m.transpose(0, 1);
    Tensor product = matmul(m, m.transpose(0, 1));
    for (int64_t i = 0; i < product.dim(0); ++i)
      for (int64_t j = 0; j < product.dim(1); ++j) CHECK(std::fabs(product.array().at({i, j}) - (i == j ? 4 : 0)) < 1e-12);
  }
}

TEST_CASE("layers start as PyTorch's do") {
  manual_seed(2);
  nn::Linear lin{64, 300};
  check_uniform(lin.weight, 1.0 / 8);
  check_uniform(lin.bias, 1.0 / 8);
  nn::Conv2d conv{8, 128, {3, 5}, {.groups = 2}};
  check_uniform(conv.weight, 1 / std::sqrt(60.0));
  CHECK(Moments(conv.bias).most < 1 / std::sqrt(60.0));
  CHECK(Moments(conv.bias).most > 0.9 / std::sqrt(60.0));
  nn::Embedding table{300, 64};
  check_normal(table.weight, 1);
  nn::BatchNorm2d norm{3};
  CHECK(Moments(norm.weight).least == 1);
  CHECK(Moments(norm.bias).most == 0);
  CHECK(Moments(norm.running_mean).most == 0);
  CHECK(Moments(norm.running_var).least == 1);
}

TEST_CASE("a seed decides every first number; each draw is its own") {
  const auto draw = [](std::uint64_t seed) {
    manual_seed(seed);
    return nn::Sequential{nn::Linear{20, 20}, nn::Linear{20, 20}, nn::Embedding{4, 5}}.state_dict();
  };
  const NamedArrays a = draw(7), b = draw(7), c = draw(8);
  REQUIRE(a.size() == 5);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(same_bits(a[i].second, b[i].second));
    CHECK_FALSE(same_bits(a[i].second, c[i].second));
  }
  CHECK_FALSE(same_bits(a[0].second, a[2].second));
  Generator own(7);
  const Tensor x = zeros({10}), y = zeros({10});
  const Philox before = default_generator().state();
  init::normal_(x, 0, 1, own);
  init::normal_(y, 0, 1, own);
  CHECK_FALSE(same_bits(x.array(), y.array()));
  CHECK(default_generator().state().stream == before.stream);
}
