#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/safetensors_header.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace gradus {
namespace {

/// Bytes of the UTF-8 character that `s` begins with; 0 if that is none (cut, overlong, a surrogate, above 10FFFF).
std::size_t utf8_length(std::string_view s) {
  const auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a < 0xE0) return follows(1) ? 2 : 0;
  if (a >= 0xE0 && a < 0xF0)
    return follows(1) && follows(2) && (a != 0xE0 || b >= 0xA0) && (a != 0xED || b < 0xA0) ? 3 : 0;
  if (a >= 0xF0 && a < 0xF5)
    return follows(1) && follows(2) && follows(3) && (a != 0xF0 || b >= 0x90) && (a != 0xF4 || b < 0x90) ? 4 : 0;
  return 0;
}

void append_utf8(char*& to, std::uint32_t c) {
  if (c < 0x80) *to++ = static_cast<char>(c);
  else if (c < 0x800) *to++ = static_cast<char>(0xC0 | c >> 6);
  else if (c < 0x10000) *to++ = static_cast<char>(0xE0 | c >> 12);
  else *to++ = static_cast<char>(0xF0 | c >> 18), *to++ = static_cast<char>(0x80 | (c >> 12 & 63));
  if (c >= 0x800) *to++ = static_cast<char>(0x80 | (c >> 6 & 63));
  if (c >= 0x80) *to++ = static_cast<char>(0x80 | (c & 63));
}

