// How many multiply-adds products, convolutions and recurrences have done: what a profile divides by the time.
#pragma once

#include <cstdint>

namespace gradus {

/// Done so far by kernels that this thread has called. A product of [m, k] and [k, n] counts m n k.
inline constinit thread_local std::int64_t multiply_adds = 0;

/// In a kernel's entry: its multiply-adds count once, whatever other kernels it calls.
class CountMultiplyAdds {
 public:
  explicit CountMultiplyAdds(std::int64_t n) : after_(multiply_adds + n) {}
  ~CountMultiplyAdds() { multiply_adds = after_; }
  CountMultiplyAdds(const CountMultiplyAdds&) = delete;
  CountMultiplyAdds& operator=(const CountMultiplyAdds&) = delete;

 private:
  std::int64_t after_;
};

/// Measured: f32 multiply-adds a second that this machine does in registers with threads() threads. Takes some 10 ms.
double most_multiply_adds_per_second();

}  // namespace gradus
