#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/npy_format.h>
#include <gradus/core/io/npy.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace gradus {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct Header {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  std::vector<std::int64_t> lengths;
};

/// Reads the Python literal of a header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class DictReader {
 public:
  DictReader(std::string_view text, int version, const std::string& path) : text_(text), version_(version), path_(path) {}

  Header operator()() {
    Header h;
    bool seen[3] = {};
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0) fail(join("unknown key \"", excerpt(key), "\"; descr, fortran_order and shape are the keys"));
      if (std::exchange(seen[which], true)) fail(join("key \"", key, "\" stands there twice"));
      if (which == 0) h.descr = descr();
      if (which == 1) h.fortran_order = boolean_value();
      if (which == 2) h.lengths = tuple();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    const char* names[] = {"descr", "fortran_order", "shape"};
    for (int i = 0; i < 3; ++i)
      if (!seen[i]) fail(join("key \"", names[i], "\" is missing"));
    skip_spaces();
    if (at_ != text_.size()) fail(join("\"", excerpt(text_.substr(at_)), "\" follows the closing brace"));
    if (text_.back() != '\n') fail("it does not end with a line end");
    return h;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { bad_file(path_, "header of a .npy file: ", what); }
  [[noreturn]] void fail_expecting(const char* what) const {
    const auto found = text_.substr(std::min(at_, text_.size()), 16);
    fail(join(what, " was expected at byte ", at_, ", found \"", excerpt(found), "\""));
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(std::string_view word) {
    skip_spaces();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool take(char c) { return take(std::string_view(&c, 1)); }
  void expect(char c) {
    const char shown[] = {'\'', c, '\'', 0};
    if (!take(c)) fail_expecting(shown);
  }
  std::string string() {
    const char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    const auto end = quote ? text_.find(quote, at_) : std::string_view::npos;
    if (end == std::string_view::npos) fail_expecting("a quoted string");
    const std::string s(text_.substr(at_, end - at_));
    at_ = end + 1;
    return s;
  }
  std::string descr() {
    if (take('[')) fail("descr is a list: records of several fields are not read; save one field");
    return string();
  }
  bool boolean_value() {
    if (take("True")) return true;
    if (!take("False")) fail_expecting("True or False");
    return false;
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> lengths;
    expect('(');
    while (!take(')')) {
      skip_spaces();
      std::int64_t n = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
      if (error == std::errc::result_out_of_range) fail("a length in shape exceeds 64 bits");
      if (error != std::errc()) fail_expecting("an axis length");
      if (n < 0) fail(join("shape has a negative length, ", n));
      const auto behind = static_cast<std::size_t>(end - text_.data());
      if (text_[at_] == '0' && behind > at_ + 1) fail_expecting("a length without leading zeros");
      at_ = std::min(text_.find_first_not_of(' ', behind), text_.size());
      if (text_.substr(at_, 1) == "L" && take('L') && version_ > 2)
        fail(join("the length ", n, "L is written as in Python 2, which has no version 3.0 of the format"));
      lengths.push_back(n);
      if (take(',')) continue;
      if (lengths.size() == 1) fail_expecting("',' (a tuple of one is written (3,))");
      expect(')');
      break;
    }
    return lengths;
  }

  std::string_view text_;
  int version_;  // the suffix of 2L, which Python 2 wrote for 2, is accepted in the versions that it wrote
  const std::string& path_;
  std::size_t at_ = 0;
};

/// The type code of NumPy's other spellings: one letter (C's types, a long has 8 bytes), or the name without byte order.
std::string code_of(const std::string& type, bool ordered) {
  constexpr std::pair<std::string_view, const char*> spellings[] = {
      {"?", "b1"},      {"b", "i1"},       {"B", "u1"},       {"h", "i2"},       {"H", "u2"},      {"i", "i4"},
      {"I", "u4"},      {"l", "i8"},       {"L", "u8"},       {"q", "i8"},       {"Q", "u8"},      {"p", "i8"},
      {"P", "u8"},      {"e", "f2"},       {"f", "f4"},       {"d", "f8"},       {"bool", "b1"},   {"int8", "i1"},
      {"int16", "i2"},  {"int32", "i4"},   {"int64", "i8"},   {"uint8", "u1"},   {"uint16", "u2"}, {"uint32", "u4"},
      {"uint64", "u8"}, {"float16", "f2"}, {"float32", "f4"}, {"float64", "f8"}, {"half", "f2"},   {"single", "f4"},
      {"double", "f8"}, {"float", "f8"},   {"int", "i8"}};
  for (const auto& [spelling, code] : spellings)
    if (type == spelling && (spelling.size() == 1 || !ordered)) return code;
  return type;
}

StoredElement element_of(const std::string& descr, const std::string& path) {
  const bool ordered = descr.find_first_of("<>|=") == 0;  // a type without byte order has this machine's, as in NumPy
  const std::string type = code_of(descr.substr(ordered), ordered);
  const StoredElement known[] = {{'f', 2, false, f32}, {'f', 4, false, f32}, {'f', 8, false, f64}, {'i', 1, false, i64},
                                 {'i', 2, false, i64}, {'i', 4, false, i64}, {'i', 8, false, i64}, {'u', 1, false, u8},
                                 {'u', 2, false, i64}, {'u', 4, false, i64}, {'u', 8, false, i64}, {'b', 1, false, boolean}};
  for (StoredElement e : known) {
    if (type != e.kind + std::to_string(e.bytes)) continue;
    e.swapped = descr[0] == '>' && e.bytes > 1;
    return e;
  }
  if (type == "object" || type.starts_with('O'))
    bad_file(path, "descr '", excerpt(descr), "' holds Python objects, which are programs; they are never read");
  bad_file(path, "descr '", excerpt(descr), "' is not read; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 are");
}

/// The text of the header; `data` becomes the offset of the elements, `version` the format's version.
std::string npy_header(const std::string& path, std::uint64_t size, const ByteSource& source, std::uint64_t& data,
                       int& version) {
  unsigned char start[12] = {};
  const auto have = static_cast<std::size_t>(std::min<std::uint64_t>(size, 10));
  source(start, have);
  const std::string_view first(reinterpret_cast<const char*>(start), std::min<std::size_t>(have, 8));
  if (first.substr(0, magic.size()) != magic) bad_file(path, "not a .npy file (starts with \"", excerpt(first), "\")");
  const int major = static_cast<signed char>(start[6]), minor = static_cast<signed char>(start[7]);
  if (have >= 8 && (major < 1 || major > 3 || minor != 0))
    bad_file(path, ".npy version ", major, ".", minor, " is not read; 1.0, 2.0 and 3.0 are");
  version = major;
  const std::uint64_t prefix = major == 1 ? 10 : 12;
  if (size < prefix) bad_file(path, "truncated: a .npy file of ", size, " bytes has no header");
  source(start + 10, static_cast<std::size_t>(prefix - 10));
  std::uint64_t length = 0;
  for (std::size_t i = static_cast<std::size_t>(prefix); i-- > 8;) length = length << 8 | start[i];
  constexpr std::uint64_t longest_header = 10'000;  // NumPy's own limit
  if (length > longest_header)
    bad_file(path, "header of a .npy file: its length is said to be ", grouped(length), " bytes, at most ",
             grouped(longest_header), " are read");
  if (length == 0) bad_file(path, "header of a .npy file: it is empty");
  data = prefix + length;
  if (data > size) bad_file(path, "truncated: the header takes ", grouped(data), " bytes, the file has ", grouped(size));
  std::string text(static_cast<std::size_t>(length), '\0');
  source(text.data(), text.size());
  return text;
}

void check_length(const std::string& path, std::uint64_t size, const Header& h, const StoredElement& e, std::uint64_t data) {
  if (h.lengths.size() > max_rank)
    bad_file(path, "shape has ", h.lengths.size(), " axes; at most ", max_rank, " are supported");
  const Shape shape(h.lengths.data(), static_cast<int>(h.lengths.size()));
  std::uint64_t bytes = 0;
  if (!byte_count(shape, std::max(e.bytes, bytes_of(e.dtype)), bytes) || !byte_count(shape, e.bytes, bytes))
    bad_file(path, "shape ", shape, " of ", h.descr, " needs more bytes than can be addressed");
  const std::uint64_t expected = data + bytes;
  if (size < expected)
    bad_file(path, "truncated: header says ", h.descr, shape, ", ", grouped(expected), " bytes in all, the file has ",
             grouped(size));
  if (size > expected)
    bad_file(path, grouped(size - expected), " bytes follow the data; header says ", h.descr, shape, ", ", grouped(expected),
             " bytes in all");
}

}  // namespace

