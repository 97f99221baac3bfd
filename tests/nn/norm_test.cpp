#include <gradus/nn/nn.h>

#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::distance;
using testing::message_of;
using testing::same_bits;

namespace {

Tensor images(std::uint64_t seed) { return normal({4, 2, 3, 5}, 1.5, 2, {seed, 0}, f64); }

struct Statistics {
  double mean = 0, biased = 0, unbiased = 0;
};
/// Of one channel, over all other axes.
Statistics of_channel(const Array& x, int64_t c) {
  const Array one = x.select(1, c);
  Statistics s;
  const auto n = static_cast<double>(one.size());
  for (int64_t i = 0; i < one.size(); ++i) s.mean += one.element(i) / n;
  for (int64_t i = 0; i < one.size(); ++i) s.biased += (one.element(i) - s.mean) * (one.element(i) - s.mean) / n;
  s.unbiased = s.biased * n / (n - 1);
  return s;
}

void randomise(nn::BatchNorm2d& norm) {
  nn::init::uniform_(norm.weight, 0.5, 2);
  nn::init::uniform_(norm.bias, -1, 1);
}

/// (x - mean) / sqrt(variance + eps) * weight + bias, straight from the definition.
Array normalised(const Array& x, const nn::BatchNorm2d& norm, const std::vector<double>& mean,
                 const std::vector<double>& variance) {
  Array y(x.shape(), f64);
  double* out = y.uninitialized<double>();
  const int64_t plane = x.dim(2) * x.dim(3);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t channel = i / plane % x.dim(1);
    const auto c = static_cast<std::size_t>(channel);
    out[i] = (x.element(i) - mean[c]) / std::sqrt(variance[c] + norm.options.eps) * norm.weight.array().element(channel) +
             norm.bias.array().element(channel);
  }
  return y;
}

}  // namespace

TEST_CASE("BatchNorm2d normalises with the batch in training and keeps running statistics") {
  nn::BatchNorm2d norm{2};
  norm.to(f64);
  randomise(norm);
  double mean[2] = {0, 0}, variance[2] = {1, 1};
  for (const std::uint64_t step : {1u, 2u, 3u}) {
    const Array x = images(step).array();
    std::vector<double> m, v;
    for (int64_t c = 0; c < 2; ++c) {
      const Statistics s = of_channel(x, c);
      m.push_back(s.mean);
      v.push_back(s.biased);
      mean[c] = 0.9 * mean[c] + 0.1 * s.mean;
      variance[c] = 0.9 * variance[c] + 0.1 * s.unbiased;
    }
    CHECK(distance(norm(x).array(), normalised(x, norm, m, v)) < 1e-12);
    CHECK(norm.num_batches_tracked.item() == static_cast<double>(step));
  }
  for (int64_t c = 0; c < 2; ++c) {
    CHECK(norm.running_mean.array().element(c) == doctest::Approx(mean[c]).epsilon(1e-12));
    CHECK(norm.running_var.array().element(c) == doctest::Approx(variance[c]).epsilon(1e-12));
  }

  norm.eval();
  const NamedArrays before = norm.state_dict();
  const Array x = images(4).array();
  CHECK(distance(norm(x).array(), normalised(x, norm, {mean[0], mean[1]}, {variance[0], variance[1]})) < 1e-12);
  CHECK(norm(images(5).slice(0, 0, 1).slice(2, 0, 1).slice(3, 0, 1)).shape() == Shape{1, 2, 1, 1});
  const NamedArrays after = norm.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(same_bits(before[i].second, after[i].second));
}

TEST_CASE("momentum and eps are the layer's options; without affine there is nothing to learn") {
  nn::BatchNorm2d norm{2, {.eps = 0.5, .momentum = 1, .affine = false}};
  CHECK(norm.parameters().empty());
  CHECK(norm.named_buffers().size() == 3);
  norm.to(f64);
  const Array x = images(6).array();
  const Statistics s = of_channel(x, 1);
  const double expected = (x.at({0, 1, 0, 0}) - s.mean) / std::sqrt(s.biased + 0.5);
  CHECK(norm(x).array().at({0, 1, 0, 0}) == doctest::Approx(expected).epsilon(1e-12));
  CHECK(norm.running_mean.array().element(1) == doctest::Approx(s.mean).epsilon(1e-12));
  norm.eval();
  const double in_eval = (x.at({0, 1, 0, 0}) - s.mean) / std::sqrt(s.unbiased + 0.5);
  CHECK(norm(x).array().at({0, 1, 0, 0}) == doctest::Approx(in_eval).epsilon(1e-12));
  CHECK_THROWS_AS(nn::BatchNorm2d(2, {.eps = -1}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d(2, {.momentum = 1.5}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d(0), ShapeError);
  CHECK_THROWS_AS(nn::BatchNorm2d(-3), ShapeError);
}

TEST_CASE("in eval mode the gradient passes through the running statistics as constants") {
  nn::BatchNorm2d norm{2};
  norm.to(f64);
  randomise(norm);
  norm(images(7));
  norm.eval();
  const Tensor x = images(8).requires_grad_();
  norm(x).sum().backward();
  const double slope = norm.weight.array().element(0) / std::sqrt(norm.running_var.array().element(0) + 1e-5);
  CHECK(x.grad().array().at({0, 0, 0, 0}) == doctest::Approx(slope).epsilon(1e-12));
  CHECK(norm.bias.grad().array().element(0) == doctest::Approx(60).epsilon(1e-12));
}

TEST_CASE("BatchNorm1d takes rows and sequences") {
  nn::BatchNorm1d norm{3};
  CHECK(distance(norm(normal({8, 3}, 4, 2, {1, 0})).mean({0}), zeros({3})) < 1e-6);
  CHECK(norm(normal({8, 3, 5}, 4, 2, {2, 0})).shape() == Shape{8, 3, 5});
  CHECK(norm.num_batches_tracked.item() == 2);
  CHECK(contains(message_of<ShapeError>([&] { norm(ones({3})); }), "the input must be [N, C] or [N, C, L], got f32[3]"));
}

TEST_CASE("a BatchNorm says which channels differ, and what to do about a batch of one") {
  nn::BatchNorm2d norm{4};
  CHECK(message_of<ShapeError>([&] {
          norm(ones({2, 3, 5, 5}));
        }) ==
        "BatchNorm2d(4): the input has 3 channels (axis 1), the layer has 4: input f32[2,3,5,5]\n  try: BatchNorm2d(3)");
  CHECK(contains(message_of<ShapeError>([&] { norm(ones({2, 4})); }), "the input must be [N, C, H, W], got f32[2,4]"));
  const std::string m = message_of<ShapeError>([&] { norm(ones({1, 4, 1, 1})); });
  CHECK(contains(m, "BatchNorm2d(4): training needs more than one value for each channel"));
  CHECK(contains(m, "drop_last"));
  CHECK(norm.num_batches_tracked.item() == 0);
  CHECK(contains(message_of<DtypeError>([&] { norm(zeros({2, 4, 5, 5}, u8)); }), "try: x.to(f32) / 255"));
}
