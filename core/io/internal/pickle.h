// The pickle of a state dict (protocols 2 to 5 of Python's pickle, as torch.save() writes it), read as data: an opcode or a
// global that such a file does not need is an error that names it, and nothing is ever called.
#pragma once

#include <gradus/core/io/internal/stored_elements.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace gradus {

/// The location of one tensor's elements in the archive.
struct PickledTensor {
  std::string name;     // "model.conv1.weight"
  std::string storage;  // the archive member data/KEY
  StoredElement element;
  std::uint64_t storage_bytes;
  std::int64_t offset;  // in elements
  Shape shape;
  std::int64_t strides[max_rank];
};

/// The tensors in the pickle `text` of the file `path`, in order. The values it builds take at most `bytes` and about a
/// megabyte. Errors: DataError.
std::deque<PickledTensor> read_pickle(const std::string& path, std::string_view text, std::uint64_t bytes);

}  // namespace gradus
