// Files of the byte-pair tokenizer: the lines of GPT-2's merges.txt.
#include <gradus/core/io/files.h>
#include <gradus/data/internal/gpt2_text.h>
#include <gradus/data/tokenizer.h>

namespace gradus::data {
namespace {

constexpr std::string_view version_mark = "#version: 0.2", bytes_mark = "#bytes: ";

/// Lines of a text, counted from 1; an end of line as on Windows is one, too.
class LineReader {
 public:
  LineReader(const std::string& path, std::string_view text) : path_(path), rest_(text) {}
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return true;
  }
  template <class... Parts> [[noreturn]] void fail(const Parts&... parts) const {
    throw DataError(join(path_, ":", number_), join(parts...));
  }

 private:
  const std::string& path_;
  std::string_view rest_;
  std::int64_t number_ = 0;
};

/// The bytes that the second line names, each once, in their order.
std::string known_bytes(const LineReader& lines, std::string_view print) {
  std::string bytes;
  if (!read_printed(print, bytes)) lines.fail("\"", excerpt(print), "\" is no list of bytes as this file prints them");
  std::size_t last = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t place = byte_order().find(bytes[i]);
    if (i > 0 && place <= last)
      lines.fail("byte ", int(static_cast<unsigned char>(bytes[i])), " is there twice, or not in the order of GPT-2");
    last = place;
  }
  return bytes;
}

}  // namespace

BytePairTokenizer BytePairTokenizer::load(const std::string& path) {
  const std::string text = read_file(path);
  LineReader lines(path, text);
  std::string_view line;
  if (!lines.next(line) || line != version_mark)
    bad_file(path, "is no tokenizer: its first line must be \"", version_mark, "\", as in GPT-2's merges.txt");
  bool more = lines.next(line);
  const bool some = more && line.starts_with(bytes_mark);
  BytePairTokenizer made(some ? known_bytes(lines, line.substr(bytes_mark.size())) : byte_order());
  if (some) more = lines.next(line);

  std::unordered_map<std::string, Token> known;
  for (std::size_t t = 0; t < made.tokens_.size(); ++t) known.emplace(made.tokens_[t], static_cast<Token>(t));
  for (; more; more = lines.next(line)) {
    const auto token_of = [&](std::string_view print) {
      std::string token;
      if (!read_printed(print, token)) lines.fail("\"", excerpt(line), "\" is no pair of tokens with a space between them");
      const auto found = known.find(token);
      if (found == known.end()) lines.fail("the token \"", excerpt(print), "\" is not made in a line above");
      return found->second;
    };
    const std::size_t space = std::min(line.find(' '), line.size());
    const Token left = token_of(line.substr(0, space));
    const Token right = token_of(line.substr(std::min(space + 1, line.size())));
    const Token token = made.add_merge({left, right});
    if (!known.emplace(made.tokens_.back(), token).second)  // where bytes may be cut, only one merge can make a token
      lines.fail("the token of \"", excerpt(line), "\" is there already");
  }
  return made;
}

void BytePairTokenizer::save(const std::string& path) const {
  std::string text = std::string(version_mark) + "\n";
  const std::size_t bytes = tokens_.size() - merges_.size();
  if (bytes < byte_order().size()) {
    text += bytes_mark;
    for (std::size_t t = 0; t < bytes; ++t) text += printed(tokens_[t]);
    text += "\n";
  }
  for (const auto& [left, right] : merges_)
    text +=
        printed(tokens_[static_cast<std::size_t>(left)]) + " " + printed(tokens_[static_cast<std::size_t>(right)]) + "\n";
  write_atomically(path, text);
}

}  // namespace gradus::data
