// Stages and norms where squares or factors leave the range of their type, and NaN in stages.
#include <doctest/doctest.h>
#include <gradus/core/warning.h>
#include <gradus/tests/helpers/optim.h>

#include <limits>

using namespace optim_testing;

namespace {

/// How far sgd(lr=1) behind `stages` moves each number, for these gradients from w = 0.
std::vector<Array> moves(const std::string& stages, const std::vector<Array>& gradients, double start = 0) {
  const NoWarnings on_purpose;
  NamedTensors parameters;
  for (const Array& g : gradients)
    parameters.emplace_back("p" + std::to_string(parameters.size()), leaf(Array::full(g.shape(), start, g.dtype())));
  auto opt = optim::make(stages + " | sgd(lr=1)", parameters);
  for (std::size_t i = 0; i < gradients.size(); ++i) parameters[i].second.set_grad(gradients[i]);
  opt.step();
  std::vector<Array> moved;
  for (const auto& p : parameters)
    moved.push_back((full(p.second.shape(), start, p.second.dtype()) - p.second.detach()).array());
  return moved;
}

double norm_of(const std::vector<Array>& arrays) {
  double sum = 0;
  for (const Array& a : arrays)
    for (int64_t i = 0; i < a.size(); ++i) sum += a.element(i) * a.element(i);
  return std::sqrt(sum);
}

struct Extreme {
  Dtype dtype;
  double size;
};
const Extreme extremes[] = {{f64, 1e160}, {f64, 1e300}, {f64, 1e154}, {f32, 1e38}, {f32, 3e38}, {f32, 1e20}, {f64, 1e20}};

Array g_of(const Extreme& e, const Shape& shape, unsigned seed) {
  return (Tensor(numbers(shape, seed, f64)) * (e.size * 0.9)).array().to(e.dtype);
}

}  // namespace

TEST_CASE("gradients of any size are clipped to the norm asked for, and keep their direction") {
  for (const Extreme& e : extremes)
    for (const double most : {1.0, 1e-3, 1e10}) {
      const std::vector<Array> g{g_of(e, {3, 4}, 1), g_of(e, {5}, 2)};
      CAPTURE(e.size);
      const auto moved = moves("clip_norm(" + text(most) + ")", g);
      CHECK(norm_of(moved) == doctest::Approx(most).epsilon(1e-6));
      const double ratio = moved[0].element(3) / (g[0].element(3) / e.size);
      for (std::size_t p = 0; p < 2; ++p)
        for (int64_t i = 0; i < g[p].size(); ++i)
          CHECK(moved[p].element(i) == doctest::Approx(ratio * (g[p].element(i) / e.size)).epsilon(1e-5));

      NamedTensors parameters;  // by the function
      for (const Array& a : g) {
        parameters.emplace_back(std::to_string(parameters.size()), leaf(Array::zeros(a.shape(), a.dtype())));
        parameters.back().second.set_grad(a);
      }
      const double norm = optim::clip_grad_norm(parameters, most);
      CHECK(norm / e.size ==
            doctest::Approx(norm_of({(Tensor(g[0].to(f64)) / e.size).array(), (Tensor(g[1].to(f64)) / e.size).array()}))
                .epsilon(1e-6));
      CHECK(norm_of({parameters[0].second.grad().array(), parameters[1].second.grad().array()}) ==
            doctest::Approx(most).epsilon(1e-6));
    }
}

TEST_CASE("explain() shows the step that a factor too small for f32 makes") {
  const Tensor w = leaf(Array::zeros({3}, f32), "w");
  auto opt = optim::make("clip_norm(1) | sgd(lr=1)", std::vector<Tensor>{w});
  w.set_grad(Array::of<float>({3}, {3e38f, -1e38f, 1e37f}));
  const auto x = opt.explain("w", 1);
  opt.step();
  CHECK(x.values.after.back().value == w.array().element(1));
  CHECK(w.array().element(1) > 0.2);
}

TEST_CASE("small gradients are measured, too, and left alone where they are below the norm") {
  const Array g = (Tensor(numbers({4}, 1)) * 1e-200).array();
  const Tensor w = leaf(Array::zeros({4}, f64));
  w.set_grad(g);
  CHECK(optim::clip_grad_norm(std::vector<Tensor>{w}, 1.0) / 1e-200 == doctest::Approx(norm_of({numbers({4}, 1)})));
  CHECK(same_bits(w.grad().array(), g));
}

TEST_CASE("agc, centralize, clip_value and accumulate with huge gradients") {
  for (const Extreme& e : extremes) {
    CAPTURE(e.size);
    for (const Shape& shape : {Shape{3, 4}, Shape{5}}) {
      const Array g = g_of(e, shape, 3);
      const auto moved = moves("agc(clipping=0.01)", {g}, 1);  // each row of ones: 0.01 * its norm
      const int64_t rows = shape.rank() > 1 ? 3 : 1;
      for (int64_t r = 0; r < rows; ++r) {
        const Array row = shape.rank() > 1 ? moved[0].select(0, r) : moved[0];
        CHECK(norm_of({row}) == doctest::Approx(0.01 * std::sqrt(static_cast<double>(row.size()))).epsilon(1e-4));
      }
    }
    CHECK(norm_of(moves("clip_norm(1) | clip_value(0.5) | accumulate(1)", {Array::full({1}, e.size, e.dtype)})) == 0.5);
    const auto mean = moves("centralize | clip_norm(1)", {Array::full({2, 64}, e.size, e.dtype)});
    CHECK(norm_of(mean) <= 1.001);  // the mean of equal numbers is all of them, but for its rounding
  }
  const auto even = moves("centralize", {Array::full({2, 64}, 1.5e308, f64)});
  for (int64_t i = 0; i < even[0].size(); ++i) CHECK(std::fabs(even[0].element(i)) < 1e295);
}

TEST_CASE("a NaN passes every stage in its place; what is beside it is as without it, or NaN in its row") {
  for (const std::string stage : {"agc", "centralize", "clip_value(0.1)", "clip_norm(1)", "accumulate(1)"})
    for (const Dtype dtype : {f32, f64}) {
      Array g = numbers({3, 4}, 1, dtype);
      const Array other = numbers({5}, 2, dtype);
      visit_real(dtype, [&]<class T>() { g.write<T>("test")[5] = std::numeric_limits<T>::quiet_NaN(); });
      const auto moved = moves(stage, {g, other}, 0.5), usual = moves(stage, {numbers({3, 4}, 1, dtype), other}, 0.5);
      CAPTURE(stage);
      CHECK(std::isnan(moved[0].element(5)));
      if (stage == "clip_norm(1)") continue;  // a norm that is not finite scales nothing
      for (int64_t i = 0; i < 12; ++i) {
        const bool row = i / 4 == 1;
        const double x = moved[0].element(i);
        CHECK((x == usual[0].element(i) || (row && std::isnan(x))));
      }
      CHECK(same_bits(moved[1], usual[1]));
    }
}

TEST_CASE("sam goes uphill where squares of the gradient do not fit") {
  for (const double size : {1e170, 1.0, 1e-170}) {
    const Tensor w = leaf(Array::of<double>({2}, {1, 2}));
    auto opt = optim::make("sam(sgd(lr=0), rho=0.5)", std::vector<Tensor>{w});
    std::vector<double> seen;
    opt.step([&] {
      seen.push_back(w.array().element(1));
      return sum(w * Tensor(Array::of<double>({2}, {3 * size, 4 * size})));
    });
    REQUIRE(seen.size() == 2);
    CHECK(seen[1] == doctest::Approx(2 + 0.5 * 0.8));
  }
}
