#include <gradus/core/kernels/linalg.h>
#include <gradus/core/random.h>

#include <doctest/doctest.h>

#include <cmath>

using namespace gradus;

namespace {

/// max |a b - c|, with a or b transposed.
double product_error(const Array& a, const Array& b, const Array& c) {
  double worst = 0;
  for (int64_t i = 0; i < c.dim(0); ++i)
    for (int64_t j = 0; j < c.dim(1); ++j) {
      double sum = 0;
      for (int64_t k = 0; k < a.dim(1); ++k) sum += a.at({i, k}) * b.at({k, j});
      worst = std::max(worst, std::fabs(sum - c.at({i, j})));
    }
  return worst;
}
Array identity(int64_t n) {
  Array a = Array::zeros({n, n}, f64);
  for (int64_t i = 0; i < n; ++i) a.uninitialized<double>()[i * n + i] = 1;
  return a;
}
Array symmetric(int64_t n) {
  Array a = uniform({n, n}, -1, 1, Philox{3, static_cast<std::uint64_t>(n)}, f64);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) a.uninitialized<double>()[j * n + i] = a.uninitialized<double>()[i * n + j];
  return a;
}

}  // namespace

TEST_CASE("eigh: a V = V diag(values), V orthonormal, values ascending") {
  for (const int64_t n : {1, 2, 7, 40}) {
    const Array a = symmetric(n);
    const Eigen e = eigh(a);
    Array scaled = e.vectors.copy();
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) scaled.uninitialized<double>()[i * n + j] *= e.values.element(j);
    CHECK(product_error(a, e.vectors, scaled) <= 1e-13 * static_cast<double>(n));
    CHECK(product_error(e.vectors.transpose(0, 1), e.vectors, identity(n)) <= 1e-13);
    for (int64_t j = 1; j < n; ++j) CHECK(e.values.element(j) >= e.values.element(j - 1));
  }
  const Eigen known = eigh(Array::of<double>({2, 2}, {2, 1, 1, 2}));
  CHECK(known.values.element(0) == doctest::Approx(1).epsilon(1e-15));
  CHECK(known.values.element(1) == doctest::Approx(3).epsilon(1e-15));
  CHECK(eigh(Array::of<float>({2, 2}, {2, 1, 1, 2})).vectors.dtype() == f32);
  CHECK(eigh(Array::zeros({0, 0}, f64)).values.size() == 0);
}

TEST_CASE("qr: a = q r, q orthonormal, r upper triangular, any shape") {
  for (const Shape& s : {Shape{1, 1}, Shape{5, 5}, Shape{7, 3}, Shape{3, 7}, Shape{60, 50}}) {
    const Array a = uniform(s, -1, 1, Philox{4, 1}, f64);
    const Qr d = qr(a.transpose(0, 1).contiguous().transpose(0, 1));  // a view
    CHECK(product_error(d.q, d.r, a) <= 1e-13);
    CHECK(product_error(d.q.transpose(0, 1), d.q, identity(d.q.dim(1))) <= 1e-13);
    for (int64_t i = 0; i < d.r.dim(0); ++i)
      for (int64_t j = 0; j < std::min(i, d.r.dim(1)); ++j) CHECK(d.r.at({i, j}) == 0);
  }
}

TEST_CASE("decompositions refuse what they cannot do") {
  CHECK_THROWS_AS(eigh(Array::zeros({2, 3}, f64)), ShapeError);
  CHECK_THROWS_AS(eigh(Array::zeros({2, 2}, i64)), DtypeError);
  CHECK_THROWS_AS(qr(Array::zeros({2}, f64)), ShapeError);
  CHECK_THROWS_AS(eigh(Array::full({2, 2}, std::nan(""), f64)), ResourceError);
}
