#include <gradus/core/error.h>
#include <gradus/data/internal/gpt2_text.h>
#include <gradus/data/internal/symbols.h>
#include <gradus/data/tokenizer.h>

#include <algorithm>
#include <queue>

namespace gradus::data {

std::size_t BytePairTokenizer::HashOfPair::operator()(const Pair& p) const {
  const auto both = static_cast<std::uint64_t>(p.first) << 32 | static_cast<std::uint32_t>(p.second);
  return static_cast<std::size_t>(both * 0x9E3779B97F4A7C15u >> 16);
}

BytePairTokenizer::BytePairTokenizer(const std::string& bytes) {
  std::fill(std::begin(of_byte_), std::end(of_byte_), -1);
  for (const char c : bytes) {
    of_byte_[static_cast<unsigned char>(c)] = static_cast<Token>(tokens_.size());
    tokens_.emplace_back(1, c);
  }
}

BytePairTokenizer::Token BytePairTokenizer::add_merge(Pair pair) {
  const auto token = static_cast<Token>(tokens_.size());
  tokens_.push_back(tokens_[static_cast<std::size_t>(pair.first)] + tokens_[static_cast<std::size_t>(pair.second)]);
  merges_.push_back(pair);
  merged_.emplace(pair, token);
  return token;
}

std::vector<BytePairTokenizer::Token> BytePairTokenizer::split_bytes(std::string_view word, std::size_t at) const {
  std::vector<Token> found(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    found[i] = of_byte_[static_cast<unsigned char>(word[i])];
    if (found[i] < 0)
      throw DataError("BytePairTokenizer",
                      join("byte ", int(static_cast<unsigned char>(word[i])), " at ", at + i,
                           " is no token; this tokenizer was trained without byte_fallback on a text that has none"),
                      "BytePairTokenizer::train(text, {.byte_fallback = true})");
  }
  return found;
}

/// The earliest merge first, from left to right. Tokens that are taken become -1; a heap holds the pairs that were seen, so
/// that a word of n bytes takes n log n.
void BytePairTokenizer::merge(std::vector<Token>& word) const {
  struct Seen {
    Token token;  // that the pair becomes
    std::size_t left, right;
    bool operator<(const Seen& s) const { return token != s.token ? token > s.token : left > s.left; }
  };
  const std::size_t n = word.size();
  std::vector<std::size_t> before(n), behind(n);
  std::priority_queue<Seen> heap;
  const auto look_at = [&](std::size_t left, std::size_t right) {
    const auto found = merged_.find({word[left], word[right]});
    if (found != merged_.end()) heap.push({found->second, left, right});
  };
  for (std::size_t i = 0; i < n; ++i) before[i] = i - 1, behind[i] = i + 1;
  for (std::size_t i = 0; i + 1 < n; ++i) look_at(i, i + 1);
  while (!heap.empty()) {
    const auto [token, left, right] = heap.top();
    heap.pop();
    if (word[left] < 0 || word[right] < 0 || behind[left] != right) continue;
    if (merges_[static_cast<std::size_t>(token) - (tokens_.size() - merges_.size())] != Pair{word[left], word[right]})
      continue;
    word[left] = token, word[right] = -1;
    behind[left] = behind[right];
    if (behind[left] < n) before[behind[left]] = left, look_at(left, behind[left]);
    if (left > 0) look_at(before[left], left);
  }
  std::erase(word, -1);
}

Array BytePairTokenizer::encode(const std::string& text) const {
  std::vector<Token> all;
  std::unordered_map<std::string_view, std::vector<Token>> known;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view word = first_word(std::string_view(text).substr(at));
    auto& tokens = known[word];
    if (tokens.empty()) {
      tokens = split_bytes(word, at);
      merge(tokens);
    }
    all.insert(all.end(), tokens.begin(), tokens.end());
    at += word.size();
  }
  Array found({static_cast<std::int64_t>(all.size())}, i64);
  std::copy(all.begin(), all.end(), found.uninitialized<std::int64_t>());
  return found;
}

std::string BytePairTokenizer::decode(const Array& tokens) const {
  return decode_symbols("BytePairTokenizer", tokens, size(),
                        [&](std::size_t t) -> const std::string& { return tokens_[t]; });
}

}  // namespace gradus::data
