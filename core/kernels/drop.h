// Which numbers dropout takes away: a function of the seed and the number's place, so that nothing need be kept.
#pragma once

#include <gradus/core/random.h>

#include <algorithm>
#include <cmath>

namespace gradus {

/// Number i of a tensor, in row-major order, is dropped if word i of this stream is below threshold(), and divided by 1 - p
/// otherwise.
struct Drop {
  double p;  ///< in [0, 1]; of 1 all are, whatever threshold() says
  std::uint64_t seed;

  /// An initialiser with the same seed does not share the numbers of this stream.
  Philox random() const { return {seed, 0x64726f70}; }
  std::uint32_t threshold() const { return static_cast<std::uint32_t>(std::min(std::round(p * 0x1p32), 0x1p32 - 1)); }
  double scale() const { return 1 / (1 - p); }
};

}  // namespace gradus
