// Where functions are flat or steep, differences lose their digits: gradients are held against closed forms, evaluated in
// long double and in the form that is exact there.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cmath>

using namespace gradus;

namespace {

using Wide = long double;
using Op = Tensor (*)(const Tensor&);

struct Point {
  const char* name;
  Op op;
  double x;
  Wide first, second;
};

Wide logistic(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide logistic_slope(Wide x) { return std::exp(-std::fabs(x)) / std::pow(1 + std::exp(-std::fabs(x)), Wide(2)); }
Wide logistic_bend(Wide x) { return logistic_slope(x) * std::tanh(-x / 2); }
Wide tanh_slope(Wide x) { return 1 / (std::cosh(x) * std::cosh(x)); }
Wide bell(Wide x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Wide(-1))); }

std::vector<Point> points() {
  std::vector<Point> all;
  for (const double at : {20.0, 40.0, 300.0, 800.0})
    for (const double x : {at, -at}) {
      const Wide w = x, s = logistic(w), t = logistic_slope(w), b = logistic_bend(w);
      all.push_back({"sigmoid", sigmoid, x, t, b});
      all.push_back({"softplus", softplus, x, s, t});
      all.push_back({"logsigmoid", logsigmoid, x, logistic(-w), -t});
      all.push_back({"silu", silu, x, s + w * t, 2 * t + w * b});
      all.push_back({"tanh", tanh, x, tanh_slope(w), -2 * std::tanh(w) * tanh_slope(w)});
      all.push_back({"gelu", gelu, x, std::erfc(-w / std::sqrt(Wide(2))) / 2 + w * bell(w), (2 - w * w) * bell(w)});
      const Wide erf_slope = 2 / std::sqrt(std::acos(Wide(-1))) * std::exp(-w * w);
      all.push_back({"erf", erf, x, erf_slope, -2 * w * erf_slope});
      all.push_back({"elu", [](const Tensor& v) { return elu(v); }, x, x > 0 ? 1 : std::exp(w), x > 0 ? 0 : std::exp(w)});
      all.push_back({"atan", atan, x, 1 / (1 + w * w), -2 * w / ((1 + w * w) * (1 + w * w))});
    }
  return all;
}

struct Twice {
  double first, second;
};
Twice derivatives(Op op, double at, Dtype dtype) {
  Tensor x = leaf(Array::full({}, at, dtype));
  const Tensor first = grad({op(x)}, {x}, {.create_graph = true})[0];
  if (!first.requires_grad()) return {first.item(), 0};
  const Tensor second = grad({first}, {x}, {.allow_unused = true})[0];
  return {first.item(), second.defined() ? second.item() : 0};
}

/// Against the largest that the derivative is anywhere, about 1.
double away(double got, Wide wanted) { return std::fabs(static_cast<double>(static_cast<Wide>(got) - wanted)); }

Tensor row(const std::vector<double>& x, Dtype dtype = f64) {
  return leaf(Array::of({1, static_cast<int64_t>(x.size())}, x).to(dtype));
}

}  // namespace

TEST_CASE("saturated activations: first and second derivative against closed forms, to 2e-15 in f64 and 2e-7 in f32") {
  for (const Point& p : points()) {
    INFO(std::string(p.name) << " at " << p.x);
    const Twice wide = derivatives(p.op, p.x, f64), narrow = derivatives(p.op, p.x, f32);
    CHECK(away(wide.first, p.first) <= 2e-15);  // x (1 - y) of silu at 20: x roundings
    CHECK(away(wide.second, p.second) <= 2e-15);
    CHECK(away(narrow.first, p.first) <= 2e-7);
    CHECK(away(narrow.second, p.second) <= 2e-7);
  }
}

TEST_CASE("where the tail is small but not zero it keeps its digits") {
  for (const double x : {-20.0, -40.0, -300.0, -700.0}) {
    CAPTURE(x);
    const Wide w = x;
    const auto close = [](double got, Wide wanted) { return away(got / static_cast<double>(wanted), 1) <= 1e-13; };
    CHECK(close(derivatives(sigmoid, x, f64).first, logistic_slope(w)));
    CHECK(close(derivatives(softplus, x, f64).first, logistic(w)));
    CHECK(close(derivatives(logsigmoid, -x, f64).first, logistic(w)));
    CHECK(close(derivatives([](const Tensor& v) { return elu(v); }, x, f64).first, std::exp(w)));
    CHECK(close(derivatives(exp, x, f64).first, std::exp(w)));
  }
}

TEST_CASE("softmax and cross entropy of logits far apart") {
  for (const double gap : {40.0, 400.0, 1e4}) {
    CAPTURE(gap);
    const std::vector<double> z{0, gap, gap - 1, -gap};
    std::vector<Wide> p;
    Wide total = 0;
    for (const double v : z) p.push_back(std::exp(static_cast<Wide>(v) - gap)), total += p.back();
    for (Wide& v : p) v /= total;
    for (const Dtype dtype : {f64, f32}) {
      const double bound = dtype == f64 ? 4e-16 : 2e-7;
      for (std::size_t k = 0; k < z.size(); ++k) {
        std::vector<double> one(4);
        one[k] = 1;
        const Tensor x = row(z, dtype), seed = row(one, dtype).detach();
        const Tensor ds = grad({softmax(x)}, {x}, {}, {seed})[0], dl = grad({log_softmax(x)}, {x}, {}, {seed})[0];
        const Tensor label(Array::of<int64_t>({1}, {static_cast<int64_t>(k)}));
        const Tensor dc = grad({cross_entropy(x, label)}, {x})[0];
        const double loss = cross_entropy(x, label).item(), wanted = static_cast<double>(std::log(total) + gap - z[k]);
        CHECK(std::fabs(loss - wanted) <= bound * std::max(1.0, wanted));
        for (std::size_t i = 0; i < z.size(); ++i) {
          CAPTURE(i);
          const auto at = static_cast<int64_t>(i);
          CHECK(away(ds.array().element(at), p[k] * ((i == k) - p[i])) <= bound);
          CHECK(away(dl.array().element(at), (i == k) - p[i]) <= bound);
          CHECK(away(dc.array().element(at), p[i] - (i == k)) <= bound);
        }
      }
    }
  }
}

TEST_CASE("sums of exponentials far apart: logsumexp, logaddexp") {
  for (const double gap : {40.0, 700.0, 1e5}) {
    CAPTURE(gap);
    const Tensor x = row({gap, 0});
    const Tensor g = grad({logsumexp(x, 1)}, {x}, {}, {Tensor(Array::ones({1}, f64))})[0];
    CHECK(away(g.array().element(0), logistic(gap)) <= 3e-16);
    CHECK(away(g.array().element(1), logistic(-static_cast<Wide>(gap))) <= 3e-16);
    Tensor a = leaf(Array::full({}, -gap, f64)), b = leaf(Array::full({}, gap, f64));
    const auto both = grad({logaddexp(a, b)}, {a, b});
    CHECK(away(both[0].item(), logistic(-2 * static_cast<Wide>(gap))) <= 3e-16);
    CHECK(away(both[1].item(), logistic(2 * static_cast<Wide>(gap))) <= 3e-16);
  }
}
