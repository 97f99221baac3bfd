// PGM and PPM (netpbm's formats: a text header, then bytes; or all of it text).
#include <gradus/core/io/files.h>
#include <gradus/data/internal/image_decoders.h>

#include <vector>

namespace gradus::data {
namespace {

/// Reads the numbers of a header, and of a file that is text altogether.
class PnmScanner {
 public:
  PnmScanner(const std::string& path, const std::string& bytes) : path_(path), bytes_(bytes) {}

  /// The next number; spaces and comments (# to the end of the line) may stand before it.
  std::uint32_t number(const char* what) {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') at_ = std::min(bytes_.find('\n', at_), bytes_.size() - 1);
      ++at_;
    }
    const std::size_t begin = at_;
    std::uint32_t n = 0;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<std::uint32_t>(bytes_[at_] - '0');
      if (n > 1u << 28) bad_file(path_, "its ", what, " at byte ", begin, " is too large");
    }
    if (at_ == begin) bad_file(path_, "has no number at byte ", begin, ", where its ", what, " should stand");
    return n;
  }
  /// The one space that ends a header.
  void end_header() {
    if (at_ >= bytes_.size() || !is_space(bytes_[at_])) bad_file(path_, "has no space behind its header, at byte ", at_);
    ++at_;
  }
  std::size_t left() const { return bytes_.size() - at_; }
  std::uint32_t big_endian(std::uint32_t width) {
    std::uint32_t n = 0;
    for (; width > 0; --width) n = n << 8 | static_cast<unsigned char>(bytes_[at_++]);
    return n;
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  const std::string &path_, &bytes_;
  std::size_t at_ = 2;
};

}  // namespace

Array decode_pnm(const std::string& path, const std::string& bytes) {
  const char kind = bytes[1];
  const bool text = kind == '2' || kind == '3', colours = kind == '3' || kind == '6';
  if (!text && kind != '5' && kind != '6')
    bad_file(path, "is P", std::string(1, kind), "; of its kin P5, P6 and, as text, P2 and P3 are read");
  PnmScanner scan(path, bytes);
  const std::uint32_t width = scan.number("width"), height = scan.number("height"), most = scan.number("largest value");
  if (most < 1 || most > 65535) bad_file(path, "says its largest value is ", most, "; it must be 1 to 65535");
  scan.end_header();
  const std::uint64_t channels = colours ? 3 : 1, samples = std::uint64_t(width) * height * channels;
  const std::uint32_t each = most < 256 ? 1 : 2;
  const std::uint64_t needed = text ? samples * 2 - (samples > 0) : samples * each;  // a digit and a space each
  if (scan.left() < needed)
    bad_file(path, "has ", scan.left(), " bytes behind its header; ", height, " x ", width, " pixels take ",
             text ? "at least " : "", needed, "; it is cut short");
  Array image = image_room(path, channels, height, width);
  std::vector<unsigned char> row(width * channels);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (unsigned char& sample : row) {
      const std::uint32_t n = text ? scan.number("next pixel") : scan.big_endian(each);
      if (n > most) bad_file(path, "has a pixel of ", n, " in row ", y, "; its largest value is ", most);
      sample = static_cast<unsigned char>((n * 255 + most / 2) / most);
    }
    put_pixels(image, y, row.data(), static_cast<std::int64_t>(channels));
  }
  return image;
}

}  // namespace gradus::data
