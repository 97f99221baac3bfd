// Derivatives as functions: against closed forms, and against each other.
#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/functional.h>
#include <gradus/autograd/ops.h>

#include <cmath>

using namespace gradus;

namespace {

Tensor values(const Shape& s, unsigned seed = 1) { return Tensor(sample_values(s, -2, 2, seed)); }

/// Norm-wise: max|a - b| / max(|a|max, |b|max).
double apart(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const double top = std::max(max(abs(a)).item(), max(abs(b)).item());
  return top > 0 ? max(abs(a - b)).item() / top : 0;
}
double at(const Tensor& m, int64_t i, int64_t j) { return m.slice(0, i, i + 1).slice(1, j, j + 1).item(); }
constexpr double bound = 1e-12;

}  // namespace

TEST_CASE("a quadratic form: gradient, Hessian, and their products") {
  const Tensor a = values({4, 4}), x = values({4}, 2), v = values({4}, 3);
  const auto f = [&](const Tensor& t) { return sum(t * matmul(a, t)) * 0.5; };
  const Tensor h = (a + transpose(a, 0, 1)) * 0.5;
  CHECK(apart(hessian(f, x), h) < bound);
  CHECK(apart(hvp(f, x, v).product, matmul(h, v)) < bound);
  CHECK(apart(jacobian(f, x), matmul(h, x)) < bound);
  CHECK(std::fabs(jvp(f, x, v).product.item() - sum(v * matmul(h, x)).item()) < bound);
  CHECK(jvp(f, x, v).value.item() == f(x).item());
}

TEST_CASE("softmax: diag(p) - p p^T, from rows, from J v and from v^T J") {
  const Tensor x = values({5}), v = values({5}, 2);
  const auto f = [](const Tensor& t) { return softmax(t); };
  const Tensor p = f(x), j = jacobian(f, x);
  for (int64_t r = 0; r < 5; ++r)
    for (int64_t c = 0; c < 5; ++c) {
      const double pr = p.slice(0, r, r + 1).item(), pc = p.slice(0, c, c + 1).item();
      CHECK(std::fabs(at(j, r, c) - ((r == c ? pr : 0) - pr * pc)) < bound);
    }
  CHECK(apart(jvp(f, x, v).product, matmul(j, v)) < bound);
  CHECK(apart(vjp(f, x, v).product, matmul(v, j)) < bound);
}

TEST_CASE("logistic regression: X^T diag(p (1 - p)) X") {
  const Tensor data = values({6, 3}), labels = Tensor(Array::of<double>({6}, {0, 1, 1, 0, 1, 0})), w = values({3}, 4);
  const auto loss = [&](const Tensor& t) {
    const Tensor z = matmul(data, t);
    return sum(softplus(z) - labels * z);
  };
  const Tensor p = sigmoid(matmul(data, w));
  const Tensor h = matmul(transpose(data, 0, 1), unsqueeze(p * (1.0 - p), 1) * data);
  CHECK(apart(hessian(loss, w), h) < bound);
  const Tensor v = values({3}, 5);
  CHECK(apart(hvp(loss, w, v).product, matmul(h, v)) < bound);
}

TEST_CASE("several inputs and outputs: the blocks agree with the products") {
  const Tensor x = values({2, 3}), y = values({3}, 2), vx = values({2, 3}, 3), vy = values({3}, 4);
  const auto f = [](const std::vector<Tensor>& in) {
    return std::vector<Tensor>{tanh(in[0] * in[1]), sum(in[0] * in[0]), exp(in[1])};
  };
  const auto j = jacobian(f, {x, y});
  REQUIRE(j.size() == 3);
  CHECK(j[0][0].shape() == Shape{2, 3, 2, 3});
  CHECK(j[0][1].shape() == Shape{2, 3, 3});
  CHECK(j[1][0].shape() == Shape{2, 3});
  CHECK(max(abs(j[2][0])).item() == 0);  // exp(y) does not use x
  const auto forward = jvp(f, {x, y}, {vx, vy}).products;
  const Tensor expected = matmul(reshape(j[0][0], {6, 6}), flatten(vx)) + matmul(reshape(j[0][1], {6, 3}), vy);
  CHECK(apart(flatten(forward[0]), expected) < bound);
  CHECK(apart(forward[2], matmul(j[2][1], vy)) < bound);

  const auto number = [](const std::vector<Tensor>& in) { return sum(tanh(in[0] * in[1])); };
  const auto h = hessian(number, {x, y});
  CHECK(apart(reshape(h[0][1], {6, 3}), transpose(reshape(h[1][0], {3, 6}), 0, 1)) < bound);
  const auto hv = hvp(number, {x, y}, {vx, vy}).products;
  CHECK(apart(flatten(hv[0]), matmul(reshape(h[0][0], {6, 6}), flatten(vx)) + matmul(reshape(h[0][1], {6, 3}), vy)) < bound);
}

