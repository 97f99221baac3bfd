// Safetensors: named arrays in one file that Python reads too (https://huggingface.co/docs/safetensors, "Format").
#pragma once

#include <gradus/core/array.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gradus {

using Metadata = std::map<std::string, std::string>;

struct Safetensors {
  NamedArrays tensors;  ///< in the order of the header
  Metadata metadata;    ///< empty if the file has none
};

/// The representation in which f32 and f64 elements are written: as they are, or rounded to two bytes (ties to even; beyond
/// 65,504 an f16 is infinite, a bf16 has the range of f32 with three decimal digits).
enum class StoredReal { full, f16, bf16 };

struct SaveOptions {
  StoredReal reals = StoredReal::full;
};

/// Writes `tensors` (f32 f64 i64 u8 bool, any layout) and `metadata`; if that fails the old file stays whole (see
/// write_atomically). The header keeps the order, and elements are aligned to their size. Errors: DataError if a name is
/// given twice, is "__metadata__", holds a NUL or is not UTF-8, or if an array is absent.
void save_safetensors(const std::string& path, const NamedArrays& tensors, const Metadata& metadata = {},
                      const SaveOptions& options = {});

/// Reads tensors of at most six axes. F32, F64, I64, U8 and BOOL come as they are; F16 and BF16 as f32, I8, I16, I32, U16,
/// U32 and U64 as i64, all exact. The header (100,000,000 bytes at most) is checked as a whole before any number is read: no
/// key twice, no overflow, and the tensors cover the file without holes or overlaps. DataError naming the file, and the
/// tensor where there is one, otherwise. At most 65,536 tensors and as many keys in __metadata__, or one for each 512 bytes
/// of the file if that is more: reading takes no more memory than the Arrays, the file once more and some 20 MiB.
Safetensors load_safetensors(const std::string& path);

}  // namespace gradus
