// Each thread draws from a default generator of its own.
#include <gradus/core/random.h>
#include <gradus/tests/helpers/serving.h>

#include <doctest/doctest.h>

#include <thread>

using namespace gradus;
using namespace gradus::testing;

namespace {

std::uint64_t draw() { return default_generator().next_stream().bits(0); }

template <class F> auto in_a_thread(F f) {
  decltype(f()) result{};
  std::thread([&] { result = f(); }).join();
  return result;
}

}  // namespace

TEST_CASE("two trainings with Dropout at once have the bits that each has alone") {
  const ConvNet net;
  const std::vector<Tensor> inputs{Tensor(sample_values({3, 1, 12, 12}, -1, 1, 1).to(f32))};
  const std::string alone = trained_bits(net, inputs, 5);
  std::string a, b;
  std::thread first([&] { a = trained_bits(net, inputs, 5); }), second([&] { b = trained_bits(net, inputs, 5); });
  first.join(), second.join();
  CHECK(a == alone);
  CHECK(b == alone);
}

TEST_CASE("what other threads draw does not change what this one gets") {
  manual_seed(11);
  const std::uint64_t first = draw(), second = draw();
  manual_seed(11);
  CHECK(draw() == first);
  in_a_thread([] { return draw(); });
  in_a_thread([] {
    manual_seed(77);
    return draw();
  });
  CHECK(draw() == second);
}

TEST_CASE("manual_seed() in a thread gives it the numbers that the main thread has with this seed") {
  manual_seed(11);
  const std::uint64_t here = draw();
  CHECK(in_a_thread([] {
          manual_seed(11);
          return draw();
        }) == here);
  CHECK(in_a_thread([] {
          manual_seed(12);
          return draw();
        }) != here);
}

TEST_CASE("threads that are not seeded have streams of their own, which the main thread's seed decides") {
  const auto three = [](std::uint64_t seed) {
    manual_seed(seed);
    std::vector<std::uint64_t> drawn{draw()};
    for (int i = 0; i < 3; ++i) drawn.push_back(in_a_thread([] { return draw(); }));
    return drawn;
  };
  const auto once = three(5), again = three(5), other = three(6);
  CHECK(once == again);
  for (std::size_t i = 0; i < once.size(); ++i) {
    CHECK(once[i] != other[i]);
    for (std::size_t k = 0; k < i; ++k) CHECK(once[i] != once[k]);
  }
  manual_seed(0);
}
