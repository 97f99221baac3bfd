#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/parallel.h>
#include <gradus/core/simd/pack.h>

#include <algorithm>
#include <chrono>

namespace gradus {
namespace {

constexpr int chains = 12;  // more than a multiply-add's latency times how many begin at once
constexpr std::int64_t repetitions = 100'000;

/// Runs independent chains of multiply-adds; the factor keeps them from growing or vanishing.
float spin(float factor) {
  using P = pack<float>;
  P sum[chains];
  for (int i = 0; i < chains; ++i) sum[i] = P(1.0 + i);
  for (std::int64_t r = 0; r < repetitions; ++r)
    for (P& s : sum) s = fma(s, P(factor), P(0.5));
  for (int i = 1; i < chains; ++i) sum[0] = sum[0] + sum[i];
  float lanes[P::width];
  sum[0].store(lanes);
  return lanes[0];
}

}  // namespace

double most_multiply_adds_per_second() {
  using Clock = std::chrono::steady_clock;
  const int n = threads();
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    volatile float factor = 0.5f;  // not known to the compiler
    const auto begin = Clock::now();
    parallel_for(n, [&](std::int64_t) {
      volatile float kept = spin(factor);
      (void)kept;
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::max(best, static_cast<double>(n * repetitions * chains * pack<float>::width) / seconds);
  }
  return best;
}

}  // namespace gradus
