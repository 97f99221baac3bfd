// Texts as numbers, character by character, and a text of our own making.
#pragma once

#include <gradus/data/dataset.h>

#include <string>

namespace gradus::data {

/// The different bytes of a text, in their order; each is known by its place.
class Characters {
 public:
  /// Errors: DataError if the text is empty.
  explicit Characters(const std::string& text);
  std::int64_t size() const { return static_cast<std::int64_t>(alphabet_.size()); }
  const std::string& alphabet() const { return alphabet_; }
  /// i64 [text.size()]. Errors: DataError naming the first byte that is not in the alphabet, and its place.
  Array encode(const std::string& text) const;
  /// Errors: IndexError for a number outside 0 .. size() - 1, ShapeError unless [N].
  std::string decode(const Array& symbols) const;

 private:
  std::string alphabet_;
};

/// Item i is symbols[i s, i s + length) and, as what to answer, the same moved on by one: x, y i64 [length].
class TextWindows {
 public:
  /// Errors: DataError unless symbols is i64 [N] with N > length >= 1 and stride >= 1.
  TextWindows(const Array& symbols, std::int64_t length, std::int64_t stride = 1);
  std::int64_t size() const { return (symbols_.size() - 1 - length_) / stride_ + 1; }
  Example get(std::int64_t i) const;

 private:
  Array symbols_;
  std::int64_t length_, stride_;
};

/// The text cut into `rows` streams that are read side by side: in batches of `rows` without shuffling, each batch goes on
/// where the one before ended, so that a recurrent network can keep its state.
class TextStreams {
 public:
  /// Errors: DataError unless symbols is i64 [N] and each stream has more than `length` >= 1 of them.
  TextStreams(const Array& symbols, std::int64_t length, std::int64_t rows);
  std::int64_t size() const { return (each_ - 1) / length_ * rows_; }
  Example get(std::int64_t i) const;

 private:
  Array symbols_;
  std::int64_t length_, rows_, each_;
};

/// "three frogs sat on a log," and so on: a counting rhyme, verse by verse a pure function of the seed.
std::string generate_rhyme(std::int64_t verses, std::uint64_t seed);

}  // namespace gradus::data
