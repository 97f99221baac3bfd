#include <gradus/data/internal/gpt2_text.h>

#include <algorithm>

namespace gradus::data {
namespace {

constexpr std::size_t printing_bytes = 94 + 12 + 82;

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

enum class CharacterKind { white, letter, digit, other };

CharacterKind kind_of(char c) {
  if (is_white(c)) return CharacterKind::white;
  if (c >= '0' && c <= '9') return CharacterKind::digit;
  const bool letter = static_cast<unsigned char>(c) >= 128 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter ? CharacterKind::letter : CharacterKind::other;
}

}  // namespace

std::string_view first_word(std::string_view text) {
  for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
    if (text.starts_with(ending)) return text.substr(0, ending.size());
  const std::size_t begin = text[0] == ' ' && text.size() > 1 && !is_white(text[1]);
  const CharacterKind kind = kind_of(text[begin]);
  std::size_t end = begin;
  while (end < text.size() && kind_of(text[end]) == kind) ++end;
  if (kind == CharacterKind::white && end < text.size() && end > 1) --end;  // the last one may belong to the next word
  return text.substr(0, end);
}

const std::string& byte_order() {
  static const std::string order = [] {
    const auto prints = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b != 173); };
    std::string all;
    for (const bool wanted : {true, false})
      for (int b = 0; b < 256; ++b)
        if (prints(b) == wanted) all += static_cast<char>(b);
    return all;
  }();
  return order;
}

std::string printed(std::string_view token) {
  std::string print;
  for (const char c : token) {
    const std::size_t place = byte_order().find(c);
    const unsigned code =
        place < printing_bytes ? static_cast<unsigned char>(c) : 256 + static_cast<unsigned>(place - printing_bytes);
    if (code >= 128) print += static_cast<char>(0xC0 | code >> 6);
    print += static_cast<char>(code < 128 ? code : 0x80 | (code & 0x3F));
  }
  return print;
}

bool read_printed(std::string_view print, std::string& token) {
  token.clear();
  for (std::size_t i = 0; i < print.size(); ++i) {
    unsigned code = static_cast<unsigned char>(print[i]);
    if (code >= 0x80) {
      if (code < 0xC2 || code > 0xDF || i + 1 == print.size() || (print[i + 1] & 0xC0) != 0x80) return false;
      code = (code & 0x1F) << 6 | (static_cast<unsigned char>(print[++i]) & 0x3F);
    }
    const std::size_t place = code < 256 ? byte_order().find(static_cast<char>(code)) : code - 256 + printing_bytes;
    if (place >= (code < 256 ? printing_bytes : 256)) return false;
    token += byte_order()[place];
  }
  return !print.empty();
}

}  // namespace gradus::data
