#include <gradus/core/io/internal/zip.h>
#include <gradus/core/memory/memory_error.h>

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <numeric>

namespace gradus {
namespace {

constexpr std::uint64_t narrow_most = 0xFFFFFFFF;  // the value of a 32-bit field that refers to a 64-bit one
constexpr std::size_t directory_bytes = 46, header_bytes = 30, end_bytes = 22, wide_end_bytes = 56, locator_bytes = 20;
constexpr std::string_view entry_mark = "PK\1\2", header_mark = "PK\3\4", end_mark = "PK\5\6", wide_end_mark = "PK\6\6",
                           locator_mark = "PK\6\7";

/// A little-endian number of `width` bytes; the caller has checked that they exist.
std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t n = 0;
  for (std::size_t i = width; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
  return n;
}
void append_number(std::string& to, std::uint64_t n, int width) {
  for (int i = 0; i < width; ++i) to += static_cast<char>(n >> 8 * i & 255);
}

std::string bytes_of_file(const InputFile& file, std::uint64_t at, std::size_t count) {
  std::string bytes(count, '\0');
  file.read(at, bytes.data(), count);
  return bytes;
}

/// The reader of one member of the archive.
class Member {
 public:
  Member(const InputFile& file, const ZipEntry& entry, bool checked)
      : file_(file), entry_(entry), name_(entry.name), checked_(checked), at_(entry.data) {
    if (entry_.deflated && inflateInit2(&z_, -15) != Z_OK) no_memory_for(file.path());
  }
  ~Member() {
    if (entry_.deflated) inflateEnd(&z_);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  void read(void* to, std::size_t bytes) {
    if (bytes > entry_.size - done_) throw_error("it ends before what it should hold");
    auto* out = static_cast<unsigned char*>(to);
    if (entry_.deflated) unpack(out, bytes);
    else file_.read(at_, out, bytes), at_ += bytes;
    done_ += bytes;
    if (!checked_) return;
    crc_ = static_cast<std::uint32_t>(crc32_z(crc_, out, bytes));
    if (done_ == entry_.size && crc_ != entry_.crc) throw_error("its checksum is not that of the directory");
  }
  /// Checks that the member does not exceed the size in the directory. Errors: DataError.
  void count() {
    std::vector<unsigned char> some(1 << 16);
    checked_ = false;
    while (done_ < entry_.size)
      read(some.data(), static_cast<std::size_t>(std::min<std::uint64_t>(some.size(), entry_.size - done_)));
  }

 private:
  [[noreturn]] void throw_error(const char* problem) const {
    bad_file(file_.path(), ZipReader::named(entry_), ": ", problem);
  }

  void unpack(unsigned char* to, std::size_t bytes) {
    while (bytes > 0) {
      if (z_.avail_in == 0) refill();
      const auto part = static_cast<unsigned>(std::min<std::size_t>(bytes, 1 << 30));
      z_.next_out = to, z_.avail_out = part;
      const int code = inflate(&z_, Z_NO_FLUSH);
      const std::size_t got = part - z_.avail_out;
      to += got, bytes -= got;
      if (code == Z_MEM_ERROR) no_memory_for(file_.path());
      if (code == Z_STREAM_END && bytes > 0) throw_error("it unpacks to less than the directory says");
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) throw_error("its deflated data is damaged");
      if (code == Z_BUF_ERROR && z_.avail_in == 0 && at_ == entry_.data + entry_.packed)
        throw_error("its deflated data ends too early");
    }
  }
  void refill() {
    const std::uint64_t left = entry_.data + entry_.packed - at_;
    packed_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, 1 << 16)));
    file_.read(at_, packed_.data(), packed_.size());
    at_ += packed_.size();
    z_.next_in = packed_.data(), z_.avail_in = static_cast<unsigned>(packed_.size());
  }

  const InputFile& file_;
  const ZipEntry entry_;
  const std::string name_;
  bool checked_;
  std::uint64_t at_, done_ = 0;
  std::uint32_t crc_ = 0;
  std::vector<unsigned char> packed_;
  z_stream z_{};
};

}  // namespace

