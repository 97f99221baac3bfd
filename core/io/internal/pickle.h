// The pickle of a state dict (protocols 2 to 5 of Python's pickle, as torch.save() writes it), read as data: an opcode or a
// global that such a file does not need is refused by its name, and nothing is ever called.
#pragma once

#include <gradus/core/io/internal/stored_elements.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace gradus {

/// Where the numbers of one tensor lie.
struct PickledTensor {
  std::string name;     // "model.conv1.weight"
  std::string storage;  // the member data/KEY
  StoredElement element;
  std::uint64_t storage_bytes;
  std::int64_t offset;  // in elements
  Shape shape;
  std::int64_t strides[max_rank];
};

/// The tensors in the pickle `text` of the file `path`, in their order. What it builds takes at most `bytes` and about a
/// megabyte. Errors: DataError.
std::deque<PickledTensor> read_pickle(const std::string& path, std::string_view text, std::uint64_t bytes);

}  // namespace gradus
