#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/data/internal/check_item.h>
#include <gradus/data/internal/symbols.h>
#include <gradus/data/text.h>

#include <algorithm>
#include <array>

namespace gradus::data {
namespace {

void check_symbols(const char* set, const Array& symbols, std::int64_t length) {
  if (!symbols.defined() || symbols.dtype() != i64 || symbols.rank() != 1)
    throw DataError(set, join("symbols are ", describe(symbols), "; they must be i64[N], as Characters::encode makes them"));
  if (length < 1) throw DataError(set, join("length is ", length, "; it must be at least 1"));
}

Example window(const Array& symbols, std::int64_t from, std::int64_t length) {
  const auto* s = symbols.data<std::int64_t>() + from;
  return {Array::of<std::int64_t>({length}, {s, s + length}), Array::of<std::int64_t>({length}, {s + 1, s + 1 + length})};
}

}  // namespace

Characters::Characters(const std::string& text) : alphabet_(text) {
  if (text.empty()) throw DataError("Characters", "the text is empty");
  std::array<bool, 256> there{};
  for (const char c : text) there[static_cast<unsigned char>(c)] = true;
  alphabet_.clear();
  for (std::size_t c = 0; c < there.size(); ++c)
    if (there[c]) alphabet_ += static_cast<char>(c);
}

Array Characters::encode(const std::string& text) const {
  std::array<std::int64_t, 256> place;
  place.fill(-1);
  for (std::size_t k = 0; k < alphabet_.size(); ++k)
    place[static_cast<unsigned char>(alphabet_[k])] = static_cast<std::int64_t>(k);
  Array symbols({static_cast<std::int64_t>(text.size())}, i64);
  auto* to = symbols.uninitialized<std::int64_t>();
  for (std::size_t i = 0; i < text.size(); ++i) {
    to[i] = place[static_cast<unsigned char>(text[i])];
    if (to[i] < 0)
      throw DataError("Characters", join("byte ", int(static_cast<unsigned char>(text[i])), " at ", i,
                                         " is not in the alphabet of ", alphabet_.size(), " bytes"));
  }
  return symbols;
}

std::string Characters::decode(const Array& symbols) const {
  return decode_symbols("Characters", symbols, size(), [&](std::size_t s) { return alphabet_[s]; });
}

TextWindows::TextWindows(const Array& symbols, std::int64_t length, std::int64_t stride)
    : symbols_(symbols.defined() ? symbols.contiguous() : symbols), length_(length), stride_(stride) {
  check_symbols("TextWindows", symbols, length);
  if (stride < 1) throw DataError("TextWindows", join("stride is ", stride, "; it must be at least 1"));
  if (symbols.size() <= length)
    throw DataError("TextWindows",
                    join("the text has ", symbols.size(), " symbols; a window and its answer take ", length + 1));
}

Example TextWindows::get(std::int64_t i) const {
  check_item("TextWindows", i, size());
  return window(symbols_, i * stride_, length_);
}

TextStreams::TextStreams(const Array& symbols, std::int64_t length, std::int64_t rows)
    : symbols_(symbols.defined() ? symbols.contiguous() : symbols), length_(length), rows_(rows), each_(0) {
  check_symbols("TextStreams", symbols, length);
  if (rows < 1) throw DataError("TextStreams", join("rows is ", rows, "; it must be at least 1"));
  each_ = symbols.size() / rows;
  if (each_ <= length)
    throw DataError("TextStreams",
                    join("the text has ", symbols.size(), " symbols; ", rows, " streams need ", rows * (length + 1)));
}

Example TextStreams::get(std::int64_t i) const {
  check_item("TextStreams", i, size());
  return window(symbols_, i % rows_ * each_ + i / rows_ * length_, length_);
}

std::string generate_rhyme(std::int64_t verses, std::uint64_t seed) {
  constexpr const char* numbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven"};
  constexpr const char* animals[] = {"frog", "duck", "goose", "cat"};
  constexpr const char* many[] = {"frogs", "ducks", "geese", "cats"};
  const Philox random{seed, 1};
  std::string text;
  for (std::int64_t v = 0; v < verses; ++v) {
    const auto animal = random.below(static_cast<std::uint64_t>(2 * v), 4);
    for (auto n = 2 + random.below(static_cast<std::uint64_t>(2 * v + 1), 6); n > 0; --n)
      text += std::string(numbers[n]) + " " + (n == 1 ? animals[animal] : many[animal]) + " sat on a log,\n" +
              "one jumped off and then there " + (n == 2 ? "was " : "were ") + numbers[n - 1] + ".\n";
    text += "\n";
  }
  return text;
}

}  // namespace gradus::data