std::string ZipReader::named(const ZipEntry& entry) { return join("member \"", excerpt(entry.name, 80), "\""); }

ZipReader::ZipReader(const InputFile& file) : file_(file) {
  const std::string start = bytes_of_file(file, 0, static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 8)));
  if (!start.starts_with("PK") || file.size() < end_bytes)
    bad_file(file.path(), "not a zip archive (starts with \"", excerpt(start), "\")");
  const End end = find_end();
  directory_ = bytes_of_file(file, end.offset, static_cast<std::size_t>(end.size));
  if (end.entries > directory_.size() / directory_bytes)
    bad_file(file.path(), "damaged: a directory of ", grouped(end.size), " bytes cannot list ", grouped(end.entries),
             " members");
  entries_.reserve(static_cast<std::size_t>(end.entries));
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < end.entries; ++i) at = read_entry(at);
  if (at != directory_.size())
    bad_file(file.path(), "damaged: the directory goes on behind its ", grouped(end.entries), " members");
  check_members(end.offset);
}

/// Finds the directory through the record at the very end, which only a comment of the length stated there may follow.
ZipReader::End ZipReader::find_end() const {
  const std::uint64_t longest = end_bytes + 65'535, from = file_.size() - std::min(file_.size(), longest);
  const std::string tail = bytes_of_file(file_, from, static_cast<std::size_t>(file_.size() - from));
  std::size_t at = tail.size() - end_bytes;
  const auto ends_here = [&] {
    return std::string_view(tail).substr(at, 4) == end_mark && at + end_bytes + number_at(tail, at + 20, 2) == tail.size();
  };
  while (at > 0 && !ends_here()) --at;
  if (!ends_here()) bad_file(file_.path(), "a zip archive without the directory at its end: it is cut short, or damaged");
  if (number_at(tail, at + 4, 4) != 0) bad_file(file_.path(), "is one part of a zip archive in several; this is not read");
  End end{number_at(tail, at + 10, 2), number_at(tail, at + 12, 4), number_at(tail, at + 16, 4)};
  if (number_at(tail, at + 8, 2) != end.entries) bad_file(file_.path(), "damaged: two counts of members in its last record");
  std::uint64_t directory_end = from + at;
  end = wide_end(directory_end, end);
  if (end.offset > directory_end || end.size != directory_end - end.offset)
    bad_file(file_.path(), "damaged: a directory of ", grouped(end.size), " bytes at byte ", grouped(end.offset),
             " does not end where it must, at byte ", grouped(directory_end));
  return end;
}

/// Reads the 64-bit record in front of the last one, if there is one; `directory_end` becomes the record's offset.
ZipReader::End ZipReader::wide_end(std::uint64_t& directory_end, const End& narrow) const {
  const bool needed = narrow.entries == 0xFFFF || narrow.size == narrow_most || narrow.offset == narrow_most;
  const auto missing = [&]() {
    if (needed) bad_file(file_.path(), "damaged: its last record asks for one of 64 bits that is not there");
    return narrow;
  };
  if (directory_end < locator_bytes + wide_end_bytes) return missing();
  const std::string locator = bytes_of_file(file_, directory_end - locator_bytes, locator_bytes);
  if (!locator.starts_with(locator_mark)) return missing();
  const std::uint64_t at = number_at(locator, 8, 8);
  if (at != directory_end - locator_bytes - wide_end_bytes || number_at(locator, 4, 4) != 0 || number_at(locator, 16, 4) > 1)
    bad_file(file_.path(), "damaged: its record of 64 bits is not in front of the last one");
  const std::string wide = bytes_of_file(file_, at, wide_end_bytes);
  if (!wide.starts_with(wide_end_mark) || number_at(wide, 4, 8) != wide_end_bytes - 12)
    bad_file(file_.path(), "damaged: its record of 64 bits is none");
  const End end{number_at(wide, 32, 8), number_at(wide, 40, 8), number_at(wide, 48, 8)};
  const auto agrees = [](std::uint64_t a, std::uint64_t b, std::uint64_t full) { return a == full || a == b; };
  if (!agrees(narrow.entries, end.entries, 0xFFFF) || !agrees(narrow.size, end.size, narrow_most) ||
      !agrees(narrow.offset, end.offset, narrow_most))
    bad_file(file_.path(), "damaged: its last two records do not agree");
  directory_end = at;
  return end;
}

