#include <gradus/core/io/files.h>
#include <gradus/data/idx.h>

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <vector>

namespace gradus::data {
namespace {

namespace fs = std::filesystem;

std::string absolute(const std::string& path) {
  std::error_code failed;
  const auto p = fs::weakly_canonical(path, failed);
  return failed ? path : p.string();
}

std::string hex(std::uint32_t x) {
  std::string s = "0x00000000";
  for (std::size_t i = s.size(); x; x >>= 4) s[--i] = "0123456789abcdef"[x & 15];
  return s;
}

std::uint32_t big_endian(const unsigned char* p) {
  return std::uint32_t(p[0]) << 24 | std::uint32_t(p[1]) << 16 | std::uint32_t(p[2]) << 8 | p[3];
}

/// A file read from front to end. gzip is unpacked, member after member; nothing else may follow a member.
class File {
 public:
  explicit File(const std::string& path) : name_(absolute(path)), file_(checked(path)) {
    unsigned char start[2] = {};
    file_.read(0, start, static_cast<std::size_t>(std::min<std::int64_t>(size(), 2)));
    compressed_ = is_gzip(start);
    if (!compressed_) return;
    packed_.resize(1 << 16);
    if (inflateInit2(&z_, 15 + 16) != Z_OK) throw ResourceError("read_idx", name_ + ": no memory to unpack gzip");
  }
  ~File() {
    if (compressed_) inflateEnd(&z_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[noreturn]] void throw_error(const std::string& problem) const { throw DataError("read_idx", name_ + ": " + problem); }

  /// Reads up to n bytes; fewer only at the end of the data. A damaged gzip stream is refused, a cut one just ends.
  std::int64_t read(void* to, std::int64_t n) {
    if (compressed_) return unpack(static_cast<unsigned char*>(to), n);
    n = std::min(n, size() - at_);
    file_.read(static_cast<std::uint64_t>(at_), to, static_cast<std::size_t>(n));
    at_ += n;
    return n;
  }

  bool compressed() const { return compressed_; }
  std::int64_t size() const { return static_cast<std::int64_t>(file_.size()); }
  bool cut() const { return cut_; }  ///< the gzip stream ended before its checksum
  /// "the file has 12" or "the unpacked data ends after 12".
  std::string has(std::int64_t bytes) const {
    return join(compressed_ ? "the unpacked data ends after " : "the file has ", bytes);
  }

 private:
  static bool is_gzip(const unsigned char* two) { return two[0] == 0x1F && two[1] == 0x8B; }

  const std::string& checked(const std::string& path) const {
    std::error_code failed;
    const auto status = fs::status(path, failed);
    if (!fs::exists(status)) throw_error("there is no such file");
    if (!fs::is_regular_file(status))
      throw_error(fs::is_directory(status) ? "this is a folder; an IDX file was asked for" : "this is not a regular file");
    return path;
  }

  std::int64_t unpack(unsigned char* to, std::int64_t n) {
    std::int64_t done = 0;
    while (done < n && !cut_) {
      if (z_.avail_in == 0) refill();
      if (!in_member_ && !next_member()) break;
      const auto part = static_cast<unsigned>(std::min<std::int64_t>(n - done, 1 << 30));
      z_.next_out = to + done, z_.avail_out = part;
      const bool starved = z_.avail_in == 0;
      const int code = inflate(&z_, Z_NO_FLUSH);
      done += part - z_.avail_out;
      if (code == Z_MEM_ERROR) throw ResourceError("read_idx", name_ + ": no memory to unpack gzip");
      if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END)
        throw_error(
            join("the gzip data is damaged (", z_.msg ? z_.msg : "it needs a dictionary", "); fetch the file again"));
      in_member_ = code != Z_STREAM_END;
      cut_ = starved && code == Z_BUF_ERROR;
    }
    return done;
  }
  void refill() {
    const auto n = std::min(size() - at_, static_cast<std::int64_t>(packed_.size()));
    file_.read(static_cast<std::uint64_t>(at_), packed_.data(), static_cast<std::size_t>(n));
    at_ += n;
    z_.next_in = packed_.data(), z_.avail_in = static_cast<unsigned>(n);
  }
  /// False at the end of the file.
  bool next_member() {
    const std::int64_t left = size() - at_ + z_.avail_in;
    if (left == 0) return false;
    unsigned char start[2] = {};
    file_.read(static_cast<std::uint64_t>(size() - left), start, static_cast<std::size_t>(std::min<std::int64_t>(left, 2)));
    if (!is_gzip(start))
      throw_error(join(left, left == 1 ? " byte follows" : " bytes follow", " the gzip data; what follows is not gzip"));
    inflateReset(&z_);
    return in_member_ = true;
  }

