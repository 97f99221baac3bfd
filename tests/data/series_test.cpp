#include <gradus/core/error.h>
#include <gradus/data/series.h>

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradus;

TEST_CASE("a series of Mackey and Glass swings, is a pure function of its seed, and the same whatever its length") {
  const Array a = data::generate_mackey_glass(2000, 1), b = data::generate_mackey_glass(300, 1);
  const auto* x = a.data<float>();
  CHECK(std::equal(x, x + 300, b.data<float>()));
  CHECK_FALSE(std::equal(x, x + 300, data::generate_mackey_glass(300, 2).data<float>()));
  const auto [low, high] = std::minmax_element(x + 100, x + 2000);  // the attractor with a delay of 17: 0.2 to 1.4
  CHECK(*low > 0.1);
  CHECK(*low < 0.5);
  CHECK(*high > 1.2);
  CHECK(*high < 1.5);
  int turns = 0;  // a swing takes about 50 of its own steps, 17 numbers
  for (int t = 101; t < 2000; ++t) turns += (x[t] > 0.9f) != (x[t - 1] > 0.9f);
  CHECK(turns > 150);
  CHECK(turns < 300);
  CHECK(data::generate_mackey_glass(0, 1).size() == 0);
  CHECK_THROWS_AS(data::generate_mackey_glass(-1, 1), DataError);
}
