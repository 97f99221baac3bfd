// Hooks as methods, and hooks on a whole op or function: what autograd_checkpoint_test.cpp says of Hook holds for them, too.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/hook.h>
#include <gradus/autograd/inspect/draw_tape.h>
#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/inspect/print_tape.h>
#include <gradus/autograd/ops.h>
#include <gradus/tests/helpers/throws.h>

using namespace gradus;

namespace {

using Tensors = std::vector<Tensor>;

bool equal(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && sum(a != b).item() == 0; }

}  // namespace

TEST_CASE("x.retain_grad(): grad() of a tensor that is not a leaf, summed over backward passes as a leaf's") {
  const Tensor x = leaf(real({2, 3}).array(), "x");
  Tensor h = x * 3.0;
  CHECK(
      says(thrown<GraphError>([&] { h.grad(); }), {"no gradient is kept for the result of mul_number", "x.retain_grad()"}));
  CHECK(&h.retain_grad() == &h);
  CHECK(equal(h, x * 3.0));
  CHECK(!h.grad().defined());
  const Tensor copy = h, loss = sum(square(h)) + sum(copy);
  loss.backward(true);
  CHECK(equal(h.grad(), h * 2.0 + 1.0));
  CHECK(equal(copy.grad(), h.grad()));
  CHECK(equal(x.grad(), (h * 2.0 + 1.0) * 3.0));
  loss.backward();
  CHECK(equal(h.grad(), (h * 2.0 + 1.0) * 2.0));  // also after its node has been traversed
  const auto line = h.node();
  h.retain_grad();
  CHECK(h.node() == line);
}

TEST_CASE("retain_grad() of a leaf does nothing, of a constant is refused; grad() leaves it alone; NoGrad does not matter") {
  Tensor x = leaf(real({3}).array());
  x.retain_grad();
  CHECK(x.is_leaf());
  Tensor constant = ones({3});
  CHECK(says(thrown<GraphError>([&] { constant.retain_grad(); }), {"retain_grad", "f32[3]", "no history"}));
  Tensor h = exp(x);
  {
    NoGrad guard;
    h.retain_grad();
  }
  const Tensor loss = sum(h * h);
  CHECK(equal(grad({loss}, {h}, {.retain_graph = true})[0], h * 2.0));
  CHECK(!h.grad().defined());
  loss.backward(true);
  CHECK(equal(h.grad(), h * 2.0));
  const Tensor twice = grad({sum(square(grad({sum(h * h)}, {x}, {.create_graph = true})[0]))}, {x})[0];
  Tensor plain = exp(x);
  CHECK(equal(twice, grad({sum(square(grad({sum(plain * plain)}, {x}, {.create_graph = true})[0]))}, {x})[0]));
  CHECK(says(print_tape(loss), {"retain_grad <- ", "leaf \"retained\""}));
  CHECK(draw_tape(sum(h)).svg().find("retained") != std::string::npos);
  CHECK(find_non_finite([&] { return sum(sqrt((x - x).retain_grad())); })->op == "sqrt");
}

TEST_CASE("x.register_hook(f): uses from here on are behind it, until it is removed") {
  const Tensor x = leaf(real({2, 3}).array());
  Tensor h = x * 2.0;
  const Tensor before = sum(h);
  Tensor seen;
  Hook looks = h.register_hook([&](const Tensor& g) { seen = g; });
  Hook doubles = h.register_hook([](const Tensor& g) { return g * 2.0; });
  (sum(square(h)) + before).backward();
  CHECK(equal(seen, h * 2.0 * 2.0));  // the younger hook comes first in the backward pass
  CHECK(equal(x.grad(), (h * 4.0 + 1.0) * 2.0));
  looks.remove();
  doubles.remove();
  x.zero_grad();
  seen.reset();
  sum(square(x * 2.0)).backward();
  CHECK(!seen.defined());

  Tensor w = leaf(Array::ones({2}), "w"), constant = ones({2});
  CHECK(says(thrown<GraphError>([&] { w.register_hook([](const Tensor&) {}); }), {"\"w\"", "is a leaf", "hook(weight, f)"}));
  CHECK(w.is_leaf());
  CHECK(says(thrown<GraphError>([&] { constant.register_hook([](const Tensor&) {}); }), {"no history"}));
}

