#include <gradus/core/error.h>
#include <gradus/data/augment.h>

#include <cmath>

namespace gradus::data {
namespace {

/// The logarithm of a number from Gamma(shape, 1): Marsaglia and Tsang, "A simple method for generating gamma variables",
/// 2000; below 1 it is that of shape + 1 times u^(1/shape).
double log_gamma_draw(double shape, Philox random) {
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (std::uint64_t k = 0;; ++k) {
    const double z = random.normal(8 * k), v = std::pow(1 + c * z, 3);  // normal(8 k) and uniform(8 k + 4) share no bits
    if (v <= 0 || std::log(1 - random.uniform(8 * k + 4)) >= 0.5 * z * z + d - d * v + d * std::log(v)) continue;
    return std::log(d * v) + (shape < 1 ? std::log(1 - random.uniform(8 * k + 6)) / shape : 0);
  }
}

double beta_draw(double alpha, Philox random) {
  const double a = log_gamma_draw(alpha, random), b = log_gamma_draw(alpha, {~random.seed, random.stream});
  return 1 / (1 + std::exp(b - a));
}

}  // namespace

Batch mixup(const Batch& batch, std::int64_t classes, double alpha, Philox random) {
  const auto& [x, y, lengths] = batch;
  if (!x.defined() || x.dtype() != f32) throw DtypeError("mixup", "x must be f32, got " + describe(x));
  if (x.rank() < 1 || !y.defined() || y.dtype() != i64 || y.shape() != Shape{x.dim(0)} ||
      !(alpha > 0 && std::isfinite(alpha)))
    throw ShapeError("mixup", join("x is ", describe(x), ", y ", describe(y), ", alpha ", text(alpha),
                                   "; y must be i64 [B], the labels of x [B, ...], and alpha above 0"));
  const std::int64_t n = x.dim(0), size = n > 0 ? x.size() / n : 0;
  const auto other = permutation(n, random.seed + 1, random.stream);
  const auto part = static_cast<float>(beta_draw(alpha, random));
  const Array from = x.contiguous(), labels = y.contiguous();
  Batch mixed{Array(x.shape()), Array::zeros({n, classes}), lengths};
  float *to = mixed.x.uninitialized<float>(), *chance = mixed.y.uninitialized<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t j = other[static_cast<std::size_t>(i)];
    for (const auto& [k, weight] : {std::pair{i, part}, {j, 1 - part}}) {
      const std::int64_t label = labels.data<std::int64_t>()[k];
      if (label < 0 || label >= classes)
        throw IndexError("mixup", join("label ", label, " of item ", k, " is outside 0 .. ", classes - 1));
      chance[i * classes + label] += weight;
    }
    for (std::int64_t k = 0; k < size; ++k)
      to[i * size + k] = part * from.data<float>()[i * size + k] + (1 - part) * from.data<float>()[j * size + k];
  }
  return mixed;
}

}  // namespace gradus::data
