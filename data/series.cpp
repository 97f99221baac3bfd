#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/data/series.h>

#include <cmath>
#include <vector>

namespace gradus::data {

Array generate_mackey_glass(std::int64_t count, std::uint64_t seed) {
  if (count < 0) throw DataError("generate_mackey_glass", join("count is ", count, "; it must be at least 0"));
  const Philox random{seed, 3};
  std::vector<double> x;
  for (std::uint64_t i = 0; i < 18; ++i) x.push_back(1 + 0.2 * random.uniform(i));
  Array series({count});
  for (std::int64_t k = 0; k < count; ++k) {
    const auto i = static_cast<std::size_t>(3 * k);
    while (x.size() <= i) {
      const double now = x.back(), before = x[x.size() - 18];
      x.push_back(now + 0.2 * before / (1 + std::pow(before, 10)) - 0.1 * now);
    }
    series.uninitialized<float>()[k] = static_cast<float>(x[i] + 0.01 * random.normal(100 + i));
  }
  return series;
}

}  // namespace gradus::data
