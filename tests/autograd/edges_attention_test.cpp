// What masks and infinities leave of softmax, attention, logsumexp and cross_entropy: values, gradients, second order.
#include <gradus/core/random.h>

#include <gradus/tests/helpers/edges.h>

using namespace gradus;
using namespace gradus::edges;

namespace {

struct Qkv {
  Tensor q, k, v;
};
Qkv inputs(int64_t queries, int64_t keys, Dtype dtype) {
  const auto draw = [&](int64_t n, std::uint64_t seed) { return leaf(uniform({n, 3}, -1, 1, Philox{seed, 0}, dtype)); };
  return {draw(queries, 1), draw(keys, 2), draw(keys, 3)};
}
Tensor attend(const Qkv& x, const AttentionOptions& o) { return scaled_dot_product_attention(x.q, x.k, x.v, o); }

/// True if nothing of key `hidden` reaches query `at`: neither value nor gradient nor second order is moved by it.
bool unseen(const Qkv& x, const AttentionOptions& o, int64_t at, int64_t hidden) {
  const Array y = slice(attend(x, o), 0, at, at + 1).array();
  Array k = x.k.array().copy(), v = x.v.array().copy();
  for (Array* a : {&k, &v}) a->select(0, hidden).assign(Array::full({}, 7, a->dtype()), "test");
  const Array moved = slice(attend({x.q, leaf(k), leaf(v)}, o), 0, at, at + 1).array();
  const std::vector<Tensor> g = grad({sum(slice(attend(x, o), 0, at, at + 1))}, {x.q, x.k, x.v}, {.create_graph = true});
  bool none = equal(moved, values(y));
  for (const int which : {1, 2})
    none = none && equal(g[static_cast<std::size_t>(which)].array().select(0, hidden), {0, 0, 0});
  const Tensor total = sum(square(g[0])) + sum(square(g[1])) + sum(square(g[2]));
  for (const Tensor& second : grad({total}, {x.q, x.k, x.v}, {.allow_unused = true}))
    none = none && (!second.defined() || finite(second.array()));
  return none;
}

}  // namespace

TEST_CASE("attention: a query that a float mask or a bool mask lets see nothing gives 0, and gradients of 0") {
  for (const Dtype dtype : {f32, f64}) {
    const Qkv x = inputs(2, 3, dtype);
    const Array added = Array::of<double>({2, 3}, {-inf, -inf, -inf, 0.5, -inf, 0}).to(dtype);
    const Array allowed = Array::of<bool>({2, 3}, {false, false, false, true, false, true});
    for (const bool causal : {false, true})
      for (const bool is_bool : {false, true}) {
        const Tensor mask = is_bool ? Tensor(allowed) : leaf(added);
        const AttentionOptions o{.mask = mask, .causal = causal};
        CHECK(equal(attend(x, o).array().select(0, 0), {0, 0, 0}));
        CHECK(finite(attend(x, o).array()));
        std::vector<Tensor> all{x.q, x.k, x.v};
        if (!is_bool) all.push_back(mask);
        const std::vector<Tensor> g = grad({sum(attend(x, o))}, all);
        for (const Tensor& t : g) CHECK(finite(t.array()));
        CHECK(equal(g[0].array().select(0, 0), {0, 0, 0}));
        if (!is_bool) CHECK(equal(g[3].array().select(0, 0), {0, 0, 0}));
        for (const int64_t hidden : {0, 1, 2}) CHECK(unseen(x, o, 0, hidden));
        CHECK(unseen(x, o, 1, 1));
      }
  }
}

TEST_CASE("attention: causal hides the future whatever a float mask holds") {
  for (const Dtype dtype : {f32, f64})
    for (const double low : {-inf, dtype == f32 ? -3.4028234663852886e38 : -1.7976931348623157e308, -1e31, -1e30, -1e4}) {
      const Array mask = Array::of<double>({1, 3}, {low, 0, 0}).to(dtype);
      const Qkv x = inputs(3, 3, dtype);
      CAPTURE(low);
      const AttentionOptions o{.mask = Tensor(mask), .causal = true};
      CHECK(unseen(x, o, 0, 1));
      CHECK(unseen(x, o, 0, 2));
      CHECK(unseen(x, o, 1, 2));
      CHECK(equal(attend(x, o).array().select(0, 0),
                  low == -inf ? std::vector<double>{0, 0, 0} : values(x.v.array().select(0, 0)), 1e-6));
    }
}

