#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/kernels/linalg.h>
#include <gradus/train/frechet.h>

#include <cmath>

namespace gradus::training {
namespace {

struct Normal {
  Tensor mean, covariance;  // [D], [D, D], f64
};

Normal normal_of(const Tensor& features) {
  const Tensor x = features.detach().to(f64), center = mean(x, {0}), apart = x - center;
  return {center, matmul(apart.transpose(0, 1), apart) / static_cast<double>(x.dim(0) - 1)};
}

/// Of a symmetric matrix without negative eigenvalues but by rounding.
Tensor square_root(const Tensor& matrix) {
  const Eigen e = eigh(matrix.array());
  const Tensor vectors(e.vectors);
  return matmul(vectors * sqrt(maximum(Tensor(e.values), 0.0)), vectors.transpose(0, 1));
}

void check_features(const Tensor& a, const Tensor& b) {
  const char* op = "frechet_distance";
  const auto fits = [](const Tensor& t) { return t.defined() && t.rank() == 2 && t.dim(0) > 1 && t.dim(1) > 0; };
  if (!fits(a) || !fits(b) || a.dim(1) != b.dim(1))
    throw ShapeError(op, join("features are ", describe(a.array()), " and ", describe(b.array()),
                              "; they must be [N, D] and [M, D], N and M at least 2"));
  if (!is_real(a.dtype()) || !is_real(b.dtype()))
    throw DtypeError(op,
                     join("features are ", describe(a.array()), " and ", describe(b.array()), "; they must be f32 or f64"));
  if (!std::isfinite(sum(abs(a)).item()) || !std::isfinite(sum(abs(b)).item()))
    throw DataError(op, "a feature is NaN or infinite");
}

}  // namespace

double frechet_distance(const Tensor& a, const Tensor& b) {
  const NoGrad unrecorded;
  check_features(a, b);
  const Normal p = normal_of(a), q = normal_of(b);
  // (C_p C_q)^(1/2) is not symmetric, but r C_q r with r = C_p^(1/2) has the same eigenvalues.
  const Tensor r = square_root(p.covariance);
  const Tensor product = matmul(r, matmul(q.covariance, r));
  const Tensor shared = sqrt(maximum(Tensor(eigh(product.array()).values), 0.0));
  const double apart = sum(square(p.mean - q.mean)).item();
  const double spread = sum(diagonal(p.covariance) + diagonal(q.covariance)).item();
  return apart + spread - 2 * sum(shared).item();
}

}  // namespace gradus::training
