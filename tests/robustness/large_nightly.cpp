// More elements than 31 bits count: needs some 12 GiB.
#include <gradus/autograd/ops.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/random.h>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace gradus;

namespace {

bool fits(double gibibytes) {
  const double there = static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (there > gibibytes * 0x1p30) return true;
  MESSAGE("skipped: needs ", gibibytes, " GiB");
  return false;
}

/// 0, 1, .., period - 1, 0, 1, ...
Tensor counted(const Shape& shape, std::int64_t period) {
  Array x(shape, f32);
  float* to = x.uninitialized<float>();
  for (std::int64_t i = 0; i < x.size(); ++i) to[i] = static_cast<float>(i % period);
  return Tensor(x);
}

}  // namespace

TEST_CASE("a product of more than 2^31 elements") {
  if (!fits(12)) return;
  const std::int64_t m = 65'601, n = 32'771, k = 2;  // 2^31 + 2.3 million, no length a multiple of a tile's
  {
    const Tensor a = counted({m, k}, 1021), b = counted({k, n}, 1019), c = matmul(a, b);
    const Philox random{1, 7};
    const auto right = [&](std::int64_t i, std::int64_t j) {
      float sum = 0;
      for (std::int64_t p = 0; p < k; ++p) sum += a.array().data<float>()[i * k + p] * b.array().data<float>()[p * n + j];
      return c.array().data<float>()[i * n + j] == sum;
    };
    std::int64_t wrong = 0;
    for (const std::int64_t at : {std::int64_t(0), (std::int64_t(1) << 31) - 1, std::int64_t(1) << 31, m * n - 1})
      wrong += !right(at / n, at % n);
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
      const auto at = static_cast<std::int64_t>(random.below(i, static_cast<std::uint64_t>(m * n)));
      wrong += !right(at / n, at % n);
    }
    CHECK(wrong == 0);
  }
  pool::trim();
}

TEST_CASE("the sum of more than 2^31 bytes takes no copy of them") {
  if (!fits(4)) return;
  const std::int64_t n = (std::int64_t(1) << 31) + 12'345;
  const Array ones = Array::full({n}, 1, u8);
  CHECK(sum(Tensor(ones)).item<std::int64_t>() == n);
  pool::trim();
}