/// Reads the directory's entry at `at`, and returns the offset of the next one.
std::size_t ZipReader::read_entry(std::size_t at) {
  const std::string_view all = directory_;
  if (all.size() - at < directory_bytes || all.substr(at, 4) != entry_mark)
    bad_file(file_.path(), "damaged: entry ", grouped(entries_.size() + 1), " of the directory is not where it must be");
  const auto name = static_cast<std::size_t>(number_at(all, at + 28, 2)),
             extra = static_cast<std::size_t>(number_at(all, at + 30, 2));
  const std::size_t end = at + directory_bytes + name + extra + static_cast<std::size_t>(number_at(all, at + 32, 2));
  if (end > all.size()) bad_file(file_.path(), "damaged: the last entry of the directory goes over its end");
  ZipEntry e{all.substr(at + directory_bytes, name),
             number_at(all, at + 42, 4),
             0,
             number_at(all, at + 20, 4),
             number_at(all, at + 24, 4),
             static_cast<std::uint32_t>(number_at(all, at + 16, 4)),
             false};
  const std::uint64_t flags = number_at(all, at + 8, 2), method = number_at(all, at + 10, 2);
  if (flags & 1) bad_file(file_.path(), named(e), " is encrypted; this is not read");
  if (method != 0 && method != 8)
    bad_file(file_.path(), named(e), " is compressed by method ", method, "; stored (0) and deflated (8) ones are read");
  e.deflated = method == 8;
  const std::string_view extras = all.substr(at + directory_bytes + name, extra);
  for (std::size_t i = 0; i + 4 <= extras.size();) {
    const auto length = static_cast<std::size_t>(number_at(extras, i + 2, 2));
    if (length > extras.size() - i - 4) break;
    std::size_t field = i + 4;
    if (number_at(extras, i, 2) == 1)
      for (std::uint64_t* wide : {&e.size, &e.packed, &e.header})
        if (*wide == narrow_most && field + 8 <= i + 4 + length) *wide = number_at(extras, field, 8), field += 8;
    i += 4 + length;
  }
  if (!e.deflated && e.packed != e.size) bad_file(file_.path(), named(e), " is stored, but has two sizes");
  if (e.deflated && e.size / 1032 > e.packed)  // deflate shrinks to no less
    bad_file(file_.path(), named(e), ": ", grouped(e.packed), " bytes cannot unpack to ", grouped(e.size));
  entries_.push_back(e);
  return end;
}

/// Checks the local header in front of the member's bytes, which repeats the name.
void ZipReader::read_local_header(ZipEntry& e) const {
  if (e.header > file_.size() || file_.size() - e.header < header_bytes + e.name.size())
    bad_file(file_.path(), named(e), " would begin at byte ", grouped(e.header), "; the file has ", grouped(file_.size()));
  const std::string header = bytes_of_file(file_, e.header, header_bytes + e.name.size());
  const bool same = header.starts_with(header_mark) && number_at(header, 26, 2) == e.name.size() &&
                    std::string_view(header).substr(header_bytes) == e.name &&
                    number_at(header, 8, 2) == (e.deflated ? 8u : 0u);
  if (!same) bad_file(file_.path(), named(e), ": no such member where the directory says, at byte ", grouped(e.header));
  e.data = e.header + header_bytes + e.name.size() + number_at(header, 28, 2);
}

