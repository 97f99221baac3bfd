#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/json.h>
#include <gradus/core/io/read_number.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace gradus {
namespace {

/// Bytes of the UTF-8 character at the start of `s`; 0 if it is invalid (cut, overlong, a surrogate, above 10FFFF).
std::size_t utf8_length(std::string_view s) {
  const auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a < 0xE0) return follows(1) ? 2 : 0;
  if (a >= 0xE0 && a < 0xF0) return follows(1) && follows(2) && (a != 0xE0 || b >= 0xA0) && (a != 0xED || b < 0xA0) ? 3 : 0;
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

/// Recursive descent into a JsonValue.
class JsonReader final : public JsonScanner {
 public:
  JsonReader(std::string& text, const std::string& who) : JsonScanner(text), who_(who) {}
  JsonValue whole() {
    JsonValue all = value(0);
    end();
    return all;
  }

 private:
  void throw_error(const std::string& problem) const override { throw DataError(who_, problem); }

  JsonValue value(int depth) {
    constexpr int deepest = 64;
    if (depth == deepest) fail("not valid JSON here: nested too deeply");
    if (take('{')) return object(depth);
    if (take('[')) {
      JsonValue::List list;
      elements([&] { list.push_back(value(depth + 1)); });
      return list;
    }
    if (take('"')) return std::string(string());
    const std::pair<std::string_view, JsonValue> words[] = {{"true", true}, {"false", false}, {"null", {}}};
    for (const auto& [word, meant] : words)
      if (text_.compare(at_, word.size(), word) == 0) return at_ += word.size(), meant;
    const std::string_view all = digits();
    double x = 0;
    const auto [stop, error] = read_number(all.data(), all.data() + all.size(), x);
    if (all.empty() || error != std::errc() || stop != all.data() + all.size()) fail_expecting("a value");
    at_ += all.size();
    return x;
  }
  JsonValue object(int depth) {
    JsonValue::Object all;
    members([&](std::string_view name) {
      const auto [place, added] = all.try_emplace(std::string(name));
      if (!added) fail(join("the name \"", excerpt(name, 80), "\" stands there twice"));
      place->second = value(depth + 1);
    });
    return all;
  }

  const std::string& who_;
};

void append(std::string& to, const JsonValue& v) {
  const auto quoted = [&](const std::string& s) {
    if (!append_json(to, s))
      throw DataError("JSON", join("\"", excerpt(s, 80), "\" is not valid UTF-8, so it cannot be saved"));
  };
  const auto list = [&](char open, const auto& all, char close, auto one) {
    to += open;
    for (const char* separator = ""; const auto& x : all) to += separator, one(x), separator = ",";
    to += close;
  };
  if (const auto* b = v.get_if<bool>()) to += *b ? "true" : "false";
  else if (const auto* x = v.get_if<double>()) to += std::isfinite(*x) ? text(*x) : "null";
  else if (const auto* s = v.get_if<std::string>()) quoted(*s);
  else if (const auto* all = v.get_if<JsonValue::List>())
    list('[', *all, ']', [&](const JsonValue& one) { append(to, one); });
  else if (const auto* object = v.get_if<JsonValue::Object>())
    list('{', *object, '}', [&](const auto& m) { quoted(m.first), to += ':', append(to, m.second); });
  else to += "null";
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto* object = get_if<Object>();
  const auto at = object ? object->find(name) : Object::const_iterator();
  return object && at != object->end() ? &at->second : nullptr;
}

JsonValue& JsonValue::operator[](std::string_view name) {
  if (!get_if<Object>()) value_ = Object();
  return std::get<Object>(value_)[std::string(name)];
}

void JsonValue::push_back(JsonValue x) {
  if (!get_if<List>()) value_ = List();
  std::get<List>(value_).push_back(std::move(x));
}

std::string to_string(const JsonValue& value) {
  std::string s;
  append(s, value);
  return s;
}

JsonValue parse_json(const std::string& text, const std::string& who) {
  std::string decoded = text;
  return JsonReader(decoded, who).whole();
}

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

// ---- the scanner -----------------------------------------------------------------------------------------------------

std::string_view JsonScanner::string() {
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

std::uint32_t JsonScanner::escape() {
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

std::uint32_t JsonScanner::unit() {
  std::uint32_t n = 0;
  const char* from = text_.data() + at_ + 1;
  const bool whole = at_ + 5 <= text_.size() && text_[at_] == 'u';
  if (!whole || std::from_chars(from, from + 4, n, 16).ptr != from + 4) fail_expecting("an escape");
  at_ += 5;
  return n;
}

void JsonScanner::skip_spaces() {
  while (at_ < text_.size() && std::string_view(" \n\r\t").find(text_[at_]) != std::string_view::npos) ++at_;
}

bool JsonScanner::take(char c) {
  skip_spaces();
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonScanner::end() {
  skip_spaces();
  if (at_ != text_.size()) fail_expecting("the end");
}

std::string_view JsonScanner::digits() const {
  const std::string_view rest = std::string_view(text_).substr(at_);
  return rest.substr(0, std::min(rest.find_first_not_of("0123456789+-.eE"), rest.size()));
}

void JsonScanner::fail(const std::string& problem) const {
  throw_error(problem);
  std::abort();  // unreachable: throw_error() does not return
}

void JsonScanner::fail_expecting(const char* what) const {
  const std::string_view rest = std::string_view(text_).substr(at_);
  const std::string found = rest.empty() ? "nothing" : join("\"", excerpt(rest, 16), "\"");
  fail(join("not valid JSON: ", what, " was expected at byte ", at_, ", found ", found));
}

}  // namespace gradus
