#include <gradus/core/error.h>
#include <gradus/nn/init.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradus::nn::init {
namespace {

void fill(const char* name, const Tensor& t, const Array& values) {
  Array numbers = t.array();  // the same numbers, seen for writing
  numbers.assign(values, name);
}

double kaiming_deviation(const Tensor& t, const KaimingOptions& o) {
  const Fans f = fans(t.shape());
  return calculate_gain(o.nonlinearity, o.a) / std::sqrt(static_cast<double>(o.mode == FanMode::fan_in ? f.in : f.out));
}

double xavier_deviation(const Tensor& t, double gain) {
  const Fans f = fans(t.shape());
  return gain * std::sqrt(2.0 / static_cast<double>(f.in + f.out));
}

/// Gram and Schmidt, each vector cleared twice of those before it ("twice is enough": Giraud, Langou and Rozloznik, 2005).
/// q holds `count` vectors of length n, count <= n.
void orthonormalise(std::vector<double>& q, int64_t count, int64_t n) {
  auto at = [&](int64_t v) { return q.data() + v * n; };
  auto dot = [n](const double* a, const double* b) {
    double s = 0;
    for (int64_t i = 0; i < n; ++i) s += a[i] * b[i];
    return s;
  };
  for (int64_t v = 0; v < count; ++v) {
    for (int64_t pass = 0; pass < 2; ++pass)
      for (int64_t u = 0; u < v; ++u) {
        const double along = dot(at(u), at(v));
        for (int64_t i = 0; i < n; ++i) at(v)[i] -= along * at(u)[i];
      }
    const double length = std::sqrt(dot(at(v), at(v)));
    for (int64_t i = 0; i < n; ++i) at(v)[i] /= length;
  }
}

}  // namespace

Fans fans(const Shape& weight) {
  if (weight.rank() < 2) throw ShapeError("init", join("a weight of at least two axes has fans, ", weight, " has none"));
  int64_t window = 1;
  for (int i = 2; i < weight.rank(); ++i) window *= weight[i];
  if (weight.size() == 0) throw ShapeError("init", join("a weight ", weight, " without numbers has no fans"));
  return {weight[1] * window, weight[0] * window};
}

double calculate_gain(Nonlinearity nonlinearity, double a) {
  switch (nonlinearity) {
    case Nonlinearity::tanh: return 5.0 / 3;
    case Nonlinearity::relu: return std::sqrt(2.0);
    case Nonlinearity::leaky_relu: return std::sqrt(2 / (1 + a * a));
    case Nonlinearity::selu: return 0.75;
    default: return 1;
  }
}

void constant_(const Tensor& t, double value) { fill("init::constant_", t, Array::full({}, value, t.dtype())); }
void zeros_(const Tensor& t) { constant_(t, 0); }
void ones_(const Tensor& t) { constant_(t, 1); }

void uniform_(const Tensor& t, double low, double high, Generator& generator) {
  fill("init::uniform_", t, uniform(t.shape(), low, high, generator.next_stream(), t.dtype()));
}

void normal_(const Tensor& t, double mean, double deviation, Generator& generator) {
  fill("init::normal_", t, normal(t.shape(), mean, deviation, generator.next_stream(), t.dtype()));
}

void xavier_uniform_(const Tensor& t, double gain, Generator& generator) {
  const double bound = std::sqrt(3.0) * xavier_deviation(t, gain);
  uniform_(t, -bound, bound, generator);
}

void xavier_normal_(const Tensor& t, double gain, Generator& generator) {
  normal_(t, 0, xavier_deviation(t, gain), generator);
}

void kaiming_uniform_(const Tensor& t, const KaimingOptions& options, Generator& generator) {
  const double bound = std::sqrt(3.0) * kaiming_deviation(t, options);
  uniform_(t, -bound, bound, generator);
}

void kaiming_normal_(const Tensor& t, const KaimingOptions& options, Generator& generator) {
  normal_(t, 0, kaiming_deviation(t, options), generator);
}