void ZipReader::check_members(std::uint64_t directory) {
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), std::uint32_t(0));
  std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return entries_[a].header < entries_[b].header; });
  for (std::size_t i = by_name_.size(); i-- > 0;) {
    ZipEntry& e = entries_[by_name_[i]];
    read_local_header(e);
    const std::uint64_t next = i + 1 < by_name_.size() ? entries_[by_name_[i + 1]].header : directory;
    if (e.data > next || e.packed > next - e.data) bad_file(file_.path(), named(e), " goes over what follows it");
  }
  std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return entries_[a].name < entries_[b].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i)
    if (const ZipEntry& e = entries_[by_name_[i]]; e.name == entries_[by_name_[i - 1]].name)
      bad_file(file_.path(), named(e), " stands there twice");
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [&](std::uint32_t i, std::string_view n) { return entries_[i].name < n; });
  return at != by_name_.end() && entries_[*at].name == name ? &entries_[*at] : nullptr;
}

ByteSource ZipReader::open(const ZipEntry& entry, bool checked) const {
  if (entry.deflated && entry.size > 16 * entry.packed + (1 << 20)) Member(file_, entry, false).count();
  return
      [member = std::make_shared<Member>(file_, entry, checked)](void* to, std::size_t bytes) { member->read(to, bytes); };
}

// ---- writing --------------------------------------------------------------------------------------------------------

void ZipWriter::write(std::string_view bytes) {
  sink_(bytes);
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::string_view first, std::string_view second) {
  const std::uint64_t size = first.size() + second.size(), begin = at_;
  uLong crc = 0;
  for (const std::string_view part : {first, second})
    crc = crc32_z(crc, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  std::string shared;  // the fields that header and directory entry share: version 4.5, UTF-8, 1980-01-01
  for (const unsigned n : {45u, 0x800u, 0u, 0u, 0x21u}) append_number(shared, n, 2);
  append_number(shared, crc, 4);
  append_number(shared, narrow_most, 4), append_number(shared, narrow_most, 4);
  append_number(shared, name.size(), 2);
  const auto with_sizes = [&](std::string s, int fields) {
    append_number(s, 1, 2), append_number(s, static_cast<std::uint64_t>(8 * fields), 2);
    append_number(s, size, 8), append_number(s, size, 8);
    return s;
  };
  std::string header = std::string(header_mark) + shared;
  append_number(header, 20, 2);
  write(with_sizes(header + name, 2));
  write(first), write(second);
  directory_ += std::string(entry_mark);
  append_number(directory_, 45, 2);
  directory_ += shared;
  append_number(directory_, 28, 2);
  append_number(directory_, 0, 6), append_number(directory_, 0, 4);  // no comment, first part, no attributes
  append_number(directory_, narrow_most, 4);
  directory_ = with_sizes(directory_ + name, 3);
  append_number(directory_, begin, 8);
  ++count_;
}

void ZipWriter::finish() {
  const std::uint64_t begin = at_, size = directory_.size();
  write(directory_);
  std::string end(wide_end_mark);
  append_number(end, wide_end_bytes - 12, 8);
  append_number(end, 45, 2), append_number(end, 45, 2), append_number(end, 0, 8);
  append_number(end, count_, 8), append_number(end, count_, 8), append_number(end, size, 8), append_number(end, begin, 8);
  end += locator_mark;
  append_number(end, 0, 4), append_number(end, begin + size, 8), append_number(end, 1, 4);
  end += end_mark;
  append_number(end, 0, 4), append_number(end, 0xFFFF, 2), append_number(end, 0xFFFF, 2);
  append_number(end, narrow_most, 4), append_number(end, narrow_most, 4), append_number(end, 0, 2);
  write(end);
}

}  // namespace gradus
