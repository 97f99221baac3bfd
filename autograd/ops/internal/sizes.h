// Checks of integer options: strides, paddings, dilations, kernels, groups, counts.
#pragma once

#include <gradus/autograd/ops/layers.h>

#include <limits>

namespace gradus {

/// The largest stride, padding, dilation, kernel or number of groups, as in PyTorch: the product of two fits 64 bits.
inline constexpr int64_t largest_option = std::numeric_limits<std::int32_t>::max();

/// The largest count or length that passes a check; a lack of memory is reported on allocation.
inline constexpr int64_t most_elements = std::numeric_limits<int64_t>::max();

/// A pair as text: "2", or "{2, 3}" where the two differ.
std::string text_of(Pair p);

/// Throws ShapeError "op: the stride must be at least 1, got 0" unless p lies in [low, high].
void check_option(const char* op, const char* what, Pair p, int64_t low, int64_t high = largest_option);

/// The product of two counts of elements. Errors: ResourceError if 64 bits cannot hold it.
int64_t product(const char* op, int64_t a, int64_t b);

/// A window on one axis. It spans dilation * (kernel - 1) + 1 elements, at most 2^62 for options that were checked.
struct Window1d {
  int64_t kernel, stride = 1, padding = 0, dilation = 1;
  int64_t extent() const { return dilation * (kernel - 1) + 1; }
  bool fits(int64_t n) const { return extent() <= n + 2 * padding; }
  /// The number of windows over n elements, below 1 if none fits; the padded length must fit 64 bits.
  int64_t results(int64_t n) const {
    const int64_t room = n + 2 * padding - extent();
    return (room >= 0 ? room / stride : -((-room + stride - 1) / stride)) + 1;
  }
  /// The length of the transposed convolution of n elements: (n - 1) stride - 2 padding + extent + extra. Errors: ShapeError
  /// if it is below 1, ResourceError if 64 bits cannot hold it.
  int64_t transposed(const char* op, int64_t n, int64_t extra) const;
};

}  // namespace gradus