void orthogonal_(const Tensor& t, double gain, Generator& generator) {
  fans(t.shape());  // refuses what has no two axes
  const int64_t rows = t.dim(0), columns = t.size() / rows, count = std::min(rows, columns), n = std::max(rows, columns);
  const Array drawn = normal({count, n}, 0, 1, generator.next_stream(), f64);
  std::vector<double> q(drawn.data<double>(), drawn.data<double>() + drawn.size());
  orthonormalise(q, count, n);
  for (double& x : q) x *= gain;
  Array values = Array::of({count, n}, q);
  if (rows > columns) values = values.transpose(0, 1);
  fill("init::orthogonal_", t, values.reshape(t.shape()).to(t.dtype()));
}

void trunc_normal_(const Tensor& t, double mean, double deviation, double low, double high, Generator& generator) {
  if (!(low < high) || !(deviation > 0))
    throw Error("init::trunc_normal_", join("needs low < high and a deviation above 0, got low ", text(low), ", high ",
                                            text(high), ", deviation ", text(deviation)));
  Array values = normal(t.shape(), mean, deviation, generator.next_stream(), f64);
  double* x = values.uninitialized<double>();
  const auto outside = [&](double v) { return !(v >= low && v <= high); };
  for (int again = 0; again < 64 && std::any_of(x, x + values.size(), outside); ++again) {
    const Array more = normal(t.shape(), mean, deviation, generator.next_stream(), f64);
    for (int64_t i = 0; i < values.size(); ++i)
      if (outside(x[i])) x[i] = more.data<double>()[i];
  }
  for (int64_t i = 0; i < values.size(); ++i) x[i] = std::clamp(x[i], low, high);  // of an interval far out
  fill("init::trunc_normal_", t, values.to(t.dtype()));
}

void eye_(const Tensor& t) {
  if (t.rank() != 2) throw ShapeError("init::eye_", join("takes a matrix, got ", describe(t)));
  Array values = Array::zeros(t.shape(), f64);
  for (int64_t i = 0; i < std::min(t.dim(0), t.dim(1)); ++i) values.uninitialized<double>()[i * (t.dim(1) + 1)] = 1;
  fill("init::eye_", t, values.to(t.dtype()));
}

void dirac_(const Tensor& t, int64_t groups) {
  if (t.rank() < 3 || t.rank() > 5 || groups < 1 || t.dim(0) % groups != 0)
    throw ShapeError("init::dirac_", join("takes a weight [O, I, K..] whose outputs divide into the groups, got ",
                                          describe(t), " and ", groups, " groups"));
  Array values = Array::zeros(t.shape(), f64);
  const int64_t outputs = t.dim(0) / groups, kernel = t.size() / std::max<int64_t>(1, t.dim(0) * t.dim(1));
  int64_t middle = 0;
  for (int axis = 2; axis < t.rank(); ++axis) middle = middle * t.dim(axis) + t.dim(axis) / 2;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t o = 0; o < std::min(outputs, t.dim(1)); ++o)
      values.uninitialized<double>()[((g * outputs + o) * t.dim(1) + o) * kernel + middle] = 1;
  fill("init::dirac_", t, values.to(t.dtype()));
}

void sparse_(const Tensor& t, double sparsity, double deviation, Generator& generator) {
  if (t.rank() != 2) throw ShapeError("init::sparse_", join("takes a matrix, got ", describe(t)));
  if (!(sparsity >= 0 && sparsity <= 1))
    throw Error("init::sparse_", join("the sparsity must lie in [0, 1], got ", text(sparsity)));
  Array values = normal(t.shape(), 0, deviation, generator.next_stream(), f64);
  const int64_t rows = t.dim(0), columns = t.dim(1);
  const auto zeros = static_cast<std::size_t>(std::ceil(sparsity * static_cast<double>(rows)));
  for (int64_t c = 0; c < columns; ++c) {
    const Philox random = generator.next_stream();
    const auto order = permutation(rows, random.seed, random.stream);
    for (std::size_t k = 0; k < zeros; ++k) values.uninitialized<double>()[order[k] * columns + c] = 0;
  }
  fill("init::sparse_", t, values.to(t.dtype()));
}

Array fan_in_uniform(const Shape& shape, int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return uniform(shape, -bound, bound, default_generator().next_stream());
}

}  // namespace gradus::nn::init
