// solve, inverse, cholesky, det and svd: values, batches, refusals. Their gradients are checked with those of all ops.
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/linalg.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;

namespace {

double difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }
Tensor turned(const Tensor& a) { return transpose(a, -2, -1); }

}  // namespace

TEST_CASE("solve and inverse undo the product, matrix by matrix") {
  const Tensor a = real({2, 4, 4}, f64), b = real({2, 4, 3}, f64);
  CHECK(difference(matmul(a, solve(a, b)), b) < 1e-11);
  CHECK(difference(matmul(a, inverse(a)), eye(4, f64)) < 1e-11);
  CHECK(difference(select(inverse(a), 0, 1), inverse(select(a, 0, 1))) == 0);
  CHECK(inverse(real({3, 3})).dtype() == f32);
  CHECK(inverse(zeros({0, 0})).shape() == Shape{0, 0});
  CHECK(says(thrown<Error>([] { inverse(ones({2, 2})); }), {"f32[2,2] is singular: pivot 1 is 0"}));
  CHECK(says(thrown<ShapeError>([&] { solve(a, real({2, 4}, f64)); }), {"try: b.unsqueeze(-1)"}));
  CHECK(says(thrown<ShapeError>([] { inverse(ones({2, 3})); }), {"square matrices [.., n, n], got f32[2,3]"}));
  CHECK(std::isnan(solve(full({1, 1}, std::nan(""), f64), ones({1, 1}, f64)).item()));
}

TEST_CASE("cholesky, det and svd are their definitions") {
  const Tensor x = real({3, 3}, f64), a = matmul(x, turned(x)) + eye(3, f64);
  const Tensor l = cholesky(a);
  CHECK(difference(matmul(l, turned(l)), a) < 1e-12);
  CHECK(l.array().element(1) == 0);
  CHECK(says(thrown<Error>([] { cholesky(-eye(2)); }), {"is not positive definite: its first 1 rows"}));

  CHECK(det(tensor<double>({2, 2}, {1, 2, 3, 4})).item() == doctest::Approx(-2));
  CHECK(det(tensor<double>({2, 2}, {0, 1, 1, 0})).item() == -1);
  CHECK(det(ones({2, 2})).item() == 0);
  CHECK(det(real({5, 3, 3})).shape() == Shape{5});
  CHECK(det(zeros({0, 0})).item() == 1);

  for (const Shape& s : {Shape{4, 3}, Shape{2, 5}, Shape{3, 3}}) {
    const Tensor m = real(s, f64);
    const auto [u, values, vh] = svd(m);
    CHECK(difference(matmul(u * unsqueeze(values, 0), vh), m) < 1e-12);
    CHECK(difference(matmul(turned(u), u), eye(u.dim(1), f64)) < 1e-12);
    CHECK(difference(matmul(vh, turned(vh)), eye(vh.dim(0), f64)) < 1e-12);
    CHECK(values.array().element(0) >= values.array().element(1));
  }
  CHECK_THROWS_AS(svd(full({2, 2}, std::nan(""))), ResourceError);
  CHECK_THROWS_AS(svd(ones({2})), ShapeError);
}
