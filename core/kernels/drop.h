// Dropout's choice of elements: a function of the seed and the element's index, so that no mask need be kept.
#pragma once

#include <gradus/core/random.h>

#include <algorithm>
#include <cmath>

namespace gradus {

/// Element i of a tensor, in row-major order, is dropped if word i of this stream is below threshold(), and otherwise
/// divided by 1 - p.
struct Drop {
  double p;  ///< in [0, 1]; p = 1 drops every element, whatever threshold() is
  std::uint64_t seed;

  /// The stream of words; an initialiser with the same seed does not share it.
  Philox random() const { return {seed, 0x64726f70}; }
  std::uint32_t threshold() const { return static_cast<std::uint32_t>(std::min(std::round(p * 0x1p32), 0x1p32 - 1)); }
  double scale() const { return 1 / (1 - p); }
};

}  // namespace gradus