  std::string name_;
  InputFile file_;
  std::int64_t at_ = 0;  // of the file, read so far
  bool compressed_ = false, in_member_ = false, cut_ = false;
  std::vector<unsigned char> packed_;
  z_stream z_{};
};

struct Header {
  unsigned char type = 0;
  Shape shape;
  std::int64_t element_bytes = 0, bytes = 0, data_bytes = 0;  // of one element, of the header, of what follows
  std::string text;                                           // "60000 x 28 x 28 u8"
};

std::int64_t bytes_of_type(unsigned type) {
  switch (type) {
    case 0x08:
    case 0x09: return 1;
    case 0x0B: return 2;
    case 0x0C:
    case 0x0D: return 4;
    case 0x0E: return 8;
    default: return 0;
  }
}

[[noreturn]] void throw_magic(const File& file, const unsigned char* m) {
  const std::uint32_t magic = big_endian(m);
  if (m[2] == 0 && m[3] == 0 && bytes_of_type(m[1]) && m[0] >= 1 && m[0] <= max_rank)
    file.throw_error(join("magic ", hex(magic), " is the byte-swapped ", hex(std::uint32_t(m[1]) << 8 | m[0]),
                          "; this file is little-endian, IDX is big-endian"));
  if (m[0] == 0 && m[1] == 0 && bytes_of_type(m[2]) && m[3] > max_rank)
    file.throw_error(join("magic ", hex(magic), " declares ", int(m[3]), " axes; at most ", max_rank, " are supported"));
  if (m[0] == 0 && m[1] == 0 && bytes_of_type(m[2]) && m[3])
    file.throw_error(join("magic ", hex(magic), " declares elements of type ", hex(m[2]).substr(8),
                          " (8- or 16-bit signed); supported are 08 (u8), 0c (i32), 0d (f32) and 0e (f64)"));
  file.throw_error(
      join("not an IDX file (magic ", hex(magic), "); IDX images begin with 0x00000803, IDX labels with 0x00000801"));
}

Header read_header(File& file) {
  unsigned char m[4], lengths[4 * max_rank];
  if (const auto got = file.read(m, 4); got < 4)
    file.throw_error(join("too short for an IDX file; its magic number takes 4 bytes, ", file.has(got)));
  Header h;
  const unsigned rank = m[3];
  h.type = m[2];
  h.element_bytes = bytes_of_type(h.type);
  if (m[0] || m[1] || rank < 1 || rank > max_rank || !h.element_bytes || h.type == 0x09 || h.type == 0x0B)
    throw_magic(file, m);
  h.bytes = 4 + 4 * std::int64_t(rank);
  if (const auto got = file.read(lengths, h.bytes - 4); got < h.bytes - 4)
    file.throw_error(join("cut short in the header: ", rank, " axes need ", h.bytes, " bytes, ", file.has(got + 4)));

  h.data_bytes = h.element_bytes;
  bool overflow = false;
  for (unsigned i = 0; i < rank; ++i) {
    const std::int64_t n = big_endian(lengths + 4 * i);
    h.shape.push_back(n);
    overflow |= __builtin_mul_overflow(h.data_bytes, std::max<std::int64_t>(n, 1), &h.data_bytes);
    h.text += (i ? " x " : "") + std::to_string(n);
  }
  overflow |= h.data_bytes > INT64_MAX / 4;  // leaves room for the header and for i32 widened to i64
  if (overflow) file.throw_error(join("header says ", h.text, ", more than any file can hold; the header is damaged"));
  if (std::find(h.shape.begin(), h.shape.end(), 0) != h.shape.end()) h.data_bytes = 0;
  h.text += h.type == 0x08 ? " u8" : h.type == 0x0C ? " i32" : h.type == 0x0D ? " f32" : " f64";
  return h;
}

[[noreturn]] void throw_cut(const File& file, const Header& h, std::int64_t bytes) {
  file.throw_error(join("header says ", h.text, " (", h.bytes + h.data_bytes, " bytes), ", file.has(bytes),
                        "; it is cut short, fetch it again"));
}

/// Refuses what the size of the file rules out, before memory is taken. Deflate shrinks to no less than 1/1032; a claim that
/// images do not make, by 1/16, is counted first.
void check_size(const std::string& path, const File& file, const Header& h) {
  const std::int64_t declared = h.bytes + h.data_bytes;
  if (!file.compressed()) {
    if (declared > file.size()) throw_cut(file, h, file.size());
    if (declared < file.size())
      file.throw_error(
          join("header says ", h.text, " (", declared, " bytes), the file has ", file.size(), "; what follows is not IDX"));
  } else if (declared / 1032 > file.size()) {
    file.throw_error(
        join("header says ", h.text, " (", declared, " bytes), which ", file.size(), " bytes of gzip cannot hold"));
  } else if (declared > 16 * file.size() + (1 << 20)) {
    File again(path);
    std::vector<char> some(1 << 16);
    std::int64_t bytes = 0, got = 1;
    while (got > 0 && bytes < declared) bytes += got = again.read(some.data(), static_cast<std::int64_t>(some.size()));
    if (bytes < declared) throw_cut(file, h, bytes);
  }
}

template <class Bits, class To> void decode(Array& out, const char* raw) {
  To* to = out.uninitialized<To>();
  for (std::int64_t i = out.size(); i-- > 0;) {  // from the back: `raw` may be the front of `out`
    Bits bits = 0;
    for (std::size_t k = 0; k < sizeof(Bits); ++k)
      bits = bits << 8 | static_cast<unsigned char>(raw[static_cast<std::size_t>(i) * sizeof(Bits) + k]);
    if constexpr (std::is_same_v<To, std::int64_t>) to[i] = static_cast<std::int32_t>(bits);
    else to[i] = std::bit_cast<To>(bits);
  }
}

/// Elements arrive at the front of the Array and are turned into the machine's order in place.
Array read_elements(File& file, const Header& h) {
  Array out(h.shape, h.type == 0x08 ? u8 : h.type == 0x0C ? i64 : h.type == 0x0D ? f32 : f64);
  char* raw = out.uninitialized<char>();
  if (const auto got = file.read(raw, h.data_bytes); got < h.data_bytes) throw_cut(file, h, h.bytes + got);
  char more;
  if (file.read(&more, 1) != 0)
    file.throw_error(
        join("header says ", h.text, " (", h.bytes + h.data_bytes, " bytes), the data goes on; what follows is not IDX"));
  if (file.cut()) file.throw_error("the gzip data ends before its checksum; the file is cut short, fetch it again");
  if (h.type == 0x0C) decode<std::uint32_t, std::int64_t>(out, raw);
  if (h.type == 0x0D) decode<std::uint32_t, float>(out, raw);
  if (h.type == 0x0E) decode<std::uint64_t, double>(out, raw);
  return out;
}

// ---- MNIST ----------------------------------------------------------------------------------------------------------

/// What lies in the folder, for a message: the first few names.
std::string contents(const fs::path& folder) {
  std::error_code failed;
  std::vector<std::string> names;
  for (fs::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed))
    names.push_back(i->path().filename().string());
  if (failed) return "no such folder";
  if (names.empty()) return "nothing";
  std::sort(names.begin(), names.end());
  std::string s;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) s += (i ? ", " : "") + names[i];
  return names.size() > 5 ? s + join(" and ", names.size() - 5, " more") : s;
}

