// Series of numbers of our own making.
#pragma once

#include <gradus/core/array.h>

#include <cstdint>

namespace gradus::data {

/// x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x by Euler's steps of 1, every third number, with noise of deviation 0.01:
/// f32 [count], a pure function of the seed (Mackey and Glass, "Oscillation and chaos in physiological control systems",
/// 1977). Errors: DataError if count < 0.
Array generate_mackey_glass(std::int64_t count, std::uint64_t seed);

}  // namespace gradus::data
