// The header of a safetensors file: JSON that is decoded in place and checked while it is read.
#pragma once

#include <gradus/core/io/safetensors.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace gradus {

inline constexpr std::uint64_t longest_header = 100'000'000;
inline constexpr std::string_view metadata_key = "__metadata__";

/// The most tensors, and the most metadata keys, in a file of `bytes`: a hostile file must not cost memory out of proportion
/// to its size.
constexpr std::uint64_t most_names(std::uint64_t bytes) { return bytes / 512 > 65'536 ? bytes / 512 : 65'536; }

/// The header's entry of one tensor.
struct TensorEntry {
  std::string_view name, dtype_name;  // views of the header's text
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // data_offsets
};

struct SafetensorsHeader {
  std::string text;                 // the header's text, whose strings are decoded in place
  std::deque<TensorEntry> entries;  // in the order of the text; a deque, because a vector that grows exists twice
  Metadata metadata;
};

/// Reads h.text into h.entries and h.metadata: three fields for each tensor, no name twice, at most `most` of them. Errors:
/// DataError about the file `path` at the first part that does not belong in such a header.
void read_header(const std::string& path, SafetensorsHeader& h, std::uint64_t most);

/// A tensor's name for messages: "tensor "conv1.weight"".
std::string named(std::string_view tensor);

}  // namespace gradus