TEST_CASE("zeros for what is not used, linear or constant") {
  const Tensor x = values({3}), y = values({2}, 2);
  const auto first = [](const std::vector<Tensor>& in) { return in[0] * 2.0; };
  CHECK(max(abs(jvp(first, {x, y}, {zeros({3}, f64), y}).products[0])).item() == 0);
  CHECK(max(abs(hessian([](const Tensor& t) { return sum(t * 3.0); }, x))).item() == 0);
  CHECK(max(abs(jacobian([&](const Tensor&) { return y; }, x))).item() == 0);
  CHECK(apart(jacobian([](const Tensor& t) { return t; }, x), jacobian([](const Tensor& t) { return t * 1.0; }, x)) == 0);
}

TEST_CASE("create_graph: the third derivative of x^4, and nothing is left on leaves") {
  const Tensor x = leaf(Array::of<double>({2}, {1.5, -2}));
  const auto quartic = [](const Tensor& t) { return sum(square(square(t))); };
  const Tensor h = hessian(quartic, x, {.create_graph = true});
  CHECK_FALSE(x.grad().defined());
  sum(h).backward();
  CHECK(apart(x.grad(), Tensor(Array::of<double>({2}, {36, -48}))) < bound);
  CHECK_FALSE(hessian(quartic, x).requires_grad());
  const NoGrad guard;
  CHECK(apart(hessian(quartic, x), h.detach()) == 0);
}

TEST_CASE("per-sample gradients: each is that of its sample, their mean that of the batch") {
  const Tensor w = leaf(sample_values({3, 4})), unused = leaf(sample_values({2}));
  const Tensor x = values({5, 4}, 2), labels = Tensor(Array::of<int64_t>({5}, {0, 2, 1, 1, 0}));
  const auto loss = [&](const std::vector<Tensor>& b) { return cross_entropy(linear(b[0], w), b[1]); };
  const auto each = per_sample_grads(loss, {w, unused}, {x, labels});
  REQUIRE(each[0].shape() == Shape{5, 3, 4});
  CHECK(apart(mean(each[0], {0}), grad({loss({x, labels})}, {w})[0]) < bound);
  const Tensor third = grad({loss({x.slice(0, 3, 4), labels.slice(0, 3, 4)})}, {w})[0];
  CHECK(apart(each[0].slice(0, 3, 4).squeeze(0), third) == 0);
  CHECK(max(abs(each[1])).item() == 0);
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("refusals of derivatives as functions") {
  const Tensor x = values({3}), y = values({2});
  const auto twice = [](const Tensor& t) { return t * 2.0; };
  CHECK(says(thrown<ShapeError>([&] { vjp(twice, x, y); }), {"vjp: ", "f64[2]", "f64[3]"}));
  CHECK(says(thrown<ShapeError>([&] { jvp(twice, x, y); }), {"jvp: ", "f64[2]", "f64[3]"}));
  CHECK(says(thrown<ShapeError>([&] { hvp(twice, x, x); }), {"hvp: ", "one number", "f64[3]"}));
  CHECK(says(thrown<ShapeError>([&] { hessian(twice, x); }), {"hessian: ", "one number", "f64[3]"}));
  CHECK(says(thrown<DtypeError>([&] { jvp(twice, x, x.to(f32)); }), {"jvp: ", "f32[3]", "v.to(f64)"}));
  CHECK(says(thrown<DtypeError>([&] { jacobian(twice, arange(3)); }), {"jacobian: ", "i64[3]", "capture"}));
  CHECK(says(thrown<ShapeError>([&] { jacobian(twice, values({1, 1, 2, 1})); }), {"jacobian: ", "8 in all", "at most 6"}));
  CHECK(says(
      thrown<GraphError>([&] { jacobian([](const std::vector<Tensor>&) { return Tensor(1.0); }, std::vector<Tensor>{}); }),
      {"no inputs"}));
  const Tensor w = leaf(sample_values({3}));
  const auto many = [&](const std::vector<Tensor>& b) { return b[0] * w; };
  CHECK(says(thrown<ShapeError>([&] {
               per_sample_grads(many, {w}, {values({2, 3})});
             }),
             {"per_sample_grads: ", "one number"}));
  CHECK(says(thrown<GraphError>([&] { per_sample_grads(many, {x}, {values({2, 3})}); }), {"not a leaf"}));
  CHECK(says(thrown<ShapeError>([&] { per_sample_grads(many, {w}, {x, y}); }), {"f64[3]", "f64[2]", "axis 0"}));
}
