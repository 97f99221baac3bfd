#include <gradus/core/io/checksum.h>

#include <algorithm>
#include <cstring>

namespace gradus {

std::int64_t checksum(const Array& a) {
  const Array dense = a.contiguous();
  std::uint64_t h = 0x9e3779b97f4a7c15u;
  const auto mix = [&h](std::uint64_t word) {
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  };
  mix(static_cast<std::uint64_t>(a.dtype()));
  for (int i = 0; i < a.rank(); ++i) mix(static_cast<std::uint64_t>(a.dim(i)));
  const std::size_t bytes = static_cast<std::size_t>(a.size()) * bytes_of(a.dtype());
  for (std::size_t at = 0; at < bytes; at += sizeof h) {
    std::uint64_t word = 0;
    std::memcpy(&word, dense.bytes() + at, std::min(sizeof word, bytes - at));
    mix(word);
  }
  return static_cast<std::int64_t>(h);
}

}  // namespace gradus
