// NumPy's .npz files: a zip archive with one .npy for each name (np.savez, np.savez_compressed).
#pragma once

#include <gradus/core/io/safetensors.h>

#include <string>

namespace gradus {

/// Reads the arrays of the archive in its order, each under its name without ".npy"; types and axes as in load_npy().
/// Members may be compressed (deflate). Errors: DataError naming the file and the member for everything else: an archive in
/// several parts, with a password, with members that overlap or share a name, with a wrong length or checksum.
NamedArrays load_npz(const std::string& path);

/// Writes what numpy.load() reads, uncompressed as np.savez does; if that fails the old file stays whole. Errors: DataError
/// if a name is given twice or holds a NUL, or if an array is absent.
void save_npz(const std::string& path, const NamedArrays& arrays);

}  // namespace gradus
