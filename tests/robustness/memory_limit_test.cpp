// Out of memory, for real: a typed error that names who asked, and the program goes on.
#include <gradus/core/memory/pool.h>
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/child.h>

#include <doctest/doctest.h>

#include <functional>

using namespace gradus;
using namespace gradus::testing;

namespace {

constexpr std::int64_t mib = 1 << 20;

/// Repeats f until memory is short, three times; prints what it said.
void exhaust(const std::function<void()>& f) {
  for (int round = 0; round < 3; ++round) try {
      for (;;) f();
    } catch (const ResourceError& e) {
      std::printf("refused: %s\n", e.what());
    }
}

/// What the pool of threads and OpenBLAS take for themselves is there before memory is limited.
void start_threads() {
  sum(zeros({1'000'000}));
  matmul(zeros({700, 700}), zeros({700, 700}));
}

struct Net : nn::Module<Net> {
  nn::Linear first{4, 4}, second{4, 4};
  GRADUS_FIELDS(first, second)
  Tensor forward(const Tensor& x) { return second(tanh(first(x))); }
};

}  // namespace

TEST_CASE("child: a tape that grows for ever" * doctest::skip()) {
  start_threads();
  limit_memory(400 * mib);
  for (const int64_t n : {10, 1000, 100'000, 3'000'000}) {
    const Tensor w = leaf(Array::ones({n}));
    Tensor q = w;
    exhaust([&] { q = tanh(q * 1.0001); });
    q = Tensor();
    std::printf("went on: %g\n", sum(w * 2.0).item() / static_cast<double>(n));
  }
  leave_child();
}
TEST_CASE("child: arrays that are kept for ever" * doctest::skip()) {
  limit_memory(400 * mib);
  for (const int64_t n : {1000, 10'000, 100'000, 3'000'000}) {
    std::vector<Array> kept;
    kept.reserve(200'000);
    exhaust([&] { kept.push_back(Array::ones({n})); });
    kept.clear();
    std::printf("went on: %g\n", Array::ones({n}).element(0) * 2);
  }
  leave_child();
}
TEST_CASE("child: dropped and asked for in another size" * doctest::skip()) {
  start_threads();
  limit_memory(800 * mib);
  for (const std::int64_t size : {500, 400, 550, 300, 560, 100}) Array({size * mib}, u8).write<std::uint8_t>("test")[0] = 1;
  {
    std::vector<Array> small(100'000);
    for (auto& a : small) a = Array({200});
  }
  Array({550 * mib}, u8);
  std::printf("went on: %g\n", Array::ones({1}).element(0) * 2);
  leave_child();
}

TEST_CASE("child: dropped between others that stay" * doctest::skip()) {
  start_threads();
  limit_memory(800 * mib);
  Array({22 * mib}, u8);
  pool::trim();  // malloc has seen a block of that size end, and would not map one below it again
  std::vector<Array> kept;
  {
    std::vector<Array> dropped;
    for (int i = 0; i < 20; ++i) dropped.push_back(Array({19 * mib}, u8)), kept.push_back(Array({100'000}, u8));
  }
  Array({550 * mib}, u8);
  std::printf("went on: %g\n", Array::ones({1}).element(0) * 2);
  leave_child();
}

TEST_CASE("what fits no more is refused with a typed error and the program goes on") {
  if (sanitized) return;
  for (const char* which : {"child: a tape that grows for ever", "child: arrays that are kept for ever"}) {
    const std::string said = run_child(which);
    CAPTURE(said);
    CHECK(contains(said, "exit 0"));
    int refusals = 0, went_on = 0;
    for (std::size_t at = 0; (at = said.find("refused: ", at)) != said.npos; ++at) ++refusals;
    for (std::size_t at = 0; (at = said.find("went on: 2\n", at)) != said.npos; ++at) ++went_on;
    CHECK(refusals == 12);
    CHECK(went_on == 4);
  }
}

TEST_CASE("the pool gives back what it keeps before it says that there is no memory") {
  if (sanitized) return;
  for (const char* which : {"child: dropped and asked for in another size", "child: dropped between others that stay"}) {
    const std::string said = run_child(which);
    CAPTURE(said);
    CHECK(contains(said, "went on: 2"));
    CHECK(contains(said, "exit 0"));
  }
}

TEST_CASE("the message names the op, the module's path, the bytes wanted and those in use") {
  Net net;
  const Tensor x(Array::ones({2, 4}));
  net(x);
  const auto at = [&](std::int64_t k, const std::function<void()>& f) {
    pool::fail_at(k);
    const std::string said = message_of<ResourceError>(f);
    pool::fail_at(0);
    return said;
  };
  const std::string linear = at(1, [&] { net(x); });
  CHECK(contains(linear, "linear: the system has no block of "));
  CHECK(contains(linear, " bytes are in use"));
  CHECK(contains(linear, "[in module \"first\"]"));
  CHECK(contains(at(1, [&] { tanh(x); }), "tanh: the system has no block of "));
  CHECK(contains(at(1, [&] { x + x; }), "add: the system has no block of "));
  CHECK(contains(at(1, [&] { matmul(x, transpose(x, 0, 1)); }), "the system has no block of "));
  CHECK(contains(at(1, [&] { conv2d(ones({1, 1, 4, 4}), ones({1, 1, 3, 3})); }), "the system has no block of "));
  const Tensor w = leaf(Array::ones({2, 4})), y = sum(tanh(w * 2.0));
  CHECK(contains(at(3, [&] { y.backward(); }), "backward"));
  CHECK(contains(message_of<ResourceError>([] { Array({std::int64_t(1) << 50}, f64); }), "bytes were asked for"));
}
