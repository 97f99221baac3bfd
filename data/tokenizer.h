// A byte-pair tokenizer: trained on a text, saved in the form of GPT-2's merges.txt.
#pragma once

#include <gradus/core/array.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gradus::data {

struct BytePairOptions {
  std::int64_t vocab_size = 1000;  ///< tokens at most; fewer if no pair stands twice in the text any more
  bool byte_fallback = true;       ///< all 256 bytes are tokens, so that every text can be encoded; false: those of the text
};

/// Tokens are bytes and what pairs of tokens become (Sennrich, Haddow and Birch, "Neural machine translation of rare words
/// with subword units", ACL 2016), on bytes as in GPT-2 (Radford et al., "Language models are unsupervised multitask
/// learners", 2019): the text is cut into words by its pattern, where bytes beyond ASCII are letters, and no token goes beyond
/// a word. Token i is the i-th byte in GPT-2's order, or the result of the merge of that place, so its own merges.txt gives
/// its own tokens.
class BytePairTokenizer {
 public:
  /// The most frequent pair of neighbours becomes a token, again and again; of equally frequent ones the pair of the smaller
  /// tokens. Errors: DataError if the text is empty, or vocab_size is below the number of single bytes or above 2^24.
  static BytePairTokenizer train(const std::string& text, const BytePairOptions& options = {});

  /// Errors: DataError naming file and line: a line that is not two tokens with a space between them, a token that is not
  /// made before, a merge whose result is there already.
  static BytePairTokenizer load(const std::string& path);
  /// One merge a line, in their order; which bytes are known stands above, if not all are. Written atomically.
  void save(const std::string& path) const;

  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  const std::vector<std::string>& tokens() const { return tokens_; }  ///< what each token stands for

  /// i64 [N], N <= text.size(); the text itself is what decode() makes of it. Errors: DataError naming the first byte that is
  /// no token, and its place (never with byte_fallback).
  Array encode(const std::string& text) const;
  /// Errors: IndexError for a number outside 0 .. size() - 1, ShapeError unless [N].
  std::string decode(const Array& tokens) const;

 private:
  class Trainer;
  using Token = std::int32_t;
  using Pair = std::pair<Token, Token>;
  struct HashOfPair {
    std::size_t operator()(const Pair& p) const;
  };

  explicit BytePairTokenizer(const std::string& bytes);  // which are known
  Token add_merge(Pair pair);
  std::vector<Token> split_bytes(std::string_view word, std::size_t at) const;
  void merge(std::vector<Token>& word) const;

  std::vector<std::string> tokens_;                     // bytes first
  std::vector<Pair> merges_;                            // of the tokens behind them
  std::unordered_map<Pair, Token, HashOfPair> merged_;  // the smaller the token, the earlier is the merge
  Token of_byte_[256];                                  // -1: not known
};

}  // namespace gradus::data
