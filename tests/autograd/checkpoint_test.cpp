// checkpoint: the same bits for less memory. Hooks, kept gradients, and the gradient check as an assertion.
#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/check/check_grad.h>
#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/hook.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/random.h>

#include <cstring>

using namespace gradus;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.array().contiguous().bytes(), b.array().contiguous().bytes(),
                                               static_cast<std::size_t>(a.size()) * 4) == 0;
}

double at(const Tensor& t, int64_t i) { return t.slice(0, i, i + 1).item(); }

struct Net {
  std::vector<Tensor> weights;
  Net() {
    for (unsigned k = 0; k < 4; ++k) weights.push_back(leaf(sample_values({32, 32}, -0.3, 0.3, k + 1).to(f32)));
  }
  Tensor block(const Tensor& x, const Tensor& w) const {
    const Tensor h = dropout(tanh(matmul(x, w)), 0.3, default_generator().next_stream().bits(0));
    return h * sigmoid(h) + x;
  }
  Tensor loss(const Tensor& x, bool checkpointed) const {
    Tensor h = x;
    for (const Tensor& w : weights)
      h = checkpointed ? checkpoint([this, w](const std::vector<Tensor>& in) { return block(in[0], w); }, {h}) : block(h, w);
    return mean(square(h));
  }
};

}  // namespace

TEST_CASE("checkpoint: loss and gradients have the same bits, with dropout, for less memory") {
  const Net net;
  struct Run {
    Tensor loss, x;
    std::vector<Tensor> grads;
    std::int64_t live = 0;
    Philox after;
  };
  const auto run = [&](bool checkpointed) {
    Run r;
    manual_seed(7);
    r.x = leaf(sample_values({64, 32}).to(f32));
    const auto before = pool::usage().live_bytes;
    const Tensor loss = net.loss(r.x, checkpointed);
    r.live = pool::usage().live_bytes - before;
    for (const Tensor& w : net.weights) w.zero_grad();
    loss.backward();
    r.loss = loss.detach();
    for (const Tensor& w : net.weights) r.grads.push_back(w.grad());
    r.after = default_generator().state();
    return r;
  };
  const Run plain = run(false), saved = run(true);
  CHECK(same_bits(plain.loss, saved.loss));
  CHECK(same_bits(plain.x.grad(), saved.x.grad()));
  for (std::size_t k = 0; k < plain.grads.size(); ++k) CHECK(same_bits(plain.grads[k], saved.grads[k]));
  CHECK(plain.after.stream == saved.after.stream);  // drawing goes on as if there had been no second call
  CHECK(saved.live * 2 < plain.live);
  MESSAGE("live after the forward pass: " << plain.live << " bytes, with checkpoint " << saved.live);
  for (const Tensor& w : net.weights) w.zero_grad();
}

TEST_CASE(
    "checkpoint: leaves inside, without an input that requires a gradient; grad(); second order; no history in NoGrad") {
  const Tensor w = leaf(sample_values({3})), x(sample_values({3}, -2, 2, 2));
  const auto f = [&](const std::vector<Tensor>& in) { return sum(exp(in[0] * w) * w); };
  const auto before = pool::usage().live_blocks;
  {
    const auto straight = grad({f({x})}, {w}, {.create_graph = true})[0];
    const auto through = grad({checkpoint(f, {x})}, {w}, {.create_graph = true})[0];
    CHECK(max(abs(straight - through)).item() == 0);
    const auto second = grad({sum(straight)}, {w})[0], second_through = grad({sum(through)}, {w})[0];
    CHECK(max(abs(second - second_through)).item() < 1e-13 * max(abs(second)).item());
    const NoGrad guard;
    CHECK_FALSE(checkpoint(f, {x}).requires_grad());
  }
  CHECK(pool::usage().live_blocks == before);
}

TEST_CASE("checkpoint: results that need no gradient, the input itself, a leaf itself") {
  const Tensor w = leaf(sample_values({3})), x = leaf(sample_values({3}, -2, 2, 2));
  const auto f = [&](const std::vector<Tensor>& in) { return std::vector<Tensor>{in[0], w, argmax(in[0], 0), in[0] * w}; };
  const auto y = checkpoint(f, {x});
  CHECK_FALSE(y[2].requires_grad());
  sum(y[0] + y[1] * 2.0 + y[3]).backward();
  CHECK(max(abs(x.grad() - (w.detach() + 1.0))).item() == 0);
  CHECK(max(abs(w.grad() - (x.detach() + 2.0))).item() == 0);
}

TEST_CASE("checkpoint: what changed in between is noticed") {
  const Tensor x = leaf(sample_values({3}));
  Tensor w = leaf(sample_values({3}, -2, 2, 2));
  const auto f = [&](const std::vector<Tensor>& in) { return sum(tanh(in[0]) * w); };
  const Tensor y = checkpoint(f, {x});
  w.writable().assign(Array::zeros({3}, f64), "test");
  CHECK(says(thrown<GraphError>([&] { y.backward(); }), {"checkpoint", "other numbers than in the forward pass"}));
  CHECK_FALSE(x.grad().defined());

  Tensor input = leaf(sample_values({3}));
  const Tensor z = checkpoint(f, {input});
  input.writable().assign(Array::zeros({3}, f64), "test");
  CHECK(says(thrown<GraphError>([&] { z.backward(); }), {"checkpoint", "test has overwritten"}));

  Tensor other = leaf(w.array());  // the same numbers, but not the leaf that the forward pass saw
  Tensor* used = &w;
  const Tensor u = checkpoint([&](const std::vector<Tensor>& in) { return sum(in[0] + *used); }, {x});
  used = &other;
  CHECK(says(thrown<GraphError>([&] { u.backward(); }), {"a leaf that it did not use"}));
  const auto nothing = [](const std::vector<Tensor>&) { return Tensor(); };
  CHECK(says(thrown<GraphError>([&] { checkpoint(nothing, {x}); }), {"result 0", "absent"}));
}

