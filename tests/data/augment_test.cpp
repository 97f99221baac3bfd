#include <gradus/data/augment.h>
#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;
using namespace gradus::data;
using testing::same_array;

TEST_CASE("one image is changed as the first of a batch") {
  const Array batch = normal({1, 3, 8, 8}, 0, 1, {1, 2}), image = batch.select(0, 0);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CHECK(same_array(random_flip(image, {seed, 1}), random_flip(batch, {seed, 1}).select(0, 0)));
    CHECK(same_array(random_shift(image, 3, {seed, 1}), random_shift(batch, 3, {seed, 1}).select(0, 0)));
    CHECK(same_array(random_cutout(image, 3, {seed, 1}), random_cutout(batch, 3, {seed, 1}).select(0, 0)));
  }
}

TEST_CASE("cutout: a square of zeros around any pixel, cut off at the borders, alike in all channels") {
  const Array cut = random_cutout(Array::ones({300, 2, 5, 6}), 3, {1, 2});
  int whole = 0, corners = 0;
  for (std::int64_t n = 0; n < 300; ++n) {
    std::int64_t top = 5, bottom = -1, left = 6, right = -1, zeros = 0;
    for (std::int64_t y = 0; y < 5; ++y)
      for (std::int64_t x = 0; x < 6; ++x) {
        REQUIRE(cut.at({n, 0, y, x}) == cut.at({n, 1, y, x}));
        if (cut.at({n, 0, y, x}) == 1) continue;
        ++zeros;
        top = std::min(top, y), bottom = std::max(bottom, y), left = std::min(left, x), right = std::max(right, x);
      }
    CHECK(zeros == (bottom - top + 1) * (right - left + 1));
    whole += zeros == 9;
    corners += zeros == 4;
  }
  CHECK(std::abs(whole - 300 * 12 / 30) < 50);
  CHECK(std::abs(corners - 300 * 4 / 30) < 30);
  CHECK(same_array(random_cutout(cut, 0, {1, 2}), cut));
  CHECK_THROWS_AS(random_cutout(cut, -1, {1, 2}), ShapeError);
}

TEST_CASE("noise has its deviation, and keeps NaN") {
  const Array noisy = random_noise(Array::full({10'000}, 3, f64), 0.5, {1, 2});
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < noisy.size(); ++i) sum += noisy.element(i) - 3, squares += std::pow(noisy.element(i) - 3, 2);
  CHECK(std::abs(sum / 10'000) < 0.02);
  CHECK(std::abs(std::sqrt(squares / 10'000) - 0.5) < 0.015);
  CHECK(std::isnan(random_noise(Array::full({2}, NAN), 0, {1, 2}).element(1)));
  CHECK_THROWS_AS(random_noise(Array::ones({2}, i64), 1, {}), DtypeError);
}

TEST_CASE("mixup mixes items and their labels alike, by numbers of the Beta distribution") {
  Array y({4}, i64);
  for (std::int64_t i = 0; i < 4; ++i) y.uninitialized<std::int64_t>()[i] = i;
  const Batch batch{Array::arange(8, f32).reshape({4, 2}), y};
  for (const double alpha : {0.2, 1.0, 4.0}) {
    double mean = 0, square = 0;
    constexpr int draws = 4000;
    for (std::uint64_t k = 0; k < draws; ++k) {
      const Batch mixed = mixup(batch, 4, alpha, {9, k});
      const std::int64_t i = static_cast<std::int64_t>(k) % 4;
      double x = 0, sum = 0;
      for (std::int64_t c = 0; c < 4; ++c) {
        x += mixed.y.at({i, c}) * static_cast<double>(2 * c);
        sum += mixed.y.at({i, c});
      }
      REQUIRE(mixed.x.at({i, 0}) == doctest::Approx(x).epsilon(1e-5));
      REQUIRE(sum == doctest::Approx(1).epsilon(1e-6));
      const Batch two = mixup({Array::zeros({2, 1}), Array::of<std::int64_t>({2}, {0, 1})}, 2, alpha, {9, k});
      mean += two.y.at({0, 0}) / draws;
      square += std::pow(two.y.at({0, 0}), 2) / draws;
    }
    // Half of the time an item stays beside itself; else its own part is Beta(alpha, alpha).
    const double of_beta = 0.25 + 1 / (4 * (2 * alpha + 1));
    CHECK(std::abs(mean - 0.75) < 0.03);
    CHECK(std::abs(square - (0.5 + 0.5 * of_beta)) < 0.03);
  }
  const Batch once = mixup(batch, 4, 1, {1, 2}), again = mixup(batch, 4, 1, {1, 2});
  CHECK(same_array(once.x, again.x));
  CHECK(thrown<IndexError>([&] { mixup(batch, 3, 1, {}); }) == "mixup: label 3 of item 3 is outside 0 .. 2");
  CHECK_THROWS_AS(mixup(batch, 4, 0, {}), ShapeError);
  CHECK_THROWS_AS(mixup({batch.x, {}}, 4, 1, {}), ShapeError);
  CHECK_THROWS_AS(mixup({y, y}, 4, 1, {}), DtypeError);
}

TEST_CASE("a transform's numbers are of the item and the epoch, whatever the batches and the workers") {
  const TensorDataset images(normal({20, 1, 4, 4}, 0, 1, {1, 2}), Array::arange(20, i64));
  const auto changed = [&](std::int64_t batch_size, int workers, std::int64_t epoch) {
    const Transform transform = [](Example e, Philox random) {
      return Example{random_noise(random_flip(e.x, random), 0.1, {random.seed + 1, random.stream}), e.y};
    };
    const DataLoader loader(images, {.batch_size = batch_size, .num_workers = workers, .transform = transform});
    std::vector<Array> by_item(20);
    for (auto& b : loader.epoch(epoch))
      for (std::int64_t i = 0; i < b.y.size(); ++i) by_item[static_cast<std::size_t>(b.y.element(i))] = b.x.select(0, i);
    return by_item;
  };
  const auto expected = changed(6, 0, 3), other = changed(6, 0, 4);
  for (const auto& found : {changed(1, 0, 3), changed(7, 1, 3), changed(6, 2, 3), changed(20, 3, 3)})
    for (std::size_t i = 0; i < 20; ++i) CHECK(same_array(found[i], expected[i]));
  for (std::size_t i = 0; i < 20; ++i) CHECK_FALSE(same_array(other[i], expected[i]));
}
