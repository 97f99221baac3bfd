// NumPy's .npy files (format versions 1.0 to 3.0, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <gradus/core/array.h>

#include <string>

namespace gradus {

/// Reads the array in `path`, dense. f4 f8 i8 u1 b1 become f32 f64 i64 u8 bool, f2 f32, and the other integers i64; both
/// byte orders, C and Fortran order, at most six axes. Old headers are read as NumPy reads them: (2L,) as (2,), and types
/// without a byte order ("f4", "d", "?", "float32"). Errors: DataError naming the file, also if header and length disagree,
/// which is checked before any allocation.
Array load_npy(const std::string& path);

/// Writes version 1.0, little-endian, C order; if that fails the old file stays whole (see write_atomically).
void save_npy(const std::string& path, const Array& a);

}  // namespace gradus
