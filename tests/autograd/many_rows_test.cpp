// A traversal with tens of thousands of gradients under way, as the rows of a tensor used in turn make them: no place is
// looked for among all of them, no row's gradient is a tensor of all rows.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <string>

using namespace gradus;

namespace {

constexpr int64_t rows = 65536;

Tensor chain(const std::vector<Tensor>& parts) {
  Tensor total = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) total = total + parts[i];
  return sum(total);
}
std::vector<Tensor> selected(const Tensor& x) {
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < x.dim(0); ++i) parts.push_back(select(x, 0, i));
  return parts;
}
std::vector<Tensor> cut_by_slice(const Tensor& x) {
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < x.dim(0); ++i) parts.push_back(slice(x, 0, i, i + 1));
  return parts;
}

bool all_are(const Array& a, double value) {
  for (int64_t i = 0; i < a.size(); ++i)
    if (a.element(i) != value) return false;
  return a.size() > 0;
}

/// 0 .. n-1 in a fixed disorder.
std::vector<std::size_t> shuffled(std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::uint64_t state = 12345;
  for (std::size_t i = n; i > 1; --i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::swap(order[i - 1], order[(state >> 33) % i]);
  }
  return order;
}

}  // namespace

TEST_CASE("the gradient of 65,536 rows, each used by itself, takes no time that grows with their square") {
  struct Use {
    std::string name;
    std::function<Tensor(const Tensor&)> of;
  };
  const Use uses[] = {{"unbind", [](const Tensor& x) { return chain(unbind(x, 0)); }},
                      {"split", [](const Tensor& x) { return chain(split(x, 1, 0)); }},
                      {"chunk", [](const Tensor& x) { return chain(chunk(x, rows, 0)); }},
                      {"unbind and stack", [](const Tensor& x) { return sum(stack(unbind(x, 0), 0)); }},
                      {"select", [](const Tensor& x) { return chain(selected(x)); }},
                      {"slice", [](const Tensor& x) { return chain(cut_by_slice(x)); }},
                      {"select of a result", [](const Tensor& x) { return chain(selected(x * 1.0)); }},
                      {"unbind, in disorder", [](const Tensor& x) {
                         const auto parts = unbind(x, 0);
                         std::vector<Tensor> mixed;
                         for (const std::size_t i : shuffled(parts.size())) mixed.push_back(parts[i]);
                         return chain(mixed);
                       }}};
  for (const Use& use : uses) {
    CAPTURE(use.name);
    const Tensor x = leaf(Array::ones({rows, 4}));
    const Tensor y = use.of(x);
    const auto begin = std::chrono::steady_clock::now();
    y.backward();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(seconds < 4);  // 0.1 is usual; by the square of the number it was 10 to 30
    CHECK(all_are(x.grad().array(), 1));
  }
}

TEST_CASE("many lines wait in any order, get several gradients each, and every one arrives") {
  constexpr std::size_t n = 3000;
  const Tensor x = leaf(Array::ones({n, 2}, f64));
  std::vector<Tensor> parts;
  for (const Tensor& row : unbind(x, 0)) parts.push_back(row * 1.0);
  Tensor total = zeros({2}, f64);
  std::vector<double> expected(n, 0.0);
  for (int round = 1; round <= 3; ++round)
    for (const std::size_t i : shuffled(n))
      if ((i + static_cast<std::size_t>(round)) % 4 != 0) {
        total = total + parts[i] * (round + 10.0 * static_cast<double>(i));
        expected[i] += round + 10.0 * static_cast<double>(i);
      }
  const Tensor y = sum(total);
  const auto found = grad({y}, {x, parts[7], parts[2999]}, {.retain_graph = true});
  bool right = true;
  for (std::size_t i = 0; i < n; ++i) right = right && found[0].array().element(static_cast<int64_t>(2 * i)) == expected[i];
  CHECK(right);
  CHECK(found[1].array().element(0) == expected[7]);
  CHECK(found[2].array().element(1) == expected[2999]);
  y.backward();
  bool same = true;
  for (int64_t i = 0; i < x.size(); ++i) same = same && x.grad().array().element(i) == found[0].array().element(i);
  CHECK(same);
}

TEST_CASE("a row's gradient is added where it belongs, and not into what somebody has kept") {
  const Tensor x = leaf(Array::ones({3, 2}, f64));
  (sum(select(x, 0, 1)) + sum(select(x, 0, 1) * 2.0)).backward();
  const Tensor kept = x.grad();
  CHECK(kept.array().element(2) == 3);
  sum(select(x, 0, 1) * 5.0).backward();
  CHECK(kept.array().element(2) == 3);
  CHECK(x.grad().array().element(2) == 8);
  sum(slice(x, 0, 2, 2)).backward();  // nothing
  sum(slice(x, 1, 0, 2, 2) * 10.0).backward();
  CHECK(x.grad().array().element(0) == 10);
  CHECK(x.grad().array().element(1) == 0);
  CHECK(x.grad().array().element(2) == 18);
  CHECK(x.grad().array().element(3) == 8);

  // The sum is first the other branch's own gradient, which that branch sees, too.
  const Tensor w = leaf(Array::ones({3}, f64)), z = w * 1.0;
  const Tensor seed = Tensor(Array::of<double>({3}, {1, 2, 3}));
  (sum(slice(z, 0, 0, 1) * 7.0) + sum(seed * z) + sum(slice(z, 0, 2, 3))).backward();
  CHECK(w.grad().array().element(0) == 8);
  CHECK(w.grad().array().element(1) == 2);
  CHECK(w.grad().array().element(2) == 4);

  // The sum is first one row for all, expanded.
  for (const bool slice_is_older : {false, true}) {
    const Tensor v = leaf(Array::ones({2, 3}, f64)), u = v * 1.0;
    const auto means = [&] { return sum(mean(u, {0}) * 2.0); };
    const auto row = [&] { return sum(slice(u, 0, 0, 1) * 7.0); };
    const Tensor first = slice_is_older ? row() : means(), second = slice_is_older ? means() : row();
    (first + second).backward();
    CHECK(v.grad().array().element(0) == 8);
    CHECK(v.grad().array().element(3) == 1);
  }
}

TEST_CASE("rows of rows: differentiated twice") {
  const Tensor x = leaf(Array::of<double>({3}, {2, 3, 5}));
  const Tensor y = select(x, 0, 0) * select(x, 0, 1) * select(x, 0, 2) + select(x, 0, 1) * select(x, 0, 1);
  const Tensor g = grad({y}, {x}, {.create_graph = true})[0];  // x1 x2, x0 x2 + 2 x1, x0 x1
  CHECK(g.array().element(0) == 15);
  CHECK(g.array().element(1) == 16);
  CHECK(g.array().element(2) == 6);
  const Tensor h = grad({sum(g)}, {x})[0];  // x1 + x2, x0 + x2 + 2, x0 + x1
  CHECK(h.array().element(0) == 8);
  CHECK(h.array().element(1) == 9);
  CHECK(h.array().element(2) == 5);
}
