// One model called by many threads at once, beside one that trains. A minute of each: threads_nightly.cpp.
#include <gradus/core/random.h>
#include <gradus/tests/helpers/serving.h>

#include <doctest/doctest.h>

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class Net> void check(double seconds) {
  manual_seed(3);
  Net net;
  const Served s = serve(net, 8, seconds);
  MESSAGE(net.type_name(), ": ", s.calls, " calls, ", s.trainings, " trainings");
  CHECK(s.calls > 0);
  CHECK(s.wrong == 0);
  CHECK(s.trainings > 0);
  CHECK(s.trained_wrong == 0);
}

}  // namespace

TEST_CASE("8 threads serve a convolutional network, a ninth trains its copy") { check<ConvNet>(1); }
TEST_CASE("8 threads serve an LSTM, a ninth trains its copy") { check<Lstm>(1); }
TEST_CASE("8 threads serve an attention block, a ninth trains its copy") { check<Attention>(1); }

TEST_CASE("two threads sum what one network makes of one input") {
  nn::Sequential net(nn::Linear(16, 16), nn::Tanh(), nn::Linear(16, 4));
  const Tensor x(sample_values({4, 16}, -1, 1, 1).to(f32));
  const double expected = sum(net(x)).item();
  std::atomic<int> wrong = 0;
  const auto f = [&] {
    NoGrad guard;
    for (int i = 0; i < 20'000; ++i) wrong += sum(net(x)).item() != expected;
  };
  std::thread a(f), b(f);
  a.join(), b.join();
  CHECK(wrong == 0);
}

TEST_CASE("a network that nobody has called yet is called, walked and asked for its state by threads at once") {
  for (int round = 0; round < 30; ++round) {
    Attention net;
    const Tensor x(sample_values({2, 1, 12, 12}, -1, 1, 1).to(f32));
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int k = 0; k < 4; ++k)
      threads.emplace_back([&, k] {
        NoGrad guard;
        if (k == 0) wrong += net.named_parameters().size() != 8;
        else if (k == 1) wrong += net.state_dict().size() != 8;
        else wrong += net(x).size() != 8;
      });
    for (auto& t : threads) t.join();
    CHECK(wrong == 0);
  }
}