TEST_CASE("checkpoint: the result of an op from outside is refused, wherever it enters") {
  const Tensor w = leaf(Array::ones({3})), h = w * 2.0, x = leaf(Array::ones({3}));
  const auto refused = [&](TensorFunction f, const std::vector<Tensor>& inputs) {
    return says(thrown<GraphError>([&] { (void)checkpoint(f, inputs); }),
                {"checkpoint: the function uses a result of mul", "make it an input"});
  };
  CHECK(refused([h](const std::vector<Tensor>& in) { return std::vector{in[0] * h}; }, {x}));
  CHECK(refused([h](const std::vector<Tensor>&) { return std::vector{exp(h)}; }, {}));
  CHECK(refused([h](const std::vector<Tensor>& in) { return std::vector{in[0], h}; }, {x}));
  CHECK(refused(
      [](const std::vector<Tensor>& in) {  // the outer's own tensor, captured by the inner
        const Tensor mine = in[0] * 3.0;
        return std::vector{checkpoint([mine](const auto& inner) { return inner[0] + mine; }, {in[0]})};
      },
      {x}));
  const auto y = checkpoint([](const auto& in) { return in[0] * in[1]; }, {x, h});  // as the message says
  sum(y).backward();
  CHECK(w.grad().array().element(0) == 2);
  CHECK_NOTHROW((void)checkpoint([h](const auto& in) { return in[0] * h; }, {h}));  // captured, but an input as well
  NoGrad guard;
  CHECK_NOTHROW((void)checkpoint([h](const auto& in) { return in[0] * h; }, {x}));
}

TEST_CASE("hook: sees the whole gradient, changes it, is removed") {
  const Tensor x = leaf(Array::of<double>({2}, {1, 2}));
  Tensor seen;
  int calls = 0;
  Hook look([&](const Tensor& g) { seen = g, ++calls; });
  const Tensor y = look(x * 3.0);
  sum(y * y + y).backward(true);  // two uses: one call, with the sum
  CHECK(calls == 1);
  CHECK(at(seen, 0) == 7);
  CHECK(at(x.grad(), 1) == 39);
  look.remove();
  sum(y).backward();
  CHECK(calls == 1);

  x.zero_grad();
  sum(hook(x, [](const Tensor& g) { return g * 10.0; })).backward();
  CHECK(at(x.grad(), 0) == 10);
  const Tensor constant(sample_values({2}));
  CHECK_FALSE(look(constant).requires_grad());
  const Tensor second = grad({sum(square(hook(x, [](const Tensor& g) { return g * g; })))}, {x}, {.create_graph = true})[0];
  CHECK(at(grad({sum(second)}, {x})[0], 1) == 256);  // (2 x)^2, differentiated: 16, which passes the hook, too
}

TEST_CASE("hook: a result unlike the gradient is refused") {
  const Tensor x = leaf(sample_values({2}));
  CHECK(says(thrown<ShapeError>([&] { sum(hook(x, [](const Tensor& g) { return sum(g); })).backward(); }),
             {"hook: ", "f64[2]", "f64[]"}));
  CHECK(says(thrown<ShapeError>([&] { sum(hook(x, [](const Tensor&) { return Tensor(); })).backward(); }), {"absent"}));
  CHECK(says(thrown<DtypeError>([&] { sum(hook(x, [](const Tensor& g) { return g.to(f32); })).backward(); }),
             {"f32[2]", "g.to(f64)"}));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("RetainGrad: the gradient of a result") {
  const Tensor x = leaf(Array::of<double>({2}, {1, 2}));
  RetainGrad kept;
  const auto before = pool::usage().live_blocks;
  {
    const Tensor h = kept(square(x));
    CHECK_FALSE(kept.grad().defined());
    const Tensor g = grad({sum(h * h)}, {x}, {.create_graph = true})[0];
    CHECK(at(kept.grad(), 1) == 8);
    CHECK_FALSE(kept.grad().requires_grad());
  }
  kept = RetainGrad();
  CHECK(pool::usage().live_blocks == before);  // it held no node of the tape
}

TEST_CASE("GRADUS_CHECK_GRAD: passes for the right gradient, and its report names a wrong one") {
  const Array x = sample_values({2, 3}), y = sample_values({3}, -2, 2, 2);
  GRADUS_CHECK_GRAD([](const Tensor& a, const Tensor& b) { return tanh(a) * b; }, x, y);
  GRADUS_CHECK_GRAD([](const Tensor& a) { return std::vector<Tensor>{exp(a), sum(a)}; }, Tensor(x));
  GRADUS_CHECK_GRADGRAD([](const Tensor& a, const Tensor& b) { return tanh(a) * b; }, x, y);
  const auto wrong = check_grad([](const Tensor& a) { return hook(tanh(a), [](const Tensor& g) { return g * 1.001; }); }, x);
  CHECK_FALSE(wrong.passed);
  CHECK(says(wrong.message, {"gradcheck"}));
}