Array read_npy(const std::string& path, std::uint64_t size, const ByteSource& source) {
  std::uint64_t data = 0;
  int version = 0;
  const std::string text = npy_header(path, size, source, data, version);
  Header h = DictReader(text, version, path)();
  const StoredElement e = element_of(h.descr, path);
  check_length(path, size, h, e, data);
  if (h.fortran_order) std::reverse(h.lengths.begin(), h.lengths.end());
  Array a(Shape(h.lengths.data(), static_cast<int>(h.lengths.size())), e.dtype, "load_npy");
  if (const int64_t done = read_elements(a, e, source); done < a.size())
    bad_file(path, "element ", done, " of type ", std::string(1, e.kind), e.bytes, " is not a value that ", e.dtype,
             " can hold");
  if (!h.fortran_order) return a;
  std::vector<int> axes;
  for (int i = a.rank(); i-- > 0;) axes.push_back(i);
  return a.permute(axes).contiguous();
}

Array load_npy(const std::string& path) {
  const InputFile file(path);
  std::uint64_t at = 0;
  return read_npy(path, file.size(), [&](void* to, std::size_t bytes) {
    file.read(at, to, bytes);
    at += bytes;
  });
}

std::string npy_preamble(const std::string& path, const Array& a) {
  if (!a.defined()) bad_file(path, "an absent array cannot be saved");
  constexpr const char* descr[] = {"<f4", "<f8", "<i8", "|u1", "|b1"};
  std::string shape;
  for (const int64_t n : a.shape()) shape += (shape.empty() ? "" : ", ") + std::to_string(n);
  if (a.rank() == 1) shape += ',';
  std::string header =
      join("{'descr': '", descr[static_cast<int>(a.dtype())], "', 'fortran_order': False, 'shape': (", shape, "), }");
  const std::size_t prefix = magic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ') += '\n';  // the data begin at a multiple of 64
  const char version_and_length[] = {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return std::string(magic).append(version_and_length, 4) += header;
}

void save_npy(const std::string& path, const Array& a) {
  const std::string preamble = npy_preamble(path, a);
  const Array dense = a.contiguous();
  write_atomically(path, [&](OutputFile& out) {
    out.write(preamble);
    out.write(dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype()));
  });
}

}  // namespace gradus
