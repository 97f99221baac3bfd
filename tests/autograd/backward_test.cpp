// The engine: what a backward reaches, what it leaves, and what it refuses.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <exception>
#include <thread>

using namespace gradus;

namespace {

using V = std::vector<double>;

V values(const Array& a) {
  V v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}
V values(const Tensor& t) { return values(t.array()); }
Tensor parameter(const V& v, std::string name = {}) {
  return leaf(Array::of<double>({static_cast<int64_t>(v.size())}, v), std::move(name));
}

template <class F> std::string thrown(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("a gradient reaches every leaf, through a diamond, and through one tensor used many times") {
  Tensor x = parameter({2, 3});
  const Tensor a = x * x, b = x + a, c = a * b;  // c = x^2 (x + x^2)
  sum(c).backward();
  CHECK(values(x.grad()) == V{3 * 4 + 4 * 8, 3 * 9 + 4 * 27});
  Tensor y = parameter({1.5});
  Tensor total = y;
  for (int i = 0; i < 99; ++i) total += y;
  sum(total).backward();
  CHECK(values(y.grad()) == V{100});
  Tensor z = parameter({5});
  (z * z * z).reshape({}).backward();
  CHECK(values(z.grad()) == V{75});
}

TEST_CASE("gradients accumulate in leaves until they are made absent") {
  Tensor x = parameter({1, 2});
  CHECK_FALSE(x.grad().defined());
  sum(x * 3.0).backward();
  const Tensor first = x.grad();
  sum(x * 4.0).backward();
  CHECK(values(x.grad()) == V{7, 7});
  CHECK(values(first) == V{3, 3});  // what somebody holds is not written to
  x.set_grad({});
  CHECK_FALSE(x.grad().defined());
  sum(x * 5.0).backward();
  CHECK(values(x.grad()) == V{5, 5});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a leaf's gradient is its own: neither the seed nor a view of it") {
  Tensor x = parameter({1, 2, 3});
  Tensor seed(Array::of<double>({3, 1}, {4, 5, 6}));
  const Tensor y = x.reshape({3, 1});
  y.backward(seed, true);
  seed.writable().write<double>("test")[0] = 99;
  CHECK(values(x.grad()) == V{4, 5, 6});
  y.backward(Tensor(Array::ones({3, 1}, f64)));
  CHECK(values(x.grad()) == V{5, 6, 7});
  CHECK(values(seed) == V{99, 5, 6});
}

TEST_CASE("pieces of one gradient are added up where they belong") {
  Tensor a = parameter({1, 2, 3}), b = parameter({4, 5, 6, 7, 8});
  const Tensor w(Array::of<double>({8}, {1, 2, 3, 4, 5, 6, 7, 8}));
  (sum(cat({a, b}) * w) + sum(cat({a, b}) * w) + sum(cat({b, a}) * w)).backward();
  CHECK(values(a.grad()) == V{2 + 6, 4 + 7, 6 + 8});
  CHECK(values(b.grad()) == V{8 + 1, 10 + 2, 12 + 3, 14 + 4, 16 + 5});
}

TEST_CASE("a root that is a leaf, and a gradient through a view") {
  Tensor x = leaf(Array::full({}, 3, f64));
  x.backward();
  CHECK(x.grad().item() == 1);
  Tensor m = leaf(Array::ones({3, 4}, f64));
  sum(select(m, 0, 1) * 2.0).backward();
  CHECK(values(m.grad()) == V{0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0});
}

TEST_CASE("several results: pieces nobody used count as zero") {
  Tensor x = parameter({1, 2, 3, 4, 5});
  const auto pieces = split(x, 2);
  REQUIRE(pieces.size() == 3);
  (sum(pieces[0] * 2.0) + sum(pieces[2] * 7.0)).backward();
  CHECK(values(x.grad()) == V{2, 2, 0, 0, 7});
  x.zero_grad();
  const auto again = split(x, 2);
  sum(again[1]).backward();
  CHECK(values(x.grad()) == V{0, 0, 1, 1, 0});
}

TEST_CASE("a node with many inputs") {
  std::vector<Tensor> parts;
  for (int i = 0; i < 300; ++i) parts.push_back(parameter({double(i), 1}));
  const Tensor y = cat(parts);
  REQUIRE(y.size() == 600);
  sum(y * y).backward();
  for (int i = 0; i < 300; ++i) CHECK(values(parts[static_cast<std::size_t>(i)].grad()) == V{2.0 * i, 2});
}

TEST_CASE("retain_graph: the second traversal adds the same again; without it it is refused and changes nothing") {
  Tensor x = parameter({2});
  const Tensor y = (x * x).sum();
  y.backward(true);
  y.backward();
  CHECK(values(x.grad()) == V{8});
  const std::string message = thrown([&] { y.backward(); });
  CHECK(message ==
        "backward: the graph behind sum was already traversed and what it saved is released\n"
        "  try: retain_graph for the first backward; detach() a state carried from step to step");
  CHECK_THROWS_AS(y.backward(), GraphError);
  CHECK_THROWS_AS(grad({y}, {x}), GraphError);
  CHECK(values(x.grad()) == V{8});
}

TEST_CASE("two losses over one trunk need retain_graph for the first only") {
  Tensor x = parameter({3});
  const Tensor trunk = x * x, a = sum(trunk * 2.0), b = sum(trunk * 5.0);
  a.backward(true);
  b.backward();
  CHECK(values(x.grad()) == V{42});
  const Tensor trunk2 = x * x, c = sum(trunk2 * 2.0), d = sum(trunk2 * 5.0);
  c.backward();
  CHECK_THROWS_AS(d.backward(), GraphError);
}

TEST_CASE("grad() returns gradients and leaves the leaves alone") {
  Tensor x = parameter({1, 2}), y = parameter({3, 4});
  const Tensor h = x * y, loss = sum(h * h);
  const auto g = grad({loss}, {x, h, y}, {.retain_graph = true});
  CHECK(values(g[0]) == V{2 * 1 * 9, 2 * 2 * 16});
  CHECK(values(g[1]) == V{2 * 3, 2 * 8});
  CHECK(values(g[2]) == V{2 * 3 * 1, 2 * 4 * 4});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(g[0].requires_grad());
  const auto twice = grad({loss, sum(x)}, {x}, {.retain_graph = true});
  CHECK(values(twice[0]) == V{19, 65});
  const auto seeded = grad({h}, {x}, {}, {Tensor(Array::of<double>({2}, {10, 100}))});
  CHECK(values(seeded[0]) == V{30, 400});
  CHECK(grad({sum(x)}, {}).empty());
  CHECK(values(grad({sum(x * 2.0)}, {x, x})[1]) == V{2, 2});
}

TEST_CASE("an input the outputs do not use is an error, or an absent gradient if that is allowed") {
  Tensor x = parameter({1}), unused = parameter({1, 2}, "extra");
  CHECK(thrown([&] {
          grad({sum(x * 2.0)}, {x, unused});
        }) == "grad: input 1, f64[2] (\"extra\"), is not used by the outputs\n  try: allow_unused = true");
  const auto g = grad({sum(x * 2.0)}, {x, unused}, {.allow_unused = true});
  CHECK(values(g[0]) == V{2});
  CHECK_FALSE(g[1].defined());
  CHECK_THROWS_AS(grad({sum(x)}, {Tensor(Array::ones({2}, f64))}), GraphError);
  CHECK_THROWS_AS(grad({sum(x)}, {Tensor()}), GraphError);
  CHECK_THROWS_AS(grad({sum(x)}, {x}, {}, {Tensor(), Tensor()}), GraphError);
}

TEST_CASE("create_graph: derivatives of every order") {
  Tensor x = parameter({2});
  Tensor y = pow(x, 5).sum();
  double expected = 32, factor = 5;
  for (int order = 1; order <= 6; ++order) {
    y = grad({y}, {x}, {.create_graph = true})[0].sum();
    expected = factor > 0 ? expected * factor / 2 : 0;
    factor -= 1;
    CHECK(y.item() == doctest::Approx(expected));
  }
  const Tensor t = tanh(x).sum();
  const Tensor g = grad({t}, {x}, {.create_graph = true})[0];
  CHECK(g.requires_grad());
  sum(g).backward();  // and backward goes through a gradient too
  const double th = std::tanh(2.0);
  CHECK(x.grad().item() == doctest::Approx(-2 * th * (1 - th * th)));
}

TEST_CASE("a gradient penalty: the norm of a gradient has a gradient") {
  Tensor w = leaf(sample_values({3, 4})), x = leaf(sample_values({5, 4}, -1, 1, 2));
  const auto penalty = [&] {
    const Tensor y = tanh(linear(x, w));
    return square(norm(grad({sum(y)}, {x}, {.create_graph = true})[0]) - 1.0);
  };
  const auto r = gradcheck(penalty, {w, x});
  INFO(r.message);
  CHECK(r.passed);
}

TEST_CASE("NoGrad, detach and constants record nothing") {
  Tensor x = parameter({1, 2});
  {
    NoGrad guard;
    CHECK_FALSE((x * 2.0).requires_grad());
    { NoGrad inner; }
    CHECK_FALSE((x * 2.0).requires_grad());
    CHECK(x.requires_grad());
  }
  CHECK((x * 2.0).requires_grad());
  CHECK_FALSE((x.detach() * 2.0).requires_grad());
  CHECK(x.detach().array().shares_storage(x.array()));
  sum(x.detach() * x).backward();
  CHECK(values(x.grad()) == V{1, 2});
  Tensor c = Tensor(Array::ones({2}, f64));
  CHECK_FALSE((c + c).requires_grad());
  x.requires_grad_(false);
  CHECK_FALSE((x * 2.0).requires_grad());
}

TEST_CASE("NoGrad ends when an exception leaves it, and backward under it works") {
  Tensor x = parameter({1});
  const Tensor y = sum(x * 3.0);
  try {
    NoGrad guard;
    throw 1;
  } catch (int) {
  }
  CHECK((x * 2.0).requires_grad());
  NoGrad guard;
  y.backward();
  CHECK(values(x.grad()) == V{3});
}

TEST_CASE("an array overwritten since it was saved is noticed; the message names op and writer") {
  Tensor x = parameter({1, 2}), w = parameter({3, 4}, "w");
  const Tensor y = sum(x * w);
  w.writable().write<double>("sgd.step")[0] = 7;
  CHECK(thrown([&] { y.backward(); }) ==
        "backward of mul: it needs f64[2] as it was in the forward pass, but sgd.step has overwritten it since\n"
        "  try: write after backward, or into a copy");
  Tensor out = exp(x);
  const Tensor z = sum(out);
  out.writable().assign(Array::zeros({2}, f64), "fill");
  CHECK_THROWS_AS(z.backward(), GraphError);
  Tensor a = leaf(sample_values({2, 3})), b = leaf(sample_values({3, 2}));
  const Tensor m = sum(matmul(a, b));
  b.writable().write<double>("adam")[0] = 0;
  CHECK(thrown([&] {
          m.backward();
        }).find("backward of matmul: it needs f64[3,2] as it was in the forward pass, but adam") == 0);
}

TEST_CASE("writing what nobody saved disturbs nothing") {
  Tensor x = parameter({1, 2}), w = parameter({3, 4});
  const Tensor y = sum(x + w);  // a sum saves neither
  w.writable().write<double>("test")[0] = 7;
  y.backward();
  CHECK(values(w.grad()) == V{1, 1});
  const Tensor z = sum(x * w);
  z.backward();
  w.writable().write<double>("test")[0] = 8;  // after backward, as an optimizer does
  sum(x * w).backward();
}

TEST_CASE("a tape belongs to the thread that recorded it") {
  Tensor x = parameter({1, 2}, "x");
  const Tensor y = sum(x * 2.0);
  std::string message;
  std::thread([&] { message = thrown([&] { y.backward(); }); }).join();
  CHECK(message ==
        "backward: this tensor was recorded by another thread; a tape belongs to one thread\n"
        "  try: detach() it, or build and train the model on the same thread");
  std::thread([&] { message = thrown([&] { x * 3.0; }); }).join();
  CHECK(message.find("mul_number: this tensor was recorded by another thread") == 0);
  const auto held = x.node()->references();
  const auto live = pool::usage().live_blocks;
  std::thread([&] {
    Tensor own = leaf(Array::ones({2}, f64));
    message = thrown([&] { own* x; }) + thrown([&] { cat({own, own, x, own}); }) + std::to_string(own.node()->references());
  }).join();
  CHECK(message.find("mul: this tensor") == 0);
  CHECK(message.back() == '1');  // the refused lines have let go of what they held
  CHECK(x.node()->references() == held);
  CHECK(pool::usage().live_blocks == live);
  double there = 0;
  std::thread([&] {
    Tensor own = leaf(Array::full({}, 4, f64));
    (own * own).backward();
    there = own.grad().item();
  }).join();
  CHECK(there == 8);
  y.backward();
  CHECK(values(x.grad()) == V{2, 2});
}

TEST_CASE("backward starts from one number") {
  Tensor x = parameter({1, 2}, "x");
  CHECK(thrown([&] { (x * 2.0).backward(); }) ==
        "backward: starts from one number, but this tensor is f64[2]\n  try: mean(loss), or give a seed of shape [2]");
  CHECK(thrown([&] {
          Tensor(Array::ones({})).backward();
        }).find("backward: f32[] has no history: no input required a gradient, or NoGrad was active") == 0);
  CHECK_THROWS_AS(Tensor().backward(), GraphError);
  CHECK_THROWS_AS((x * 2.0).backward(Tensor(Array::ones({3}, f64))), ShapeError);
  CHECK_THROWS_AS((x * 2.0).backward(Tensor(Array::ones({2}, f32))), Error);
  x.reshape({2, 1}).slice(0, 0, 1).backward();  // one number of any shape
  CHECK(values(x.grad()) == V{1, 0});
}

TEST_CASE("gradients of non-leaves are not kept; foreign gradients are refused") {
  Tensor x = parameter({1, 2});
  const Tensor y = x * 2.0;
  CHECK(thrown([&] { y.grad(); }) ==
        "grad: no gradient is kept for the result of mul_number, only for leaves\n  try: x.retain_grad() before it is used, "
        "or grad({loss}, {x})");
  CHECK(thrown([&] { Tensor(Array::ones({2})).grad(); }) ==
        "grad: this tensor does not require a gradient\n  try: x.requires_grad_()");
  CHECK_THROWS_AS(x.set_grad(Array::ones({3}, f64)), ShapeError);
  CHECK_THROWS_AS(x.set_grad(Array::ones({2}, f32)), Error);
  CHECK_THROWS_AS(y.set_grad(Array::ones({2}, f64)), GraphError);
  CHECK_THROWS_AS(Tensor(Array::arange(3)).requires_grad_(), DtypeError);
}

TEST_CASE("copies of a tensor are the same leaf") {
  Tensor x = parameter({1});
  const Tensor same = x;
  sum(same * 3.0).backward();
  CHECK(values(x.grad()) == V{3});
  x.set_grad(Array::full({1}, 9, f64));
  CHECK(values(same.grad()) == V{9});
}
