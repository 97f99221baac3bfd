// How much the tape takes: nodes with very many inputs and results, and very long chains of what nodes saved.
#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/hook.h>
#include <gradus/autograd/ops.h>

using namespace gradus;
using Tensors = std::vector<Tensor>;

namespace {

constexpr int64_t many = 70'000;  // more than 16 bits count

Array one_at(const Shape& shape, int64_t from, int64_t to, double value, Dtype dtype) {
  Array a = Array::zeros(shape, dtype);
  a.reshape({-1}).slice(0, from, to).assign(Array::full({}, value, dtype), "test");
  return a;
}
bool equal(const Tensor& a, const Array& b) {
  return a.shape() == b.shape() && max(abs(a - Tensor(b)).flatten(), 0).item() == 0;
}
Tensors pieces_of(int64_t n) {
  Tensors x;
  for (int64_t i = 0; i < n; ++i) x.push_back(leaf(Array::full({1}, static_cast<double>(i % 7), f32)));
  return x;
}

}  // namespace

TEST_CASE("unbind, split and chunk into more pieces than 16 bits count: each piece gets its own gradient") {
  for (const Dtype dtype : {f32, f64})
    for (const int64_t n : {int64_t(65'535), int64_t(65'536), int64_t(65'537), many}) {
      CAPTURE(n);
      const Tensor x = leaf(Array::arange(n, dtype));
      const Tensors rows = unbind(x);
      REQUIRE(static_cast<int64_t>(rows.size()) == n);
      CHECK(rows.back().item() == static_cast<double>(n - 1));
      (rows[0] * 2.0 + square(rows[static_cast<std::size_t>(n - 1)])).backward();
      Array wanted = one_at({n}, 0, 1, 2, dtype);
      wanted.slice(0, n - 1, n).assign(Array::full({1}, 2.0 * static_cast<double>(n - 1), dtype), "test");
      CHECK(equal(x.grad(), wanted));
    }
  const Tensor x = leaf(Array::ones({2 * many})), y = leaf(Array::ones({2, many}));
  sum(split(x, 2)[many - 1]).backward();
  CHECK(equal(x.grad(), one_at({2 * many}, 2 * many - 2, 2 * many, 1, f32)));
  sum(chunk(y, many, 1)[many - 1] * 3.0).backward();
  CHECK(equal(y.grad().slice(0, 1, 2), one_at({1, many}, many - 1, many, 3, f32)));
}

TEST_CASE("the gradient of so many pieces can be differentiated again, and so many tensors joined") {
  const Tensor x = leaf(Array::full({many}, 2.0));
  const Tensors rows = unbind(x);
  const Tensor g = grad({rows[5] * rows[5] * rows[many - 1]}, {x}, {.create_graph = true})[0];
  CHECK(g.slice(0, 5, 6).item() == 8);
  const Tensor second = grad({sum(g)}, {x})[0];  // d/dx5 + d/dxn of x5^2 xn
  CHECK(second.slice(0, 5, 6).item() == 8);
  CHECK(second.slice(0, many - 1, many).item() == 4);

  const Tensors pieces = pieces_of(many);
  sum(cat(pieces) * Tensor(Array::arange(many, f32))).backward();
  CHECK(pieces[many - 1].grad().item() == many - 1);
  const Tensors of_cat = grad({sum(square(cat(pieces)))}, pieces);
  CHECK(of_cat[many - 1].item() == 2.0 * ((many - 1) % 7));
}

TEST_CASE("hooks and checkpoints around so many tensors") {
  const Tensors x = pieces_of(many);
  std::size_t seen = 0;
  const Tensors y = hook_around([](const Tensors& in) { return in; }, x,
                                [&](const Tensors& of_results, const Tensors&) { seen = of_results.size(); });
  (y[many - 1] * 2.0 + y[0]).backward();
  CHECK(seen == many);
  CHECK(x[many - 1].grad().item() == 2);
  CHECK(x[0].grad().item() == 1);

  const Tensors again = pieces_of(many);
  const Tensors z = checkpoint(
      [](const Tensors& in) {
        Tensors out;
        for (const Tensor& t : in) out.push_back(t * 3.0);
        return out;
      },
      again);
  (z[many - 1] + z[1] * 2.0).backward();
  CHECK(again[many - 1].grad().item() == 3);
  CHECK(again[1].grad().item() == 6);
}

TEST_CASE("more than a node can count is refused") {
  OpInfo op{};
  op.name = "split";
  constexpr std::size_t n = std::size_t(1) << 24;
  CHECK(
      says(thrown<GraphError>([&] { (void)new_node(&op, n, 0, 1); }), {"split: at most 16777215 inputs", "16777216 and 1"}));
  CHECK(
      says(thrown<GraphError>([&] { (void)new_node(&op, 1, 0, n); }), {"split: at most 16777215 inputs", "1 and 16777216"}));
}

TEST_CASE("chains of functions that each capture the tensor before are freed without recursion") {
  constexpr int deep = 100'000;
  const auto live = [] { return pool::usage().live_bytes; };
  const int64_t before = live();
  SUBCASE("hooks") {
    Tensor h = leaf(Array::ones({1}));
    for (int i = 0; i < deep; ++i) h = hook(h, [before = h](const Tensor&) {});
  }
  SUBCASE("hooks, and only by their functions") {
    Tensor h = leaf(Array::ones({1})) * 2.0;
    for (int i = 0; i < deep; ++i) h = hook(leaf(Array::ones({1})), [before = h](const Tensor&) {});
  }
  SUBCASE("hooks around functions") {
    Tensor h = leaf(Array::ones({1}));
    for (int i = 0; i < deep / 2; ++i)
      h = hook_around([](const Tensors& x) { return x[0] * 1.0; }, {h}, [before = h](const Tensors&, const Tensors&) {});
  }
  SUBCASE("checkpoints") {
    Tensor h = leaf(Array::ones({1}));
    for (int i = 0; i < deep / 2; ++i) h = checkpoint([before = h](const Tensors& x) { return x[0] * 1.0; }, {h});
  }
  SUBCASE("walked") {
    const Tensor x = leaf(Array::ones({1}));
    Tensor h = leaf(Array::ones({1})) * 2.0;
    for (int i = 0; i < deep; ++i) h = hook(x * 1.0, [before = h](const Tensor&) {});
    h.backward();
    CHECK(x.grad().item() == 1);
  }
  SUBCASE("gradients of leaves with a history") {
    Tensor h = leaf(Array::ones({1})) * 2.0;
    for (int i = 0; i < deep; ++i) {
      const Tensor holder = leaf(Array::ones({1}));
      holder.leaf()->grad = h;
      h = holder * 1.0;
    }
  }
  CHECK(live() == before);
}

TEST_CASE("a destructor of what a node saved may itself record and drop tensors") {
  struct Busy {
    Tensor held;
    int* ran;
    Busy(Tensor t, int* r) : held(std::move(t)), ran(r) {}
    Busy(const Busy&) = default;
    ~Busy() {
      const Tensor x = leaf(Array::ones({2}));
      sum(square(x)).backward();
      *ran += x.grad().array().element(1) == 2;
    }
  };
  int ran = 0;
  {
    Tensor h = leaf(Array::ones({1}));
    for (int i = 0; i < 100; ++i) h = hook(h, [b = std::make_shared<Busy>(h, &ran)](const Tensor&) {});
  }
  CHECK(ran == 100);
}
