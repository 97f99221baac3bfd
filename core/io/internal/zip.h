// Zip archives (APPNOTE.TXT 6.3.10 of PKWARE), as far as .npz files and torch.save() need them: members that are stored or
// deflated, with the 64-bit extension. The whole directory is checked before any member is read.
#pragma once

#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/stored_elements.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gradus {

/// One member of an archive, as the directory at the end describes it.
struct ZipEntry {
  std::string_view name;       // a view of the reader's directory
  std::uint64_t header, data;  // offsets of the member's own header and of its bytes
  std::uint64_t packed, size;  // bytes in the archive, and unpacked
  std::uint32_t crc;
  bool deflated;
};

class ZipReader {
 public:
  /// Reads the directory. Errors: DataError if this is no archive, if a member is encrypted or compressed by another method
  /// than deflate, if two members share a name or a byte, or if two statements about a member in the file do not agree.
  explicit ZipReader(const InputFile& file);
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::vector<ZipEntry>& entries() const { return entries_; }  ///< in the order of the directory
  const ZipEntry* find(std::string_view name) const;                 ///< null: there is none
  /// The unpacked bytes of a member, to be read once from front to end; at the end the checksum is compared if `checked`.
  /// Errors: DataError if a deflated member does not unpack to the size in the directory; a size beyond the usual is
  /// verified before anything relies on it.
  ByteSource open(const ZipEntry& entry, bool checked) const;
  /// A member's name for messages: "member "conv1.npy"".
  static std::string named(const ZipEntry& entry);

 private:
  struct End {
    std::uint64_t entries, size, offset;
  };
  End find_end() const;
  End wide_end(std::uint64_t& directory_end, const End& narrow) const;
  std::size_t read_entry(std::size_t at);
  void read_local_header(ZipEntry& entry) const;
  void check_members(std::uint64_t directory);

  const InputFile& file_;
  std::string directory_;
  std::vector<ZipEntry> entries_;
  std::vector<std::uint32_t> by_name_;
};

/// Writes an archive of stored members, one after the other, through `sink`.
class ZipWriter {
 public:
  explicit ZipWriter(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}
  /// Appends the member `name`, whose bytes are the two texts in turn.
  void add(const std::string& name, std::string_view first, std::string_view second);
  void finish();  ///< writes the directory

 private:
  void write(std::string_view bytes);
  std::function<void(std::string_view)> sink_;
  std::string directory_;
  std::uint64_t at_ = 0, count_ = 0;
};

}  // namespace gradus
