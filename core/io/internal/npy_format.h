// The .npy format apart from the file that contains it: an .npz archive holds the same bytes.
#pragma once

#include <gradus/core/io/internal/stored_elements.h>

#include <string>

namespace gradus {

/// Reads the array in the `size` bytes of `source`, once, from front to end. Errors: as load_npy(path).
Array read_npy(const std::string& path, std::uint64_t size, const ByteSource& source);

/// The header that precedes the elements of `a`. Errors: DataError about `path` if `a` is absent.
std::string npy_preamble(const std::string& path, const Array& a);

}  // namespace gradus
