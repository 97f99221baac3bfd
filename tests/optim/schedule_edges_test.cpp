// Schedules at their degenerate options: phases of no steps, totals of one, powers and factors of 0.
#include <doctest/doctest.h>
#include <gradus/optim/schedule/schedule.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace gradus::optim;

namespace {

double at(const std::string& spec, std::int64_t k) { return Schedule(spec).at(k); }

}  // namespace

TEST_CASE("one_cycle whose first phase has no length starts at the top") {
  CHECK(at("one_cycle(0.1, total=10, pct_start=0.1)", 0) == 0.1);
  CHECK(at("one_cycle(0.1, total=10, pct_start=0.1)", 9) == doctest::Approx(0.1 / 25 / 1e4));
  CHECK(at("one_cycle(0.1, total=10, pct_start=0.1, anneal=linear)", 0) == 0.1);
  CHECK(at("one_cycle(0.1, total=10, pct_start=0.1, three_phase=true)", 0) == 0.1);
  CHECK(at("one_cycle(0.1, total=4, pct_start=0.25)", 0) == 0.1);
  CHECK(at("one_cycle(0.1, total=1, pct_start=1)", 0) == 0.1);
  CHECK(at("one_cycle(0.1, total=2, pct_start=0.5)", 1) == doctest::Approx(0.1 / 25 / 1e4));
  CHECK(at("one_cycle(0.1, total=5, pct_start=1)", 4) == 0.1);
}

TEST_CASE("wsd whose decay takes no step is at its end by total") {
  CHECK(at("wsd(0.1, total=10, decay=0)", 9) == 0.1);
  CHECK(at("wsd(0.1, total=10, decay=0)", 10) == 0);
  CHECK(at("wsd(0.1, total=10, decay=0, end=0.01, shape=cosine)", 10) == 0.01);
  CHECK(at("wsd(0.1, total=10, decay=0, shape=sqrt)", 11) == 0);
  CHECK(at("wsd(0.1, total=10, decay=0, warmup=3)", 9) == 0.1);
  CHECK(at("wsd(0.1, total=10, decay=0, warmup=3)", 10) == 0);
  CHECK(at("wsd(0.1, total=10, decay=10)", 0) == 0.1);
}

TEST_CASE("plateau knows its first metric whatever the threshold") {
  Schedule s("plateau(1, factor=0.5, patience=0, threshold=1)"), most("plateau(1, factor=0.5, patience=0, mode=max)");
  s.report(3), most.report(3);
  CHECK(s.at(0) == 1);
  CHECK(most.at(0) == 1);
  s.report(std::nan(""));
  CHECK(s.at(0) == 0.5);
}

TEST_CASE("every schedule is finite, and between 0 and its top, at degenerate options") {
  std::vector<std::string> specs;
  for (const std::string total : {"1", "2", "3", "1e15"}) {
    for (const std::string kind : {"polynomial", "linear", "cosine", "rex"})
      specs.push_back(kind + "(1, total=" + total + ")");
    for (const std::string power : {"0", "1e-300", "1e300"})
      specs.push_back("polynomial(1, total=" + total + ", power=" + power + ")");
    specs.push_back("cosine(1, total=" + total + ", periodic=true)");
    for (const std::string share : {"0", "0.1", "0.25", "0.5", "1"})
      for (const std::string anneal : {"cos", "linear"}) {
        specs.push_back("one_cycle(1, total=" + total + ", pct_start=" + share + ", anneal=" + anneal + ")");
        if (share != "1")
          specs.push_back("one_cycle(1, total=" + total + ", pct_start=" + share + ", anneal=" + anneal +
                          ", three_phase=true)");
      }
    for (const std::string decay : {"0", "1", total.c_str()})
      for (const std::string shape : {"linear", "cosine", "sqrt"})
        specs.push_back("wsd(1, total=" + total + ", decay=" + decay + ", shape=" + shape + ")");
  }
  for (const std::string gamma : {"0", "1", "1e-300"}) {
    specs.push_back("step(1, size=1, gamma=" + gamma + ")");
    specs.push_back("multi_step(1, 0, 1, gamma=" + gamma + ")");
    specs.push_back("exponential(1, " + gamma + ")");
    for (const std::string mode : {"triangular", "triangular2", "exp_range"})
      specs.push_back("cyclic(0, 1, up=1, mode=" + mode + ", gamma=" + gamma + ")");
  }
  for (const char* spec : {"constant(1)",
                           "constant(1, factor=0, total=3)",
                           "constant(1, warmup=1)",
                           "cosine_restarts(1, period=1)",
                           "cosine_restarts(1, period=1, mult=1000000000)",
                           "cosine_restarts(1, period=1, mult=2)",
                           "cyclic(0, 1, up=1, down=1)",
                           "cyclic(0, 1, up=3, down=0)",
                           "inverse_sqrt(1)",
                           "inverse_sqrt(1, timescale=1e-300)",
                           "inverse_sqrt(1, warmup=1)",
                           "inverse_time(1, rate=0)",
                           "inverse_time(1, rate=1e300)",
                           "noam(1, d_model=1, warmup=1)",
                           "plateau(1)",
                           "plateau(1, patience=0, factor=0)",
                           "warmup(0.5, steps=1)",
                           "warmup(one_cycle(1, total=10, pct_start=0.1), steps=1)",
                           "sequential(1, 1, 0.5)",
                           "chained(1, 0.5)",
                           "chained(wsd(1, total=1, decay=1), one_cycle(1, total=10, pct_start=0.1))"})
    specs.push_back(spec);
  for (const auto& spec : specs) {
    const Schedule s(spec);
    for (const std::int64_t k : {0ll, 1ll, 2ll, 3ll, 4ll, 9ll, 10ll, 11ll, 1000ll, 1ll << 31, 1ll << 53}) {
      const double y = s.at(k);
      CHECK_MESSAGE((std::isfinite(y) && y >= 0 && y <= 1 + 1e-12), spec, " at ", k, " is ", y);
    }
    CHECK(Schedule(s.spec()).at(5) == s.at(5));
  }
  CHECK(specs.size() > 150);
}