TEST_CASE(
    "attention: what a bool mask or causal hides stays hidden where seen scores are below -1e30, or hidden ones are NaN") {
  for (const Dtype dtype : {f32, f64})
    for (const double score : {-1e31, -1e37, -1e20, 1e31}) {
      const Tensor q = numbers({2, 1}, {1, 1}, dtype), v = numbers({2, 1}, {3, 5}, dtype);
      const Tensor k = numbers({2, 1}, {score, 0}, dtype), spoilt = numbers({2, 1}, {score, not_a_number}, dtype);
      const Array first = Array::of<bool>({2, 2}, {true, false, true, false});
      CAPTURE(score);
      for (const Tensor& key : {k, spoilt}) {
        CHECK(equal(scaled_dot_product_attention(q, key, v, {.mask = Tensor(first)}).array(), {3, 3}));
        CHECK(scaled_dot_product_attention(q, key, v, {.causal = true}).array().element(0) == 3);
      }
    }
}

TEST_CASE("logsumexp: infinite terms, its gradient and the gradient's") {
  struct Case {
    std::vector<double> x;
    double value;
    std::vector<double> gradient;
  };
  const std::vector<Case> cases{{{-inf, -inf}, -inf, {.5, .5}},
                                {{inf, 1}, inf, {1, 0}},
                                {{inf, inf}, inf, {.5, .5}},
                                {{inf, -inf}, inf, {1, 0}},
                                {{-inf, 1}, 1, {0, 1}},
                                {{-inf, 1, 1}, 1 + std::log(2.0), {0, .5, .5}},
                                {{-inf}, -inf, {1}},
                                {{inf, not_a_number}, not_a_number, {not_a_number, not_a_number}},
                                {{700, -700}, 700, {1, 0}},
                                {{1e30, 1e30}, 1e30, {.5, .5}}};
  for (const Dtype dtype : {f32, f64})
    for (const Case& c : cases) {
      const auto n = static_cast<int64_t>(c.x.size());
      CAPTURE(c.value);
      CAPTURE(c.x[0]);
      std::vector<double> columns, twice;
      for (const double v : c.gradient) twice.push_back(2 * v), columns.insert(columns.end(), {v, 2 * v});
      const Tensor row = numbers({n}, c.x, dtype), wide = expand(reshape(row, {n, 1}), {n, 2});
      const auto all = [](const Tensor& x) { return logsumexp(x, 0); };
      CHECK(equal(all(row).array(), {c.value}, 1e-6));
      CHECK(equal(all(wide).array(), {c.value, c.value}, 1e-6));
      CHECK(equal(logsumexp(reshape(row, {1, n, 1}), {0, 1, 2}, true).array(), {c.value}, 1e-6));
      const Orders o = orders_of(all, row), of_columns = orders_of(all, leaf(wide.array()));
      CHECK(equal(o.first, c.gradient, 1e-6));
      CHECK(equal(of_columns.first, columns, 1e-6));
      CHECK(o.second_finite == !std::isnan(c.value));
    }
}

TEST_CASE("softmax and log_softmax of -inf beside numbers; rows without a number are NaN, as in PyTorch") {
  for (const Dtype dtype : {f32, f64})
    for (const int axis : {0, 1}) {
      const Shape shape = axis == 1 ? Shape{1, 3} : Shape{3, 1};
      const Tensor x = numbers(shape, {-inf, 1, 1}, dtype);
      const auto soft = [=](const Tensor& t) { return softmax(t, axis); };
      const auto logarithm = [=](const Tensor& t) { return log_softmax(t, axis); };
      CHECK(equal(soft(x).array(), {0, .5, .5}));
      CHECK(equal(logarithm(x).array(), {-inf, -std::log(2.0), -std::log(2.0)}, 1e-7));
      const Orders a = orders_of(soft, x);
      CHECK(equal(a.first, {0, -.25, .25}, 1e-6));
      CHECK(a.second_finite);
      const Orders b = orders_of([&](const Tensor& t) { return slice(logarithm(t), axis, 1, 3); }, x);
      CHECK(equal(b.first, {0, -.5, .5}, 1e-6));
      CHECK(b.second_finite);
      for (const double all : {inf, -inf, not_a_number}) {
        const Tensor none = numbers(shape, {all, all, all}, dtype);
        CHECK(equal(soft(none).array(), {not_a_number, not_a_number, not_a_number}));
        CHECK(equal(logarithm(none).array(), {not_a_number, not_a_number, not_a_number}));
      }
      CHECK(equal(soft(numbers(shape, {not_a_number, 0, 1}, dtype)).array(), {not_a_number, not_a_number, not_a_number}));
      CHECK(equal(soft(numbers(shape, {0, not_a_number, 1}, dtype)).array(), {not_a_number, not_a_number, not_a_number}));
    }
}

