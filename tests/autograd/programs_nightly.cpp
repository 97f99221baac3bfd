// Ten thousand random programs; GRADUS_PROGRAMS=FIRST-COUNT runs others.
#include <gradus/tests/autograd/random_programs/check.h>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

using namespace gradus::programs;

TEST_CASE("10,000 random programs: no fault") {
  unsigned long first = 0, count = 10000;
  if (const char* asked = std::getenv("GRADUS_PROGRAMS")) CHECK(std::sscanf(asked, "%lu-%lu", &first, &count) == 2);
  const Campaign c = campaign(first, count);
  MESSAGE(c.text());
  for (const std::string& fault : c.faults) FAIL_CHECK(fault);
  CHECK(c.programs == count);
  CHECK(100 * c.unjudged <= count);
}
