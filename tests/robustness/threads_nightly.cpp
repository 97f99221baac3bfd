// A minute of serving each of three models with eight threads, beside one that trains.
#include <gradus/core/random.h>
#include <gradus/tests/helpers/serving.h>

#include <doctest/doctest.h>

#include <cstdlib>

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class Net> void check() {
  manual_seed(3);
  Net net;
  const char* given = std::getenv("GRADUS_SERVING_SECONDS");
  const Served s = serve(net, 8, given ? std::atof(given) : 60);
  MESSAGE(net.type_name(), ": ", s.calls, " calls, ", s.trainings, " trainings");
  CHECK(s.wrong == 0);
  CHECK(s.trained_wrong == 0);
}

}  // namespace

TEST_CASE("a minute of 8 threads that serve a convolutional network") { check<ConvNet>(); }
TEST_CASE("a minute of 8 threads that serve an LSTM") { check<Lstm>(); }
TEST_CASE("a minute of 8 threads that serve an attention block") { check<Attention>(); }