TEST_CASE("cross_entropy and mse_loss at the edges: -inf logits of other classes, of the label, NaN, 1e38") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor label = Tensor(Array::of<int64_t>({1}, {0}));
    const auto loss = [&](const Tensor& x) { return cross_entropy(x, label); };
    const Tensor masked = numbers({1, 3}, {1, -inf, 1}, dtype);
    CHECK(loss(masked).item() == doctest::Approx(std::log(2.0)));
    const Orders o = orders_of(loss, masked);
    CHECK(equal(o.first, {-.5, 0, .5}, 1e-6));
    CHECK(o.second_finite);
    CHECK(loss(numbers({1, 2}, {-inf, 1}, dtype)).item() == inf);
    CHECK(equal(grad({loss(masked)}, {masked})[0].array(), {-.5, 0, .5}, 1e-6));
    CHECK(loss(numbers({1, 2}, {1e38, -1e38}, dtype)).item() == 0);
    CHECK(loss(numbers({1, 2}, {-1e38, 1e38}, dtype)).item() == doctest::Approx(2e38));
    for (const std::vector<double>& x :
         {std::vector<double>{not_a_number, 0, 1}, {0, not_a_number, 1}, {0, 1, not_a_number}, {-inf, -inf, -inf}})
      CHECK(std::isnan(loss(numbers({1, 3}, x, dtype)).item()));
    const Tensor p = numbers({2}, {not_a_number, 1}, dtype), t = numbers({2}, {0, 1}, dtype);
    for (const Reduction r : {Reduction::mean, Reduction::sum}) CHECK(std::isnan(mse_loss(p, t, r).item()));
    CHECK(equal(mse_loss(p, t, Reduction::none).array(), {not_a_number, 0}));
  }
}

TEST_CASE("softmax, log_softmax, cross_entropy and their gradients over very many keep their digits") {
  const int64_t n = int64_t(1) << 26;
  Array one = Array::full({n}, -2.3, f32);
  one.uninitialized<float>()[7] = 0;
  const double term = std::exp(static_cast<double>(-2.3f)), total = 1 + static_cast<double>(n - 1) * term;
  const Tensor label = Tensor(Array::of<int64_t>({1}, {7}));
  for (const int axis : {1, 0}) {
    const Tensor x = leaf(axis == 1 ? one.unsqueeze(0) : one.unsqueeze(1)), y = softmax(x, axis);
    CHECK(y.array().element(n / 2) * total / term == doctest::Approx(1).epsilon(1e-6));
    CHECK(log_softmax(x, axis).array().element(n / 2) == doctest::Approx(std::log(term / total)).epsilon(1e-6));
    const Array of_log = grad({sum(log_softmax(x, axis))}, {x})[0].array();  // 1 - p n
    CHECK(1 - of_log.element(n / 2) == doctest::Approx(term / total * static_cast<double>(n)).epsilon(2e-6));
    const Array g = grad({sum(y * 0.1) + sum(slice(y, axis, 0, n / 2))}, {x})[0].array();  // p (1 - a half of all)
    CHECK(g.element(n / 2 - 1) * total / term == doctest::Approx(0.5).epsilon(1e-5));
    CHECK(logsumexp(x, axis).item() == doctest::Approx(std::log(total)).epsilon(1e-7));
    if (axis == 1) CHECK(cross_entropy(x, label).item() == doctest::Approx(std::log(total)).epsilon(1e-7));
  }
}
