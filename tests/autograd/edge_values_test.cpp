// Elementwise ops at 0, infinity and NaN, at kinks and at pairs of them: values and gradients. At a kink as PyTorch.
#include <gradus/tests/helpers/edge_values.h>

namespace {

struct Named {
  std::string name;
  Op op;
};
#define NAMED(op)                           \
  {                                         \
#op, [](const Tensor& x) { return op; } \
  }

/// Their gradients depend on x, so a NaN must be seen in them, too.
const Named of_x[] = {NAMED(tanh(x)),
                      NAMED(sigmoid(x)),
                      NAMED(relu(x)),
                      NAMED(leaky_relu(x)),
                      NAMED(elu(x)),
                      NAMED(selu(x)),
                      NAMED(celu(x)),
                      NAMED(erf(x)),
                      NAMED(erfc(x)),
                      NAMED(gelu(x)),
                      NAMED(gelu_tanh(x)),
                      NAMED(silu(x)),
                      NAMED(softplus(x)),
                      NAMED(mish(x)),
                      NAMED(logsigmoid(x)),
                      NAMED(softsign(x)),
                      NAMED(tanhshrink(x)),
                      NAMED(hardtanh(x)),
                      NAMED(relu6(x)),
                      NAMED(hardsigmoid(x)),
                      NAMED(hardswish(x)),
                      NAMED(hardshrink(x)),
                      NAMED(softshrink(x)),
                      NAMED(threshold(x, 0.5, 7)),
                      NAMED(clamp(x, -1, 2)),
                      NAMED(max(x, 0.0)),
                      NAMED(min(x, 0.0)),
                      NAMED(maximum(Tensor(1.0), x)),
                      NAMED(minimum(Tensor(1.0), x)),
                      NAMED(abs(x)),
                      NAMED(max(1.0 - x, 0.0)),
                      NAMED(square(max(1.0 - x, 0.0))),
                      NAMED(prelu(x, Tensor(Array::full({1}, 0.1, x.dtype())))),
                      NAMED(square(x)),
                      NAMED(sqrt(x)),
                      NAMED(cbrt(x)),
                      NAMED(exp(x)),
                      NAMED(log(x)),
                      NAMED(log1p(x)),
                      NAMED(expm1(x)),
                      NAMED(exp2(x)),
                      NAMED(log2(x)),
                      NAMED(log10(x)),
                      NAMED(rsqrt(x)),
                      NAMED(reciprocal(x)),
                      NAMED(1.0 / x),
                      NAMED(pow(x, 3)),
                      NAMED(pow(x, 0.5)),
                      NAMED(sin(x)),
                      NAMED(cos(x)),
                      NAMED(tan(x)),
                      NAMED(asin(x)),
                      NAMED(acos(x)),
                      NAMED(atan(x)),
                      NAMED(sinh(x)),
                      NAMED(cosh(x)),
                      NAMED(asinh(x)),
                      NAMED(acosh(x)),
                      NAMED(atanh(x)),
                      NAMED(logaddexp(x, Tensor(1.0))),
                      NAMED(atan2(x, Tensor(1.0))),
                      NAMED(atan2(Tensor(1.0), x)),
                      NAMED(hypot(x, Tensor(1.0))),
                      NAMED(pow(Tensor(2.0), x))};
/// Their gradients are constants.
const Named of_constant_slope[] = {NAMED(sign(x)),  NAMED(floor(x)), NAMED(ceil(x)), NAMED(trunc(x)),
                                   NAMED(round(x)), NAMED(frac(x)),  NAMED(x + 1.0), NAMED(1.0 - x),
                                   NAMED(2.0 * x),  NAMED(x / 3.0),  NAMED(-x),      NAMED(xlogy(x, Tensor(2.0)))};

const double quarter = std::atan(1.0), tenth = 0.1f, tiny = 0x1p-149, largest = 0x1.fffffep127;

struct Row {
  std::string name;
  Op op;
  double x, value, first;
};
#define ROW(op, at, value, first)                             \
  {                                                           \
#op, [](const Tensor& x) { return op; }, at, value, first \
  }

const Row at_infinity[] = {ROW(silu(x), inf, inf, 1),
                           ROW(silu(x), -inf, 0, 0),
                           ROW(gelu(x), inf, inf, 1),
                           ROW(gelu(x), -inf, 0, 0),
                           ROW(gelu_tanh(x), inf, inf, 1),
                           ROW(gelu_tanh(x), -inf, 0, 0),
                           ROW(mish(x), inf, inf, 1),
                           ROW(mish(x), -inf, 0, 0),
                           ROW(hardswish(x), inf, inf, 1),
                           ROW(hardswish(x), -inf, 0, 0),
                           ROW(softplus(x), inf, inf, 1),
                           ROW(softplus(x), -inf, 0, 0),
                           ROW(logsigmoid(x), inf, 0, 0),
                           ROW(logsigmoid(x), -inf, -inf, 1),
                           ROW(softsign(x), inf, 1, 0),
                           ROW(softsign(x), -inf, -1, 0),
                           ROW(tanhshrink(x), inf, inf, 1),
                           ROW(tanhshrink(x), -inf, -inf, 1),
                           ROW(elu(x, 1.5), inf, inf, 1),
                           ROW(elu(x, 1.5), -inf, -1.5, 0),
                           ROW(celu(x, 2), -inf, -2, 0),
                           ROW(selu(x), -inf, -1.7580993408473766, 0),
                           ROW(tanh(x), inf, 1, 0),
                           ROW(tanh(x), -inf, -1, 0),
                           ROW(sigmoid(x), inf, 1, 0),
                           ROW(sigmoid(x), -inf, 0, 0),
                           ROW(relu(x), -inf, 0, 0),
                           ROW(relu6(x), inf, 6, 0),
                           ROW(hardtanh(x), -inf, -1, 0),
                           ROW(hardsigmoid(x), inf, 1, 0),
                           ROW(softshrink(x), -inf, -inf, 1),
                           ROW(hardshrink(x), inf, inf, 1),
                           ROW(clamp(x, -1, 2), inf, 2, 0),
                           ROW(abs(x), -inf, inf, -1),
                           ROW(erf(x), -inf, -1, 0),
                           ROW(erfc(x), -inf, 2, 0),
                           ROW(erfc(x), inf, 0, 0),
                           ROW(exp(x), -inf, 0, 0),
                           ROW(expm1(x), -inf, -1, 0),
                           ROW(asinh(x), inf, inf, 0),
                           ROW(asinh(x), -inf, -inf, 0),
                           ROW(acosh(x), inf, inf, 0),
                           ROW(atan(x), -inf, -2 * quarter, 0),
                           ROW(cbrt(x), -inf, -inf, 0),
                           ROW(sqrt(x), inf, inf, 0),
                           ROW(log(x), inf, inf, 0),
                           ROW(log1p(x), inf, inf, 0),
                           ROW(log2(x), inf, inf, 0),
                           ROW(log10(x), inf, inf, 0),
                           ROW(rsqrt(x), inf, 0, 0),
                           ROW(reciprocal(x), -inf, 0, 0)};

/// Outside of a domain, in the largest numbers, and around 0.
const Row further[] = {ROW(acosh(x), -1e10, NaN, NaN),
                       ROW(acosh(x), -1e17, NaN, NaN),
                       ROW(acosh(x), -2, NaN, NaN),
                       ROW(acosh(x), 0.5, NaN, NaN),
                       ROW(asin(x), 2, NaN, NaN),
                       ROW(acos(x), -1e20, NaN, NaN),
                       ROW(gelu(x), largest, largest, 1),
                       ROW(gelu(x), -largest, 0, 0),
                       ROW(gelu_tanh(x), largest, largest, 1),
                       ROW(silu(x), largest, largest, 1),
                       ROW(silu(x), -largest, 0, 0),
                       ROW(mish(x), largest, largest, 1),
                       ROW(hardswish(x), largest, largest, 1),
                       ROW(softplus(x), largest, largest, 1),
                       ROW(asinh(x), largest, 89.41598623262834, 1 / largest),
                       ROW(acosh(x), largest, 89.41598623262834, 1 / largest),
                       ROW(log10(x), largest, 38.531839419103624, 0.43429448190325183 / largest),
                       ROW(elu(x), tiny, tiny, 1),
                       ROW(elu(x), -tiny, -tiny, 1),
                       ROW(tanh(x), tiny, tiny, 1),
                       ROW(softsign(x), -tiny, -tiny, 1),
                       ROW(expm1(x), tiny, tiny, 1),
                       ROW(log1p(x), -tiny, -tiny, 1),
                       ROW(asinh(x), tiny, tiny, 1),
                       ROW(atan(x), -tiny, -tiny, 1),
                       ROW(gelu(x), 0, 0, 0.5),
                       ROW(silu(x), -0.0, 0, 0.5),
                       ROW(softplus(x), 0, std::log(2.0), 0.5),
                       ROW(mish(x), 0, 0, 0.6)};

const Row at_kinks[] = {ROW(hardswish(x), -3, 0, 0),
                        ROW(hardswish(x), 3, 3, 1),
                        ROW(hardsigmoid(x), -3, 0, 0),
                        ROW(hardsigmoid(x), 3, 1, 0),
                        ROW(hardtanh(x), -1, -1, 0),
                        ROW(hardtanh(x), 1, 1, 0),
                        ROW(relu6(x), 6, 6, 0),
                        ROW(relu(x), 0, 0, 0),
                        ROW(relu(x), -0.0, 0, 0),
                        ROW(leaky_relu(x, 0.1), 0, 0, 0.1),
                        ROW(elu(x, 1.5), 0, 0, 1.5),
                        ROW(celu(x, 2), 0, 0, 1),
                        ROW(selu(x), 0, 0, 1.7580993408473766),
                        ROW(threshold(x, 1, 7), 1, 7, 0),
                        ROW(hardshrink(x), 0.5, 0, 0),
                        ROW(softshrink(x), -0.5, 0, 0),
                        ROW(clamp(x, -1, 2), -1, -1, 1),
                        ROW(clamp(x, -1, 2), 2, 2, 1),
                        ROW(max(x, 0.0), 0, 0, 0.5),
                        ROW(abs(x), 0, 0, 0)};

struct PairRow {
  std::string name;
  PairOp op;
  double a, b, value, da, db;
};
#define PAIR(op, at_a, at_b, value, da, db)                                             \
  {                                                                                     \
#op, [](const Tensor& a, const Tensor& b) { return op; }, at_a, at_b, value, da, db \
  }

const PairRow pairs[] = {PAIR(maximum(a, b), NaN, 1, NaN, NaN, NaN),
                         PAIR(maximum(a, b), 1, NaN, NaN, NaN, NaN),
                         PAIR(minimum(a, b), NaN, 1, NaN, NaN, NaN),
                         PAIR(minimum(a, b), 1, NaN, NaN, NaN, NaN),
                         PAIR(maximum(a, b), 2, 2, 2, 0.5, 0.5),
                         PAIR(minimum(a, b), inf, 1, 1, 0, 1),
                         PAIR(maximum(a, b), inf, inf, inf, 0.5, 0.5),
                         PAIR(maximum(a, b), -inf, 3, 3, 0, 1),
                         PAIR(pow(a, b), 0, 0, 1, 0, 0),
                         PAIR(pow(a, b), 0, 2, 0, 0, 0),
                         PAIR(pow(a, b), 0, 1, 0, 1, 0),
                         PAIR(pow(a, b), 0, -1, inf, -inf, -inf),
                         PAIR(pow(a, b), tiny, 0, 1, 0, std::log(tiny)),
                         PAIR(pow(a, b), inf, -1, 0, 0, 0),
                         PAIR(pow(a, b), 2, 0, 1, 0, std::log(2.0)),
                         PAIR(xlogy(a, b), 0, 0, 0, 0, 0),
                         PAIR(xlogy(a, b), 0, -1, 0, 0, 0),
                         PAIR(xlogy(a, b), 0, 2, 0, std::log(2.0), 0),
                         PAIR(xlogy(a, b), 0, NaN, NaN, NaN, NaN),
                         PAIR(xlogy(a, b), 2, 0, -inf, -inf, inf),
                         PAIR(xlogy(a, b), 0, inf, 0, inf, 0),
                         PAIR(logaddexp(a, b), -inf, -inf, -inf, 0.5, 0.5),
                         PAIR(logaddexp(a, b), inf, inf, inf, 0.5, 0.5),
                         PAIR(logaddexp(a, b), inf, 1, inf, 1, 0),
                         PAIR(logaddexp(a, b), 1, -inf, 1, 1, 0),
                         PAIR(logaddexp(a, b), NaN, inf, NaN, NaN, NaN),
                         PAIR(logaddexp(a, b), 1000, 1000, 1000.6931471805599, 0.5, 0.5),
                         PAIR(logaddexp(a, b), largest, -largest, largest, 1, 0),
                         PAIR(atan2(a, b), 0, 0, 0, 0, 0),
                         PAIR(atan2(a, b), 0, -1, 4 * quarter, -1, 0),
                         PAIR(atan2(a, b), inf, 1, 2 * quarter, 0, 0),
                         PAIR(atan2(a, b), inf, inf, quarter, 0, 0),
                         PAIR(atan2(a, b), 1, -inf, 4 * quarter, 0, 0),
                         PAIR(atan2(a, b), 0x1p-83, 0x1p-83, quarter, 0x1p82, -0x1p82),
                         PAIR(atan2(a, b), 0x1p83, 0x1p83, quarter, 0x1p-84, -0x1p-84),
                         PAIR(atan2(a, b), largest, 1, 2 * quarter, 1 / largest / largest, -1 / largest),
                         PAIR(hypot(a, b), 0, 0, 0, 0, 0),
                         PAIR(hypot(a, b), inf, 1, inf, 1, 0),
                         PAIR(hypot(a, b), 2, -inf, inf, 0, -1),
                         PAIR(hypot(a, b), 0x3p-100, 0x4p-100, 0x5p-100, 0.6, 0.8),
                         PAIR(hypot(a, b), 0x3p120, -0x4p120, 0x5p120, 0.6, -0.8),
                         PAIR(hypot(a, b), tiny, 0, tiny, 1, 0),
                         PAIR(fmod(a, b), 1, tenth, std::fmod(1, tenth), 1, -9),
                         PAIR(remainder(a, b), 1, tenth, std::fmod(1, tenth), 1, -9),
                         PAIR(remainder(a, b), -1, tenth, tenth - std::fmod(1, tenth), 1, 10),
                         PAIR(fmod(a, b), -1, tenth, -std::fmod(1, tenth), 1, 9),
                         PAIR(remainder(a, b), largest, -0x1p127, largest - 0x1p128, 1, 2),
                         PAIR(fmod(a, b), 1, inf, 1, 1, 0),
                         PAIR(remainder(a, b), -1, inf, inf, 1, 1),
                         PAIR(fmod(a, b), 1, 0, NaN, 1, NaN),
                         PAIR(remainder(a, b), inf, 1, NaN, 1, NaN)};

}  // namespace

