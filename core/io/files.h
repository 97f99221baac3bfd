// Reading files whose contents are not trusted, and writing files atomically: after a crash there is the old or the new
// file.
#pragma once

#include <gradus/core/error.h>
#include <gradus/core/shape.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gradus {

/// A regular file open for reading. Every DataError has the path as its op and includes the system's message.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }  ///< in bytes, when the file was opened
  /// Reads exactly `bytes` bytes from `offset` on. Errors: DataError if the file ends before.
  void read(std::uint64_t offset, void* to, std::size_t bytes) const;

 private:
  std::string path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

/// All bytes of the regular file `path`. Errors: DataError.
std::string read_file(const std::string& path);

/// The file that the callback of write_atomically() writes its bytes to.
class OutputFile {
 public:
  void write(const void* from, std::size_t bytes);  ///< appends; DataError if the disk is full or the like
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }

 private:
  friend void write_atomically(const std::string&, const std::function<void(OutputFile&)>&);
  OutputFile(const std::string& path, int descriptor) : path_(path), descriptor_(descriptor) {}
  const std::string& path_;
  int descriptor_;
};

/// Replaces `path` by what `fill` writes. A reader, or a machine that loses power, sees the old file or the new one, whole:
/// the bytes go into a file without a name, which is synced and only then takes the old one's place. If anything fails
/// (DataError, or whatever `fill` throws) the old file is untouched and nothing is left beside it. A killed writer leaves
/// nothing either, or at worst one "NAME.tmp.PID.N" that the next write to `path` removes.
///
/// A symbolic link stays, and the file that it leads to is replaced; another hard link keeps the old bytes. Permissions
/// of an old file are kept, its owner and group where the system allows it. A file without any write permission (0444) is
/// refused, also to root. Into a device or pipe (/dev/stdout, also where the shell has made it a file) the bytes are written
/// as they come.
void write_atomically(const std::string& path, const std::function<void(OutputFile&)>& fill);
void write_atomically(const std::string& path, std::string_view bytes);

/// Throws DataError if write_atomically() could not even begin: called before long work whose result is to be written.
void check_writable(const std::string& path);

// ---- for readers of formats -----------------------------------------------------------------------------------------

/// Throws DataError about the file `path`; `parts` are joined to its text.
template <class... Parts> [[noreturn]] void bad_file(const std::string& path, const Parts&... parts) {
  throw DataError(path, join(parts...));
}

/// Throws DataError about the file `path`, with the system's message for `error` (an errno).
[[noreturn]] void system_refused(const std::string& path, const std::string& what, int error);

/// `n` with commas: 4211904 -> "4,211,904".
std::string grouped(std::uint64_t n);

/// Bytes of a file in a form fit for a message: printable, one line, at most `longest` of them.
std::string excerpt(std::string_view bytes, std::size_t longest = 40);

/// Sets `bytes` to product(lengths) * each; false if a length is negative or the product, zeros left out, exceeds 2^47.
bool byte_count(const Shape& lengths, std::size_t each, std::uint64_t& bytes);

}  // namespace gradus
