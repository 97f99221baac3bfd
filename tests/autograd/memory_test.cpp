// What a tape holds, when it lets go, and how deep it may be.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

using namespace gradus;

namespace {

/// Runs f on a thread with so small a stack that recursion along a tape could not end well.
void on_small_stack(std::size_t bytes, void (*f)()) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(
              &thread, &attributes,
              [](void* g) -> void* {
                reinterpret_cast<void (*)()>(g)();
                return nullptr;
              },
              reinterpret_cast<void*>(f)) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

constexpr int deep = 1000000;
double found = 0;

Tensor chain(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < deep; ++i) y = y + 1e-6;
  return y;
}

/// x -> x, and in the backward pass notes how much memory is in use.
std::vector<std::int64_t> seen;
struct Probe {
  static constexpr const char* name = "planted probe";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    seen.push_back(pool::usage().live_bytes);
    b.accumulate(0, [&] { return b.grad(); });
  }
  static Samples samples() {
    return {sample("one", {sample_values({2})}, [](auto& x) { return x[0] * 1.0; })};
  }
};
Tensor probe(const Tensor& x) {
  return primitive<Probe>(
      x.array(), [] { return Probe::Saved{}; }, x);
}

}  // namespace

TEST_CASE("a chain of a million lines goes back, and goes away, on a stack of 256 KiB") {
  const auto before = pool::usage();
  on_small_stack(256 << 10, [] {
    Tensor x = leaf(Array::full({}, 2, f64));
    {
      const Tensor y = chain(x);
      y.backward();  // walked, then destroyed
    }
    {
      const Tensor y = chain(x);  // destroyed unwalked
    }
    {
      const Tensor y = chain(x);
      grad({y}, {x}, {.create_graph = true});
    }
    found = x.grad().item();
  });
  CHECK(found == 1);
  CHECK(pool::usage().live_blocks == before.live_blocks);
}

TEST_CASE("a wide graph: a million lines into one") {
  const auto before = pool::usage();
  on_small_stack(256 << 10, [] {
    Tensor x = leaf(Array::full({}, 2, f64));
    Tensor total = x * 0.5;
    for (int i = 0; i < 200000; ++i) total = total + x * 1.0;
    total.backward();
    found = x.grad().item();
  });
  CHECK(found == 200000.5);
  CHECK(pool::usage().live_blocks == before.live_blocks);
}

TEST_CASE("everything dropped is given back, whatever was done with it") {
  const auto step = [](int how) {
    Tensor w = leaf(sample_values({4, 3})), x = leaf(sample_values({5, 3}));
    const auto pieces = split(tanh(linear(x, w)), 2, 1);
    const Tensor loss = mean(square(pieces[0] * exp(pieces[1]))) + logsumexp(flatten(x), 0);
    if (how == 1) loss.backward();
    if (how == 2) loss.backward(true), loss.backward();
    if (how == 3) sum(square(grad({loss}, {w, x}, {.create_graph = true})[0])).backward();
    if (how == 4) CHECK_THROWS_AS(pieces[0].backward(), GraphError);
    if (how == 5) {
      x.writable().write<double>("test")[0] = 1;
      CHECK_THROWS_AS(loss.backward(), GraphError);
    }
    if (how == 6) grad({loss}, {pieces[1]}, {.allow_unused = true});
  };
  step(3);
  for (const int how : {0, 1, 2, 3, 4, 5, 6}) {
    CAPTURE(how);
    const auto before = pool::usage();
    step(how);
    CHECK(pool::usage().live_blocks == before.live_blocks);
    CHECK(pool::usage().live_bytes == before.live_bytes);
  }
}

TEST_CASE("a loop that carries a state does not grow, with or without backward") {
  Tensor w = leaf(Array::full({8}, 0.9, f64));
  Tensor state(Array::ones({8}, f64));
  std::int64_t early = 0;
  for (int i = 0; i < 1000; ++i) {
    state = (state * w).detach();
    if (i % 2 == 0) sum(state * w).backward();
    if (i == 10) early = pool::usage().live_blocks;
  }
  CHECK(pool::usage().live_blocks == early);
}

TEST_CASE("backward frees what lines saved on its way, not at the end") {
  constexpr std::int64_t n = 1 << 16, bytes = n * 8;
  Tensor x = leaf(Array::ones({n}, f64));
  seen.clear();
  Tensor y = probe(x);
  for (int i = 0; i < 16; ++i) y = probe(exp(y * 1e-3));  // each exp keeps its result
  const Tensor loss = sum(y);
  y = Tensor();
  const auto full = pool::usage().live_bytes;
  loss.backward();
  REQUIRE(seen.size() == 17);
  CHECK(seen.front() - seen.back() > 14 * bytes);
  CHECK(full - pool::usage().live_bytes > 13 * bytes);  // though `loss` and its lines are still there
  CHECK(loss.requires_grad());
}

TEST_CASE("retain_graph keeps it all") {
  Tensor x = leaf(Array::ones({1 << 14}, f64));
  const Tensor loss = sum(exp(x));
  loss.backward(true);
  const auto held = pool::usage().live_bytes;
  x.zero_grad();
  loss.backward();
  CHECK(pool::usage().live_bytes < held);
}

TEST_CASE("an op keeps only what its backward pass reads") {
  Tensor x = leaf(Array::ones({1 << 14}, f64));
  const auto before = pool::usage().live_bytes;
  const Tensor y = sum(x * 2.0 + 3.0 - 1.0);  // three products in between, none of them needed
  CHECK(pool::usage().live_bytes - before < (1 << 14) * 8);
}

TEST_CASE("relu writes over what its owner has given up, and over nothing that anybody can still see") {
  const Array numbers = sample_values({70000});
  const Tensor wanted = relu(Tensor(numbers));
  const auto same = [](const Tensor& a, const Array& b) {
    return std::memcmp(a.array().data<double>(), b.data<double>(), 70000 * sizeof(double)) == 0;
  };
  const auto result = [&] { return Tensor(numbers) * 1.0; };

  Tensor x = result();
  const char* place = x.array().bytes();
  const Tensor over = relu(std::move(x));
  CHECK(over.array().bytes() == place);
  CHECK(same(over, wanted.array()));

  Tensor kept = result();
  CHECK(same(relu(Tensor(kept)), wanted.array()));  // a second handle
  CHECK(same(kept, numbers));
  const Tensor part = kept.slice(0, 0, 70000, 2);
  const double first = part.array().element(1);
  CHECK(same(relu(std::move(kept)), wanted.array()));  // a view
  CHECK(part.array().element(1) == first);

  Tensor w = leaf(numbers);
  sum(relu(tanh(w))).backward();  // tanh keeps its result for the backward pass
  Tensor v = leaf(numbers);
  const Tensor t = tanh(v);
  sum(relu(t)).backward();
  CHECK(same(w.grad(), v.grad().array()));
  CHECK(same(w, numbers));

  struct Looks final : OpObserver {
    bool negative = false;
    void after(const char* op, std::span<const Tensor>, std::span<const Tensor* const> in) override {
      if (std::string(op) == "relu") negative = min(in[0]->array()) < 0;
    }
    static double min(const Array& a) { return *std::min_element(a.data<double>(), a.data<double>() + a.size()); }
  } looks;
  relu(result());
  CHECK(looks.negative);
}
