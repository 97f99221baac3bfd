// Elements as files hold them: types that no Array has (half, bfloat16, narrow and unsigned integers), in either byte order.
#pragma once

#include <gradus/core/array.h>

#include <cstdint>
#include <functional>

namespace gradus {

/// The representation of an element in a file, and the dtype it is read as.
struct StoredElement {
  char kind;  ///< f of IEEE 754, g of bfloat16, i, u, b of bool
  std::size_t bytes;
  bool swapped;  ///< not in this machine's byte order
  Dtype dtype;   ///< f2 and g2 become f32, i1 to i4 and u2 to u8 i64; the others are what they are
};

/// A reader of a file from front to end: fills `to` with the next `bytes` bytes, or throws DataError.
using ByteSource = std::function<void(void* to, std::size_t bytes)>;

/// Fills `a`, which is dense and of e.dtype, with the next a.size() elements. Returns the index of the first element that is
/// not valid for the dtype (a bool of 7, a u8 of 2^63), a.size() if there is none.
std::int64_t read_elements(Array& a, const StoredElement& e, const ByteSource& source);

float from_half(std::uint16_t h);  ///< the value of a half, exact
float from_bfloat16(std::uint16_t h);
/// The nearest half or bfloat16, ties to even; beyond the largest one infinity, and NaN stays NaN.
std::uint16_t to_half(double x);
std::uint16_t to_bfloat16(double x);

}  // namespace gradus
