// The .npy format apart from the file that it lies in: an .npz archive holds the same.
#pragma once

#include <gradus/core/io/internal/stored_elements.h>

#include <string>

namespace gradus {

/// The array in the `size` bytes of `source`, which are read once, from front to end. Errors: as load_npy(path).
Array read_npy(const std::string& path, std::uint64_t size, const ByteSource& source);

/// All that stands before the numbers of `a`. Errors: DataError about `path` if it is absent.
std::string npy_preamble(const std::string& path, const Array& a);

}  // namespace gradus
