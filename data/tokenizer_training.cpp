// Training of the byte-pair tokenizer: as Sennrich's algorithm, but what a merge does not touch is not counted again.
#include <gradus/core/error.h>
#include <gradus/data/internal/gpt2_text.h>
#include <gradus/data/tokenizer.h>

#include <algorithm>
#include <queue>

namespace gradus::data {

class BytePairTokenizer::Trainer {
 public:
  Trainer(BytePairTokenizer& tokenizer, const std::string& text) : tokenizer_(tokenizer) {
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view word = first_word(rest);
      const auto [place, is_new] = places.emplace(word, words_.size());
      if (is_new) words_.push_back({tokenizer.split_bytes(word, 0), 0});
      ++words_[place->second].count;
      rest.remove_prefix(word.size());
    }
    for (std::size_t w = 0; w < words_.size(); ++w) count_pairs(w, +1);
    push_changed();
  }

  /// False: no pair stands twice.
  bool merge_most_frequent() {
    while (!heap_.empty()) {
      const Candidate best = heap_.top();
      heap_.pop();
      const auto found = pairs_.find(best.pair);
      if (found == pairs_.end() || found->second.count != best.count) continue;  // it was counted again since
      if (best.count < 2) return false;
      std::vector<std::size_t> places = std::move(found->second.words);
      std::sort(places.begin(), places.end());
      places.erase(std::unique(places.begin(), places.end()), places.end());
      const Token token = tokenizer_.add_merge(best.pair);
      for (const std::size_t w : places) {
        count_pairs(w, -1);
        replace(words_[w].tokens, best.pair, token);
        count_pairs(w, +1);
      }
      pairs_.erase(best.pair);
      push_changed();
      return true;
    }
    return false;
  }

 private:
  struct Word {
    std::vector<Token> tokens;
    std::int64_t count;
  };
  struct Occurrences {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // that hold it, or held it; some twice
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    bool operator<(const Candidate& c) const { return count != c.count ? count < c.count : pair > c.pair; }
  };

  void count_pairs(std::size_t w, int sign) {
    const auto& [tokens, count] = words_[w];
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const Pair pair{tokens[i], tokens[i + 1]};
      Occurrences& o = pairs_[pair];
      o.count += sign * count;
      if (sign > 0 && (o.words.empty() || o.words.back() != w)) o.words.push_back(w);
      changed_.push_back(pair);
    }
  }
  void push_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const Pair& pair : changed_)
      if (const auto found = pairs_.find(pair); found != pairs_.end()) heap_.push({found->second.count, pair});
    changed_.clear();
  }
  static void replace(std::vector<Token>& tokens, Pair pair, Token by) {
    std::size_t to = 0;
    for (std::size_t i = 0; i < tokens.size(); ++to) {
      const bool here = i + 1 < tokens.size() && Pair{tokens[i], tokens[i + 1]} == pair;
      tokens[to] = here ? by : tokens[i];
      i += here ? 2 : 1;
    }
    tokens.resize(to);
  }

  BytePairTokenizer& tokenizer_;
  std::vector<Word> words_;  // that differ
  std::unordered_map<Pair, Occurrences, HashOfPair> pairs_;
  std::vector<Pair> changed_;
  std::priority_queue<Candidate> heap_;
};

BytePairTokenizer BytePairTokenizer::train(const std::string& text, const BytePairOptions& options) {
  const char* who = "BytePairTokenizer";
  if (text.empty()) throw DataError(who, "the text is empty");
  std::string bytes = byte_order();
  if (!options.byte_fallback) std::erase_if(bytes, [&](char c) { return text.find(c) == std::string::npos; });
  const std::int64_t least = static_cast<std::int64_t>(bytes.size()), most = 1 << 24;
  if (options.vocab_size < least || options.vocab_size > most)
    throw DataError(who, join("vocab_size is ", options.vocab_size, "; single bytes alone are ", least, ", and at most ",
                              most, " are made"));
  BytePairTokenizer made(bytes);
  Trainer trainer(made, text);
  while (made.size() < options.vocab_size && trainer.merge_most_frequent()) {
  }
  return made;
}

}  // namespace gradus::data
