// Norms, normalize and cosine_similarity from the smallest numbers to the largest: values, gradients, second order.
#include <gradus/core/random.h>

#include <gradus/tests/helpers/edges.h>

using namespace gradus;
using namespace gradus::edges;

namespace {

using Wide = long double;

/// (sum |x|^p)^(1 / p) and its gradient, by long double.
struct Reference {
  Wide value;
  std::vector<Wide> gradient;
};
Reference norm_of(const std::vector<double>& x, double p) {
  Wide unit = 0, sum = 0;
  for (const double v : x) unit = std::max(unit, std::fabs(static_cast<Wide>(v)));
  if (unit == 0) return {0, std::vector<Wide>(x.size(), 0)};
  for (const double v : x) sum += std::pow(std::fabs(v / unit), static_cast<Wide>(p));
  Reference r{unit * std::pow(sum, 1 / static_cast<Wide>(p)), {}};
  for (const double v : x)
    r.gradient.push_back(
        v == 0 ? 0 : std::copysign(std::pow(std::fabs(v) / r.value, static_cast<Wide>(p) - 1), static_cast<Wide>(v)));
  return r;
}

bool near(const Array& a, const std::vector<Wide>& wanted, double relative) {
  bool good = a.size() == static_cast<int64_t>(wanted.size());
  for (std::size_t i = 0; good && i < wanted.size(); ++i) {
    const Wide got = a.element(static_cast<int64_t>(i));
    good = std::fabs(got - wanted[i]) <= relative * std::fabs(wanted[i]);
  }
  if (!good) MESSAGE(to_string(a));
  return good;
}

double digits(Dtype dtype) { return dtype == f32 ? 1e-6 : 1e-14; }
std::vector<double> sizes(Dtype dtype) {
  std::vector<double> all{1, 1e8, 1e-8, 1e20, 1e-30, 1e37, 1e-36};
  if (dtype == f64) all.insert(all.end(), {1e160, 1e-170, 1e307, 1e-306});
  return all;
}

}  // namespace

TEST_CASE("norm: right for numbers of any size, along rows, columns and all axes, with its gradient") {
  for (const Dtype dtype : {f32, f64})
    for (const double size : sizes(dtype))
      for (const double p : {2.0, 3.0, 1.5, 0.5, -1.0, 100.0, 1.0, 1e6}) {
        CAPTURE(size);
        CAPTURE(p);
        const Tensor x = numbers({3}, {size, -2 * size, 3 * size}, dtype);
        std::vector<double> rounded = values(x.array());
        if (p < 0) {  // the reference divides by the largest
          Wide sum = 0;
          for (const double v : rounded) sum += std::pow(std::fabs(static_cast<Wide>(v) / size), static_cast<Wide>(p));
          CHECK(near(norm(x, p).array(), {size * std::pow(sum, 1 / static_cast<Wide>(p))}, digits(dtype)));
          continue;
        }
        const Reference r = norm_of(rounded, p);
        CHECK(near(norm(x, p).array(), {r.value}, digits(dtype)));
        const Tensor columns = expand(reshape(x, {3, 1}), {3, 2}), rows = transpose(columns, 0, 1);
        CHECK(near(norm(columns, p, {0}).array(), {r.value, r.value}, digits(dtype)));
        CHECK(near(norm(rows, p, {1}, true).array(), {r.value, r.value}, digits(dtype)));
        if (p > 10) continue;  // powers of ratios to 1e6 are no matter of digits
        const Orders o = orders_of([p](const Tensor& t) { return norm(t, p); }, x);
        CHECK(near(o.first, r.gradient, p * digits(dtype)));
        CHECK((size > 1e5 || size < 1e-5 || o.second_finite));
      }
}

