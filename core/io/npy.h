// NumPy's .npy files (format versions 1.0 to 3.0, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <gradus/core/array.h>

#include <string>

namespace gradus {

/// The array in `path`, dense. f4 f8 i8 u1 b1 come as f32 f64 i64 u8 bool, f2 as f32, and the other integers as i64; both
/// byte orders, C and Fortran order, at most six axes. DataError naming the file for everything else, and for a file whose
/// header and length disagree; nothing is allocated before they have been compared. Old headers are read as NumPy reads
/// them: (2L,) as (2,), and types without a byte order ("f4", "d", "?", "float32").
Array load_npy(const std::string& path);

/// Writes version 1.0, little-endian, C order; the old file stays whole if that fails (see write_atomically).
void save_npy(const std::string& path, const Array& a);

}  // namespace gradus