/// Reads the header from front to end. Nothing is nested deeper than the format is, so neither is the reader.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, SafetensorsHeader& h, std::uint64_t most) : path_(path), h_(h), most_(most) {}

  void operator()() {
    bool metadata_seen = false;
    begin('{', "the header", "an object");
    members([&](std::string_view name) {
      if (name == metadata_key) {
        if (std::exchange(metadata_seen, true)) twice(name);
        return metadata();
      }
      if (name.find('\0') != name.npos) fail("the name \"", excerpt(name), "\" holds a NUL");
      if (h_.entries.size() == most_) too_many("tensors");
      tensor(name);
    });
    skip_spaces();
    if (at_ != text_.size()) fail_expecting("the end");
    throw_twins();
  }

 private:
  // ---- what the format says ----
  void tensor(std::string_view name) {
    constexpr std::string_view fields[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {};
    begin('{', join("\"", excerpt(name, 80), "\""), "an object for each name");
    TensorEntry& e = h_.entries.emplace_back();
    e.name = name;
    const std::string where = named(name);
    members([&](std::string_view field) {
      const auto which = static_cast<std::size_t>(std::find(fields, fields + 3, field) - fields);
      if (which == 3)
        fail(where, ": unknown field \"", excerpt(field), "\"; dtype, shape and data_offsets are the fields");
      if (std::exchange(seen[which], true)) fail(where, ": \"", field, "\" stands there twice");
      constexpr const char* right = "dtype as a string, shape and data_offsets as lists";
      if (which == 0) {
        begin('"', where, right);
        e.dtype_name = string();
      } else {
        begin('[', where, right);
        which == 1 ? shape(where, e.shape) : offsets(where, e);
      }
    });
    for (std::size_t i = 0; i < 3; ++i)
      if (!seen[i]) fail(where, ": \"", fields[i], "\" is missing");
  }

  void shape(const std::string& where, Shape& shape) {
    elements([&] {
      const std::uint64_t n = number(where, "whole numbers from 0");
      if (shape.rank() == max_rank) fail(where, ": more than ", max_rank, " axes, which are the most supported");
      if (n > std::uint64_t(1) << 62) fail(where, ": an axis of length ", n, " cannot be addressed");
      shape.push_back(static_cast<std::int64_t>(n));
    });
  }

  void offsets(const std::string& where, TensorEntry& e) {
    int count = 0;
    elements([&] {
      const std::uint64_t n = number(where, "two whole numbers from 0");
      if (count == 2) fail(where, ": data_offsets has more than two numbers");
      (count++ == 0 ? e.begin : e.end) = n;
    });
    if (count != 2) fail(where, ": data_offsets needs two numbers");
  }

  void metadata() {
    begin('{', join("\"", metadata_key, "\""), "an object");
    members([&](std::string_view key) {
      if (h_.metadata.size() == most_) too_many("keys in __metadata__");
      const auto [place, fresh] = h_.metadata.try_emplace(std::string(key));
      if (!fresh) fail("the key \"", excerpt(key), "\" stands twice in __metadata__");
      begin('"', std::string(metadata_key), "strings only");
      place->second = string();
    });
  }

  void throw_twins() const {
    std::vector<std::uint32_t> order(h_.entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    const auto name = [&](std::uint32_t i) { return h_.entries[i].name; };
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return name(a) < name(b); });
    const auto twin = std::adjacent_find(order.begin(), order.end(), [&](auto a, auto b) { return name(a) == name(b); });
    if (twin != order.end()) twice(name(*twin));
  }

  // ---- JSON ----
  /// Calls f(key) at each value of an object whose brace has been read.
  template <class F>
  void members(F&& f) {
    if (take('}')) return;
    do {
      if (!take('"')) fail_expecting("a name in quotes");
      const std::string_view key = string();
      if (!take(':')) fail_expecting("':'");
      f(key);
    } while (take(','));
    if (!take('}')) fail_expecting("',' or '}'");
  }
  template <class F>
  void elements(F&& f) {
    if (take(']')) return;
    do f();
    while (take(','));
    if (!take(']')) fail_expecting("',' or ']'");
  }

  /// The first character of a value; any other value is refused: "WHERE: null where RIGHT would be right".
  void begin(char first, const std::string& where, const char* right) {
    if (!take(first)) throw_value(where, right);
  }

  std::uint64_t number(const std::string& where, const char* right) {
    skip_spaces();
    const std::string_view all = digits();
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), n);
    const bool whole = error == std::errc() && end == all.data() + all.size();
    if (!whole || (all[0] == '0' && all.size() > 1)) throw_value(where, right);
    at_ += all.size();
    return n;
  }

  /// The rest of a string whose quote has been read, decoded in place: that is never longer.
  std::string_view string() {
    char* const begin = text_.data() + at_;
    char* to = begin;
    for (;;) {
      if (at_ == text_.size()) fail_expecting("the end of a string");
      const char c = text_[at_];
      if (c == '"') break;
      if (c == '\\') {
        ++at_;
        append_utf8(to, escape());
        continue;
      }
      const std::size_t n = utf8_length(std::string_view(text_).substr(at_, 4));
      if (n == 0) fail_expecting("UTF-8");
      if (static_cast<unsigned char>(c) < 0x20) fail_expecting("a printable character");
      for (std::size_t i = 0; i < n; ++i) *to++ = text_[at_++];
    }
    ++at_;
    return {begin, static_cast<std::size_t>(to - begin)};
  }

  std::uint32_t escape() {
    constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    if (const auto i = letters.find(c); i != letters.npos) return ++at_, static_cast<unsigned char>(meant[i]);
    const std::uint32_t first = unit();
    if (first < 0xD800 || first > 0xDFFF) return first;
    const bool pair = first < 0xDC00 && text_.compare(at_, 1, "\\") == 0;
    if (pair) ++at_;
    const std::uint32_t second = pair ? unit() : 0;
    if (second < 0xDC00 || second > 0xDFFF) fail_expecting("the other half of a surrogate pair");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }
  std::uint32_t unit() {
    std::uint32_t n = 0;
    const char* from = text_.data() + at_ + 1;
    const bool whole = at_ + 5 <= text_.size() && text_[at_] == 'u';
    if (!whole || std::from_chars(from, from + 4, n, 16).ptr != from + 4) fail_expecting("an escape");
    at_ += 5;
    return n;
  }

  void skip_spaces() {
    while (at_ < text_.size() && std::string_view(" \n\r\t").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view digits() const {
    const std::string_view rest = std::string_view(text_).substr(at_);
    return rest.substr(0, std::min(rest.find_first_not_of("0123456789+-.eE"), rest.size()));
  }

  // ---- messages ----
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    bad_file(path_, "header of a safetensors file: ", parts...);
  }
  [[noreturn]] void fail_expecting(const char* what) const {
    const std::string_view rest = std::string_view(text_).substr(at_);
    const std::string found = rest.empty() ? "nothing" : join("\"", excerpt(rest, 16), "\"");
    fail("not valid JSON: ", what, " was expected at byte ", at_, ", found ", found);
  }
  [[noreturn]] void twice(std::string_view name) const { fail("the name \"", excerpt(name, 80), "\" stands there twice"); }
  [[noreturn]] void too_many(const char* what) const {
    fail("more than ", grouped(most_), " ", what, "; a file may hold 65,536, or one for each 512 bytes if that is more");
  }
  [[noreturn]] void throw_value(const std::string& where, const char* right) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    std::string found;
    if (c == '{') found = "an object";
    else if (c == '[') found = "a list";
    else if (c == 't' || c == 'f') found = "a boolean";
    else if (c == 'n') found = "null";
    else if (c == '"') ++at_, found = join("the string \"", excerpt(string()), "\"");
    else if (c == '-') found = join("the negative number ", excerpt(digits()));
    else if (c >= '0' && c <= '9') found = join("the number ", excerpt(digits()));
    else fail_expecting("a value");
    fail(where, ": ", found, " where ", right, " would be right");
  }

  const std::string& path_;
  SafetensorsHeader& h_;
  std::string& text_ = h_.text;
  const std::uint64_t most_;
  std::size_t at_ = 0;
};

}  // namespace

void read_header(const std::string& path, SafetensorsHeader& h, std::uint64_t most) { HeaderReader(path, h, most)(); }

std::string named(std::string_view tensor) { return join("tensor \"", excerpt(tensor, 80), "\""); }

bool append_json(std::string& to, std::string_view s) {
  constexpr std::string_view meant = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  to += '"';
  while (!s.empty()) {
    const std::size_t n = utf8_length(s);
    if (n == 0) return false;
    const auto c = static_cast<unsigned char>(s[0]);
    if (const auto i = meant.find(s[0]); i != meant.npos) (to += '\\') += letters[i];
    else if (c < 0x20) ((to += "\\u00") += c < 16 ? '0' : '1') += "0123456789abcdef"[c & 15];
    else to += s.substr(0, n);
    s.remove_prefix(n);
  }
  to += '"';
  return true;
}

}  // namespace gradus