TEST_CASE("NaN in gives NaN out, in the value and in the gradient of that element alone") {
  for (const Dtype dtype : {f32, f64}) {
    Array numbers = Array::full({20}, 0.7, f64);
    double* const written = numbers.write<double>("this test");
    written[1] = written[17] = NaN;
    for (const Named& n : of_x) {
      INFO(n.name, " in ", to_string(dtype));
      const Tensor x = leaf(numbers.to(dtype));
      const Array y = n.op(x).array(), dx = grad({sum(n.op(x))}, {x})[0].array();
      const Array recorded = grad({sum(n.op(x))}, {x}, {.create_graph = true})[0].array();
      for (int64_t i = 0; i < 20; ++i) {
        const bool is_nan = i == 1 || i == 17;
        CHECK(std::isnan(y.at({i})) == (is_nan || std::isnan(y.at({0}))));
        CHECK(std::isnan(dx.at({i})) == (is_nan || std::isnan(dx.at({0}))));
        CHECK(std::isnan(recorded.at({i})) == (is_nan || std::isnan(dx.at({0}))));
      }
    }
    for (const Named& n : of_constant_slope) {
      INFO(n.name, " in ", to_string(dtype));
      CHECK(std::isnan(n.op(Tensor(Array::full({}, NaN, dtype))).item()));
    }
  }
}

