// Counts the multiply-adds of products, convolutions and recurrences, which a profile divides by the time.
#pragma once

#include <cstdint>

namespace gradus {

/// The count so far, for kernels that this thread has called. A product of [m, k] and [k, n] counts m n k.
inline constinit thread_local std::int64_t multiply_adds = 0;

/// Counts a kernel's multiply-adds once, whatever other kernels it calls; made at the kernel's entry.
class CountMultiplyAdds {
 public:
  explicit CountMultiplyAdds(std::int64_t n) : after_(multiply_adds + n) {}
  ~CountMultiplyAdds() { multiply_adds = after_; }
  CountMultiplyAdds(const CountMultiplyAdds&) = delete;
  CountMultiplyAdds& operator=(const CountMultiplyAdds&) = delete;

 private:
  std::int64_t after_;
};

/// The measured f32 multiply-adds a second of this machine, in registers, with threads() threads. Takes some 10 ms.
double most_multiply_adds_per_second();

}  // namespace gradus