TEST_CASE("norm: numbers of very different size in one tensor, each row as if it were alone, bit for bit") {
  for (const Dtype dtype : {f32, f64}) {
    const std::vector<double> scales{1, 1e-30, 1e20, 0, 1e-38, 3};
    std::vector<double> all;
    for (const double s : scales) all.insert(all.end(), {0.3 * s, 0.4 * s, -1.2 * s});
    const Tensor x = numbers({6, 3}, all, dtype);
    for (const double p : {2.0, 3.0}) {
      const Array together = norm(x, p, {1}).array(), turned = norm(transpose(x, 0, 1), p, {0}).array();
      for (int64_t r = 0; r < 6; ++r) {
        CHECK(together.element(r) == norm(slice(x, 0, r, r + 1), p).item());
        CHECK(turned.element(r) == doctest::Approx(together.element(r)).epsilon(1e-6));
        if (p == 2) CHECK(together.element(r) == doctest::Approx(1.3 * scales[static_cast<std::size_t>(r)]).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("norm at 0: gradient 0 and Hessian 0 for every p; with zeros among numbers finite") {
  for (const Dtype dtype : {f32, f64})
    for (const double p : {2.0, 3.0, 1.5, 0.5, -1.0, 100.0, 1.0, 0.0, inf, -inf}) {
      CAPTURE(p);
      const auto f = [p](const Tensor& t) { return norm(t, p); };
      const Tensor zero = numbers({2}, {0, -0.0}, dtype);
      CHECK(f(zero).item() == 0);
      if (p == 0) continue;
      CHECK(equal(grad({f(zero)}, {zero})[0].array(), {0, 0}));
      const Tensor g = grad({f(zero)}, {zero}, {.create_graph = true})[0];
      CHECK(equal(g.array(), {0, 0}));
      if (g.requires_grad()) {
        const Tensor second = grad({sum(g * numbers({2}, {1, 2}, dtype))}, {zero}, {.allow_unused = true})[0];
        CHECK((!second.defined() || equal(second.array(), {0, 0})));
      }
      const Orders o = orders_of(f, numbers({3}, {0, 3, -4}, dtype));
      CHECK(finite(o.first));
      CHECK(o.second_finite);
      CHECK(o.first.element(0) == 0);
    }
}

TEST_CASE("norm: infinities and NaN") {
  for (const Dtype dtype : {f32, f64})
    for (const double p : {2.0, 3.0, 0.5, 100.0, 1.0, inf}) {
      CAPTURE(p);
      const auto of = [&](double a, double b) { return norm(numbers({2}, {a, b}, dtype), p).item(); };
      CHECK(std::isnan(of(not_a_number, 1)));
      CHECK(std::isnan(of(1, not_a_number)));
      CHECK(of(inf, 1) == inf);
      CHECK(of(1, -inf) == inf);
      CHECK(of(0, -inf) == inf);
    }
  CHECK(norm(zeros({0}), 2).item() == 0);
  CHECK(norm(zeros({0}), 3).item() == 0);
  CHECK(norm(leaf(Array::full({}, -4, f32)), 3).item() == 4);
  CHECK_THROWS_AS(norm(zeros({2}), not_a_number), Error);
}

TEST_CASE("normalize and cosine_similarity from 1e-30 to 1e37: values and gradients; NaN stays") {
  for (const Dtype dtype : {f32, f64})
    for (const double size : sizes(dtype)) {
      CAPTURE(size);
      const Tensor x = numbers({1, 2}, {3 * size, -4 * size}, dtype), one = numbers({1, 2}, {1, 0}, dtype);
      const auto unit = [](const Tensor& t) { return normalize(t, 1, 0); };
      CHECK(near(unit(x).array(), {Wide(0.6), Wide(-0.8)}, digits(dtype)));
      const Orders o = orders_of(unit, x);  // of y0 + 2 y1: (w - y (w y)) / |x|
      CHECK(near(o.first, {Wide(1.6) / 5 / size, Wide(1.2) / 5 / size}, 3 * digits(dtype)));
      CHECK(near(normalize(x, 1).array(), {3 * size / std::max(5 * size, 1e-12), -4 * size / std::max(5 * size, 1e-12)},
                 digits(dtype)));
      const auto cosine = [&](const Tensor& t) { return cosine_similarity(t, one, 1, 0); };
      CHECK(near(cosine(x).array(), {Wide(0.6)}, digits(dtype)));
      CHECK(near(grad({cosine(x)}, {x})[0].array(), {Wide(0.64) / 5 / size, Wide(0.48) / 5 / size}, 3 * digits(dtype)));
      CHECK(near(cosine_similarity(x, x, 1, 0).array(), {1}, digits(dtype)));
      CHECK(near(cosine_similarity(x, x * -1.0, 1, 0).array(), {-1}, digits(dtype)));
    }
  const Tensor bad = numbers({2, 2}, {not_a_number, 1, 3, 4}, f32);
  CHECK(equal(normalize(bad, 1).array(), {not_a_number, not_a_number, 0.6, 0.8}, 1e-6));
  CHECK(equal(cosine_similarity(bad, bad, 1).array(), {not_a_number, 1}, 1e-6));
  CHECK(equal(normalize(zeros({1, 2}), 1).array(), {0, 0}));
  CHECK(finite(grad({sum(normalize(bad, 1))}, {bad})[0].array().select(0, 1)));
}

TEST_CASE("cosine_similarity never exceeds 1, and its gradient stays where it is rounded to 1") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor a = leaf(uniform({2000, 37}, -1, 1, Philox{5, 0}, dtype));
    int64_t outside = 0, far = 0;
    const Array same = cosine_similarity(a, a, 1).array(), opposite = cosine_similarity(a, a * -3.0, 1).array();
    for (int64_t i = 0; i < 2000; ++i) {
      outside += same.element(i) > 1 || opposite.element(i) < -1;
      far += std::fabs(same.element(i) - 1) > digits(dtype) || std::fabs(opposite.element(i) + 1) > digits(dtype);
    }
    CHECK(outside == 0);
    CHECK(far == 0);
    const Tensor x = numbers({1, 2}, {1, 1e-4}, f32), e = numbers({1, 2}, {1, 0}, f32);
    CHECK(grad({cosine_similarity(x, e, 1)}, {x})[0].array().element(1) == doctest::Approx(-1e-4).epsilon(1e-3));
  }
}

TEST_CASE("cosine_similarity broadcasts first: along the axis, and operands of other rank") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor two = numbers({1}, {2}, dtype), b = numbers({2}, {1, 2}, dtype), c = numbers({2}, {2, 2}, dtype);
    CHECK(cosine_similarity(two, b, 0).item() == doctest::Approx(0.9486833).epsilon(1e-6));
    CHECK(cosine_similarity(b, two, 0).item() == doctest::Approx(0.9486833).epsilon(1e-6));
    const Array narrow = grad({cosine_similarity(two, b, 0)}, {b})[0].array();
    CHECK(equal(narrow, values(grad({cosine_similarity(c, b, 0)}, {b})[0].array()), 1e-7));
    CHECK(equal(grad({cosine_similarity(two, b, 0)}, {two})[0].array(), {0}, 1e-6));
    const Tensor wide = numbers({3, 2}, {1, 2, -1, 0, 2, 2}, dtype), row = numbers({1, 2}, {1, 2}, dtype);
    for (const int axis : {0, 1, -1}) {
      const Array got = cosine_similarity(b, wide, axis).array();
      CHECK(equal(got, values(cosine_similarity(expand(row, {3, 2}), wide, axis).array()), 1e-7));
      CHECK(equal(cosine_similarity(wide, b, axis).array(), values(got), 1e-7));
    }
    CHECK(cosine_similarity(numbers({}, {2}, dtype), b, 0).item() == doctest::Approx(0.9486833).epsilon(1e-6));
    CHECK_THROWS_AS(cosine_similarity(b, wide, 2), IndexError);
    CHECK_THROWS_AS(cosine_similarity(numbers({3}, {1, 2, 3}, dtype), b, 0), ShapeError);
  }
  CHECK_THROWS_AS(cosine_similarity(zeros({2}), zeros({2}, f64), 0), DtypeError);
}

TEST_CASE("cosine_similarity: rows below eps, of zeros, of ordinary numbers and of NaN side by side, as of the definition") {
  for (const Dtype dtype : {f32, f64})
    for (const double largest : {1.0, 1e25})  // at 1e25 the squares of that row are infinite in f32
      for (const double eps : {1e-8, 0.3}) {
        CAPTURE(largest);
        const std::vector<double> rows{3,    4,    -1, 1e-11,   2e-11,   0,        0,   0, 0,
                                       3e-5, 1e-5, 0,  largest, largest, -largest, 0.5, 0, 7};
        const std::vector<double> other{1, 2, 5, 2, -1, 3, 1, 1, 1, 1e-9, 1e-9, 2e-9, 1, 4, 2, 1e-20, 1, 1e-30};
        const Tensor a = numbers({6, 3}, rows, dtype), b = numbers({6, 3}, other, dtype),
                     w = numbers({6}, {1, -2, 3, 4, 5, 6}, dtype);
        const Tensor y = cosine_similarity(a, b, 1, eps);
        const std::vector<double> x = values(a.array()), z = values(b.array());
        std::vector<Wide> wanted, slopes;
        for (std::size_t r = 0; r < 6; ++r) {
          Wide dot = 0, p = 0, q = 0;
          for (std::size_t k = 3 * r; k < 3 * r + 3; ++k) {
            dot += static_cast<Wide>(x[k]) * z[k], p += static_cast<Wide>(x[k]) * x[k], q += static_cast<Wide>(z[k]) * z[k];
          }
          const Wide n = std::max<Wide>(std::sqrt(p), eps), m = std::max<Wide>(std::sqrt(q), eps);
          wanted.push_back(dot / n / m);
          const Wide tilt = std::sqrt(p) < eps ? 0 : dot / n / m / n;
          for (std::size_t k = 3 * r; k < 3 * r + 3; ++k)
            slopes.push_back(static_cast<Wide>(w.array().element(static_cast<int64_t>(r))) / n * (z[k] / m - tilt * x[k]));
        }
        for (std::size_t r = 0; r < 6; ++r) {
          const auto at = static_cast<int64_t>(r);
          CHECK(std::fabs(y.array().element(at) - wanted[r]) <= digits(dtype) * std::fabs(wanted[r]));
          for (const bool graph : {false, true}) {
            const auto both = grad({y}, {a, b}, {.create_graph = graph, .retain_graph = true}, {w});
            Wide size = 0;
            for (std::size_t k = 3 * r; k < 3 * r + 3; ++k) size = std::max(size, std::fabs(slopes[k]));
            for (int64_t k = 3 * at; k < 3 * at + 3; ++k)
              CHECK(std::fabs(both[0].array().element(k) - slopes[static_cast<std::size_t>(k)]) <= 4 * digits(dtype) * size);
            const auto turned = grad({cosine_similarity(b, a, 1, eps)}, {b, a}, {.create_graph = graph}, {w});
            CHECK(equal(turned[1].array(), values(both[0].array()), 1e-6));
            CHECK(equal(turned[0].array(), values(both[1].array()), 1e-6));
          }
        }
        const Tensor bad = cat({a, numbers({1, 3}, {1, not_a_number, 2}, dtype)}),
                     more = cat({b, numbers({1, 3}, {1, 2, 3}, dtype)});
        const Array with = cosine_similarity(bad, more, 1, eps).array();
        CHECK(std::isnan(with.element(6)));
        for (int64_t r = 0; r < 6; ++r) CHECK(with.element(r) == y.array().element(r));
      }
}

TEST_CASE("the gradient of the norm: quotients of gradients and norms that leave the range of floats") {
  for (const Dtype dtype : {f32, f64})
    for (const double size : {1.0, 1e25, 1e-25})
      for (const double slope : {1.0, 1e-20, 1e20, 1e-25}) {
        CAPTURE(size);
        CAPTURE(slope);
        const Tensor x = numbers({3, 2}, {3 * size, -4 * size, 0, 0, 3, 4}, dtype), g = numbers({3}, {slope, 1, 1}, dtype);
        const Array dx = grad({norm(x, 2, {1})}, {x}, {}, {g})[0].array();
        const std::vector<Wide> wanted{Wide(0.6) * slope, -Wide(0.8) * slope, 0, 0, Wide(0.6), Wide(0.8)};
        CHECK(near(dx, wanted, 2 * digits(dtype)));
      }
}
