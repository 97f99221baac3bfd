#include <gradus/autograd/ops.h>
#include <gradus/train/frechet.h>

#include <doctest/doctest.h>

#include <limits>

using namespace gradus;
using namespace gradus::training;

TEST_CASE("frechet_distance of one feature is that of two means and two deviations") {
  // Means 1 and 4, deviations 1 and 2: (1 - 4)^2 + (1 - 2)^2.
  const Tensor a = tensor<double>({3, 1}, {0, 1, 2}), b = tensor<double>({3, 1}, {2, 4, 6});
  CHECK(frechet_distance(a, b) == doctest::Approx(10).epsilon(1e-12));
  CHECK(frechet_distance(a, a) == doctest::Approx(0));
}

TEST_CASE("frechet_distance of correlated features: the eigenvalues of C_a C_b by numpy give the same") {
  const Tensor a = tensor<double>({5, 3}, {1, 2, 0, -1, 0.5, 3, 2, -2, 1, 0, 1, -1, 4, 0, 2});
  const Tensor b = tensor<double>({4, 3}, {0, 1, 1, 2, 2, -1, -3, 0, 0.5, 1, -1, 2});
  CHECK(frechet_distance(a, b) == doctest::Approx(3.112530390075138).epsilon(1e-9));
  CHECK(frechet_distance(b, a) == doctest::Approx(frechet_distance(a, b)).epsilon(1e-9));
  CHECK(frechet_distance(a.to(f32), b.to(f32)) == doctest::Approx(frechet_distance(a, b)).epsilon(1e-6));
}

TEST_CASE("frechet_distance refuses what has no covariance") {
  const Tensor a = tensor<double>({2, 2}, {1, 2, 3, 4});
  CHECK_THROWS_AS(frechet_distance(a, tensor<double>({1, 2}, {1, 2})), ShapeError);
  CHECK_THROWS_AS(frechet_distance(a, tensor<double>({2, 1}, {1, 2})), ShapeError);
  CHECK_THROWS_AS(frechet_distance(a, tensor<int64_t>({2, 2}, {1, 2, 3, 4})), DtypeError);
  CHECK_THROWS_AS(frechet_distance(a, a * std::numeric_limits<double>::quiet_NaN()), DataError);
}