TEST_CASE("elementwise ops at infinity, outside of their domain and at the smallest and largest numbers") {
  const auto check = [](const Row& r, Dtype dtype, bool second_is_0) {
    INFO(r.name, " of ", r.x, " in ", to_string(dtype));
    const Derivatives d = derivatives(r.op, r.x, dtype);
    CHECK(near(d.value, r.value, dtype));
    CHECK(near(d.first, r.first, dtype));
    CHECK(near(d.recorded, r.first, dtype));
    if (second_is_0) CHECK(d.second == 0);
  };
  for (const Dtype dtype : {f32, f64}) {
    for (const Row& r : at_infinity) check(r, dtype, true);
    for (const Row& r : further) check(r, dtype, false);
    for (const Row& r : at_kinks) check(r, dtype, false);
  }
}

TEST_CASE("the second derivative at a kink is that of the side below, as PyTorch's") {
  for (const Dtype dtype : {f32, f64}) {
    CHECK(derivatives([](const Tensor& x) { return elu(x, 1.5); }, 0, dtype).second == 1.5);
    CHECK(derivatives([](const Tensor& x) { return celu(x, 2); }, 0, dtype).second == 0.5);
    CHECK(near(derivatives(selu, 0, dtype).second, 1.7580993408473766, dtype));
    CHECK(derivatives(relu6, 0, dtype).second == 0);
    CHECK(derivatives(hardswish, 3, dtype).second == 0);
  }
}

