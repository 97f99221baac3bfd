#include <gradus/core/io/internal/stored_elements.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

namespace gradus {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

template <class T> T value_at(const char* at, bool swapped) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, at, sizeof(T));
  if (swapped) std::reverse(bytes, bytes + sizeof(T));
  return std::bit_cast<T>(bytes);
}

/// One element of the file as T; nullopt if T cannot represent it, or if its bits are invalid (a bool of 7).
template <class T> std::optional<T> read_element(const char* at, const StoredElement& e) {
  if constexpr (std::is_same_v<T, bool>) {
    if (static_cast<unsigned char>(*at) > 1) return {};
    return *at == 1;
  } else if constexpr (std::is_same_v<T, float>) {
    if (e.bytes != 2) return value_at<float>(at, e.swapped);
    const auto narrow = value_at<std::uint16_t>(at, e.swapped);
    return e.kind == 'g' ? from_bfloat16(narrow) : from_half(narrow);
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    const bool is_signed = e.kind == 'i';
    switch (e.bytes) {
      case 1: return value_at<std::int8_t>(at, false);
      case 2: return is_signed ? value_at<std::int16_t>(at, e.swapped) : value_at<std::uint16_t>(at, e.swapped);
      case 4:
        if (is_signed) return value_at<std::int32_t>(at, e.swapped);
        return std::int64_t(value_at<std::uint32_t>(at, e.swapped));
      default: break;
    }
    const auto v = value_at<std::int64_t>(at, e.swapped);
    if (!is_signed && v < 0) return {};  // a u8 of 2^63 or more
    return v;
  } else {
    return value_at<T>(at, e.swapped);
  }
}

template <class T>
std::int64_t convert_elements(T* out, std::int64_t count, const StoredElement& e, const ByteSource& source) {
  const bool any_bits = e.kind != 'b' && !(e.kind == 'u' && e.bytes == 8);  // every pattern is a value of T
  if (e.bytes == sizeof(T) && !e.swapped && any_bits) {
    source(out, static_cast<std::size_t>(count) * sizeof(T));
    return count;
  }
  constexpr std::int64_t chunk = 8192;
  std::vector<char> buffer(static_cast<std::size_t>(std::min(chunk, count)) * e.bytes);
  for (std::int64_t done = 0; done < count; done += chunk) {
    const auto n = static_cast<std::size_t>(std::min(chunk, count - done));
    source(buffer.data(), n * e.bytes);
    for (std::size_t i = 0; i < n; ++i) {
      const std::optional<T> v = read_element<T>(buffer.data() + i * e.bytes, e);
      if (!v) return done + static_cast<std::int64_t>(i);
      out[done + static_cast<std::int64_t>(i)] = *v;
    }
  }
  return count;
}

/// The nearest number of the given width, ties to even, by integers alone: the machine's rounding mode does not matter.
template <int exponent_bits, int fraction_bits> std::uint16_t narrowed(double x) {
  constexpr std::uint64_t infinity = ((std::uint64_t(1) << exponent_bits) - 1) << fraction_bits, one = 1;
  constexpr int lowest = 2 - (1 << (exponent_bits - 1));  // the exponent of the smallest normal number
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto sign = static_cast<std::uint16_t>(bits >> 63 << 15);
  if (x != x) return static_cast<std::uint16_t>(sign | infinity | one << (fraction_bits - 1));
  const int exponent = static_cast<int>(bits >> 52 & 2047) - 1023, scale = std::max(exponent, lowest);
  const int shift = 52 - fraction_bits + scale - exponent;
  if (shift > 53) return sign;  // less than half of the smallest number
  const std::uint64_t significand = (bits & ((one << 52) - 1)) | one << 52, half = one << (shift - 1);
  const std::uint64_t rest = significand & (2 * half - 1), whole = significand >> shift;
  const std::uint64_t rounded = whole + (rest > half || (rest == half && (whole & 1)));
  const std::uint64_t encoded = (static_cast<std::uint64_t>(scale - lowest) << fraction_bits) + rounded;
  return static_cast<std::uint16_t>(sign | std::min(encoded, infinity));
}

}  // namespace

std::int64_t read_elements(Array& a, const StoredElement& e, const ByteSource& source) {
  return visit(a.dtype(), [&]<class T>() { return convert_elements(a.uninitialized<T>(), a.size(), e, source); });
}

float from_half(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 1023u;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24, exact in a float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

float from_bfloat16(std::uint16_t h) { return std::bit_cast<float>(static_cast<std::uint32_t>(h) << 16); }

std::uint16_t to_half(double x) { return narrowed<5, 10>(x); }
std::uint16_t to_bfloat16(double x) { return narrowed<8, 7>(x); }

}  // namespace gradus