/// The first of the four spellings that exists, or "".
std::string find_file(const fs::path& folder, const std::string& stem, const std::string& kind) {
  std::error_code failed;
  for (const char* joint : {"-", "."})
    for (const char* ending : {"", ".gz"})
      if (const fs::path p = folder / (stem + joint + kind + ending); fs::is_regular_file(p, failed)) return p.string();
  return "";
}

std::string find_or_refuse(const std::string& folder, const std::string& stem, const std::string& kind) {
  if (auto path = find_file(folder, stem, kind); !path.empty()) return path;
  std::string hint;
  std::error_code failed;
  for (fs::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed))
    if (hint.empty() && i->is_directory(failed) && !find_file(i->path(), stem, kind).empty())
      hint = "the folder " + absolute(i->path().string());
  throw DataError("load_mnist",
                  join("looked for ", stem, "-", kind, ", ", stem, ".", kind, " (plain or .gz) in ", absolute(folder),
                       "; found: ", contents(folder)),
                  hint);
}

}  // namespace

Array read_idx(const std::string& path) {
  File file(path);
  const Header header = read_header(file);
  check_size(path, file, header);
  return read_elements(file, header);
}

ImageSet load_mnist(const std::string& folder, bool train) {
  const std::string set = train ? "train" : "t10k";
  const auto images_path = find_or_refuse(folder, set + "-images", "idx3-ubyte");
  const auto labels_path = find_or_refuse(folder, set + "-labels", "idx1-ubyte");
  const ImageSet all{read_idx(images_path), read_idx(labels_path)};
  auto require = [](bool fine, const std::string& path, const auto&... problem) {
    if (!fine) throw DataError("load_mnist", join(absolute(path), ": ", problem...));
  };
  require(all.images.dtype() == u8 && all.images.rank() == 3, images_path, "holds ", describe(all.images),
          "; images are u8[N, height, width]");
  require(all.labels.dtype() == u8 && all.labels.rank() == 1, labels_path, "holds ", describe(all.labels),
          "; labels are u8[N]");
  require(all.images.dim(0) == all.labels.dim(0), labels_path, all.images.dim(0), " images, ", all.labels.dim(0),
          " labels; both files must be of the same set");
  const auto* label = all.labels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < all.labels.size(); ++i)
    require(label[i] < 10, labels_path, "label ", int(label[i]), " at item ", i, "; labels must be 0 to 9");
  return all;
}

}  // namespace gradus::data
