// The outputs for which a position of a window or a kernel lies on the input and not in the padding.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gradus {

/// The range of output positions o whose input position o * stride + offset lies in [0, size).
struct OutputRange {
  std::int64_t begin, end;
  OutputRange(std::int64_t outputs, std::int64_t size, std::int64_t stride, std::int64_t offset) {
    begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    end = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    end = std::min(end, outputs);
    begin = std::min(begin, std::max<std::int64_t>(end, 0));
    end = std::max(begin, end);
  }
};

}  // namespace gradus