TEST_CASE("hook_around sees what goes into and comes out of the backward pass of an op") {
  const Tensor a = leaf(real({2, 3}).array()), b = leaf(real({3, 2}).array());
  Tensors results, inputs;
  const auto product = [](const Tensors& x) { return matmul(x[0], x[1]); };
  const Tensor y = hook_around(product, {a, b}, [&](const Tensors& of_results, const Tensors& for_inputs) {
    results = of_results, inputs = for_inputs;
  });
  sum(square(y)).backward();
  REQUIRE(results.size() == 1);
  REQUIRE(inputs.size() == 2);
  CHECK(equal(results[0], y * 2.0));
  CHECK(equal(inputs[0], a.grad()));
  CHECK(equal(inputs[1], b.grad()));
  const auto plain = grad({sum(square(matmul(a, b)))}, {a, b});
  CHECK(equal(a.grad(), plain[0]));
  CHECK(equal(b.grad(), plain[1]));
}

TEST_CASE("hook_around: constants, integers, unused results, several results, other gradients") {
  const Tensor x = leaf(real({4, 2}).array()), table = leaf(real({3, 2}).array());
  const Tensor rows(Array::of<int64_t>({4}, {0, 2, 1, 0}));
  const auto f = [](const Tensors& in) {
    CHECK(!in[1].requires_grad());
    return Tensors{in[0] * embedding(in[2], in[1]), in[0] + 1.0, zeros({2})};
  };
  int calls = 0;
  const auto look = [&](const Tensors& of_results, const Tensors& for_inputs) {
    ++calls;
    CHECK(of_results.size() == 3);
    CHECK(of_results[0].defined());
    CHECK(!of_results[1].defined());
    CHECK(!for_inputs[1].defined());
    return Tensors{for_inputs[0] * 10.0, {}, for_inputs[2]};
  };
  const Tensors y = hook_around(f, {x, rows, table}, look);
  CHECK(!y[2].requires_grad());
  sum(y[0]).backward();
  CHECK(calls == 1);
  const auto plain = grad({sum(x * embedding(table, rows))}, {x, table});
  CHECK(equal(x.grad(), plain[0] * 10.0));
  CHECK(equal(table.grad(), plain[1]));
  CHECK(hook_around(f, {ones({4, 2}), rows, ones({3, 2})}, look).size() == 3);
  CHECK(calls == 1);
}

TEST_CASE("hook_around refuses gradients that do not fit, and keeps nothing alive when gradients are recorded") {
  const Tensor x = leaf(real({2, 3}).array());
  const auto f = [](const Tensors& in) { return tanh(in[0]); };
  const auto walk_with = [&](auto look) { return thrown<Error>([&] { sum(hook_around(f, {x}, look)).backward(); }); };
  CHECK(says(walk_with([](const Tensors&, const Tensors&) { return Tensors(); }), {"hook_around", "1 inputs, but 0"}));
  CHECK(says(walk_with([](const Tensors&, const Tensors&) { return Tensors{ones({2})}; }), {"hook", "f32[2,3]", "f32[2]"}));
  CHECK(says(walk_with([](const Tensors&, const Tensors& g) { return Tensors{g[0].to(f64)}; }), {"f64[2,3]", "g.to(f32)"}));
  const auto same = [](const Tensors&, const Tensors&) {};
  const Tensor g = grad({sum(square(hook_around(f, {x}, same)))}, {x}, {.create_graph = true})[0];
  const Tensor plain = grad({sum(square(tanh(x)))}, {x}, {.create_graph = true})[0];
  CHECK(equal(g, plain));
  CHECK(equal(grad({sum(g)}, {x})[0], grad({sum(plain)}, {x})[0]));
}
