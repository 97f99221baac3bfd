// No false alarms of gradcheck: every op at 1,000 points of its domain.
#include <gradus/tools/gradcheck/false_alarms.h>

#include <doctest/doctest.h>

#include <cstdlib>

using namespace gradus;

TEST_CASE("no false alarms: every op, 1,000 seeds") {
  int checks = 0;
  const char* asked = std::getenv("GRADUS_ALARM_SEEDS");
  const int seeds = asked ? std::atoi(asked) : 1000;
  for (const OpInfo* op : all_ops()) {
    for (const auto& alarm : tools::false_alarms(*op, 0, seeds)) FAIL_CHECK(alarm);
    checks += 2 * seeds;
  }
  CHECK(checks >= 200 * seeds);
  MESSAGE(checks << " checks");
}