TEST_CASE("elementwise ops of two tensors at pairs of edges") {
  for (const PairRow& r : pairs)
    for (const Dtype dtype : {f32, f64}) {
      INFO(r.name, " of ", r.a, " and ", r.b, " in ", to_string(dtype));
      const Tensor a = leaf(Array::full({}, r.a, dtype)), b = leaf(Array::full({}, r.b, dtype));
      CHECK(near(r.op(a, b).item(), r.value, dtype));
      for (const bool recorded : {false, true}) {
        const auto d = grad({r.op(a, b)}, {a, b}, {.create_graph = recorded});
        CHECK(near(d[0].item(), r.da, dtype));
        CHECK(near(d[1].item(), r.db, dtype));
      }
    }
}

TEST_CASE("second derivatives of two tensors are finite where mathematics has them") {
  const auto second = [](PairOp op, double at_a, double at_b, Dtype dtype) {
    const Tensor a = leaf(Array::full({}, at_a, dtype)), b = leaf(Array::full({}, at_b, dtype));
    const Tensor da = grad({op(a, b)}, {a, b}, {.create_graph = true})[0];
    if (!da.requires_grad()) return std::pair(0.0, 0.0);
    const auto twice = grad({da}, {a, b}, {.allow_unused = true});
    return std::pair(number(twice[0]), number(twice[1]));
  };
  for (const Dtype dtype : {f32, f64}) {
    CHECK(second(hypot, 0, 0, dtype) == std::pair(0.0, 0.0));  // not the identity
    CHECK(second(atan2, 0, 0, dtype) == std::pair(0.0, 0.0));
    CHECK(second(atan2, 0, 2, dtype) == std::pair(0.0, -0.25));
    CHECK(second(logaddexp, 1, 1, dtype) == std::pair(0.25, -0.25));
    CHECK(second(logaddexp, -inf, -inf, dtype) == std::pair(0.0, 0.0));
    CHECK(second(xlogy, 0, 2, dtype) == std::pair(0.0, 0.5));
    CHECK(second([](const Tensor& a, const Tensor& b) { return pow(a, b); }, 2, 0, dtype) == std::pair(0.0, 0.5));
  }
}

TEST_CASE("a loss with a hinge does not hide that it diverged") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor score = leaf(Array::of<double>({3}, {0.5, NaN, 2}).to(dtype));
    const Tensor loss = mean(max(1.0 - score, 0.0));
    CHECK(std::isnan(loss.item()));
    const Array d = grad({loss}, {score})[0].array();
    CHECK(near(d.at({0}), -1.0 / 3, dtype));
    CHECK(std::isnan(d.at({1})));
    CHECK(d.at({2}) == 0);
    CHECK(std::isnan(normalize(score, 0).array().at({0})));
  }
}
