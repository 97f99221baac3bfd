// Planted: two pieces of one parallel_for add to the same number. ThreadSanitizer must say so.
#include <gradus/core/parallel.h>

#include <atomic>
#include <cstdio>

int main() {
  gradus::set_threads(2);
  double sum = 0;
  std::atomic<int> started = 0;  // relaxed: both pieces are under way, yet neither is ordered before the other
  gradus::parallel_for(2, [&](std::int64_t i) {
    started.fetch_add(1, std::memory_order_relaxed);
    while (started.load(std::memory_order_relaxed) < 2) {
    }
    sum += static_cast<double>(i);
  });
  std::printf("%g\n", sum);
}
