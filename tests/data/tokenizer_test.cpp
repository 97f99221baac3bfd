#include <gradus/data/internal/gpt2_text.h>
#include <gradus/data/text.h>
#include <gradus/data/tokenizer.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <map>
#include <regex>

using namespace gradus;
using namespace gradus::data;

namespace {

using Texts = std::vector<std::string>;

Texts words_of(std::string_view text) {
  Texts words;
  for (; !text.empty(); text.remove_prefix(words.back().size())) words.emplace_back(first_word(text));
  return words;
}

/// The pattern of GPT-2, for a text in ASCII.
Texts words_by_regex(const std::string& text) {
  static const std::regex pattern("'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\\sA-Za-z0-9]+|\\s+(?!\\S)|\\s+");
  Texts words;
  for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i) words.push_back(i->str());
  return words;
}

/// Sennrich's algorithm as the paper has it: all pairs are counted anew for each merge. `parts` become what they merge to.
Texts tokens_by_counting(const std::string& text, std::size_t merges) {
  std::vector<Texts> words;
  std::map<std::string, int> place;  // the order of tokens, which decides between equally frequent pairs
  for (int b = 0; b < 256; ++b) place[byte_order().substr(static_cast<std::size_t>(b), 1)] = b;
  for (const std::string& w : words_by_regex(text)) {
    words.emplace_back();
    for (const char c : w) words.back().emplace_back(1, c);
  }
  Texts made;
  while (made.size() < merges) {
    std::map<std::pair<int, int>, int> counts;
    for (const Texts& w : words)
      for (std::size_t i = 0; i + 1 < w.size(); ++i) ++counts[{place[w[i]], place[w[i + 1]]}];
    auto best = counts.begin();
    for (auto i = counts.begin(); i != counts.end(); ++i)
      if (i->second > best->second) best = i;
    if (best == counts.end() || best->second < 2) break;
    for (Texts& w : words)
      for (std::size_t i = 0; i + 1 < w.size(); ++i)
        if (std::pair{place[w[i]], place[w[i + 1]]} == best->first) {
          if (made.size() < merges && (made.empty() || made.back() != w[i] + w[i + 1])) made.push_back(w[i] + w[i + 1]);
          w[i] += w[i + 1];
          w.erase(w.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
    place[made.back()] = static_cast<int>(255 + made.size());
  }
  return made;
}

std::string every_byte() {
  std::string all;
  for (int k = 0; k < 3; ++k)
    for (int b = 0; b < 256; ++b) all += static_cast<char>(b * (k == 2 ? 7 : 1));
  return all;
}

struct Files {
  testing::TempDir dir;
  std::string refused(const std::string& text) const {
    const std::string path = dir.put("t.txt", text);
    const std::string what = thrown<DataError>([&] { BytePairTokenizer::load(path); });
    return what.starts_with(path) ? what.substr(path.size()) : what;
  }
};

}  // namespace

TEST_CASE("words are those of GPT-2's pattern") {
  CHECK(words_of("I'll say  it's 42!\n\n ok") == Texts{"I", "'ll", " say", " ", " it", "'s", " 42", "!", "\n\n", " ok"});
  CHECK(words_of("na\xC3\xAFve caf\xC3\xA9") == Texts{"na\xC3\xAFve", " caf\xC3\xA9"});
  CHECK(words_of("a  ") == Texts{"a", "  "});
  CHECK(words_of(" ") == Texts{" "});
  std::string text = "'";
  for (std::uint32_t k = 1; k < 3000; ++k)
    text += "ab1 \n.'s\t2 "[k * 2654435761u >> 16 & 0xFF % 11 ? k * 40503u >> 7 & 7 : 9];
  CHECK(words_of(text) == words_by_regex(text));
  CHECK(words_of(generate_rhyme(3, 1)) == words_by_regex(generate_rhyme(3, 1)));
}

TEST_CASE("merges are those of the paper's algorithm, which counts all pairs anew each time") {
  for (const std::string& text : {generate_rhyme(6, 1), std::string("aaaa aaaaa aaa ababab bababa abba aa1aa1"),
                                  std::string("abcabcabc'sabc abcabc  ab\nabc")}) {
    const auto tokenizer = BytePairTokenizer::train(text, {.vocab_size = 256 + 120});
    const Texts made(tokenizer.tokens().begin() + 256, tokenizer.tokens().end());
    CHECK(made == tokens_by_counting(text, 120));
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
}

TEST_CASE("encoding takes the earliest merge first, from left to right") {
  const Files files;
  const auto of = [&](const std::string& merges, const std::string& text) {
    const auto tokenizer = BytePairTokenizer::load(files.dir.put("m.txt", "#version: 0.2\n" + merges));
    const Array found = tokenizer.encode(text);
    std::string shown;
    for (std::int64_t i = 0; i < found.size(); ++i)
      shown += (i ? "|" : "") + tokenizer.tokens()[static_cast<std::size_t>(found.element(i))];
    return shown;
  };
  CHECK(of("b c\na b\na bc\n", "abc") == "abc");
  CHECK(of("a b\nb c\n", "abc") == "ab|c");
  CHECK(of("a a\n", "aaaaa") == "aa|aa|a");
  CHECK(of("a a\naa aa\n", "aaaaaaa") == "aaaa|aa|a");
  CHECK(of("b a\na b\nab a\n", "abab") == "a|ba|b");
  CHECK(of("a a\nb b\r\n", "abba a") == "a|bb|a| |a");
  CHECK(of("", "ab") == "a|b");
}

TEST_CASE("every byte goes through, trained or not") {
  const auto tokenizer = BytePairTokenizer::train("to be or not to be", {.vocab_size = 300});
  CHECK(tokenizer.size() == 259);  // "be", "to", " be": then no pair stands twice
  for (const std::string& text : {every_byte(), std::string(), std::string("to be")})
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(tokenizer.encode("").shape() == Shape{0});
  CHECK(tokenizer.encode("to").dtype() == i64);
  const std::string long_word(200'000, 'e');
  CHECK(tokenizer.decode(tokenizer.encode(long_word)) == long_word);
}

TEST_CASE("without byte_fallback only the bytes of the text are known") {
  const auto tokenizer = BytePairTokenizer::train("to be or not to be", {.vocab_size = 10, .byte_fallback = false});
  CHECK(tokenizer.size() == 10);
  CHECK(tokenizer.tokens()[0] == "b");
  CHECK(tokenizer.tokens()[6] == " ");
  CHECK(tokenizer.decode(tokenizer.encode("no robot bore to one")) == "no robot bore to one");
  CHECK(thrown<DataError>([&] {
          tokenizer.encode("to be \xC3\xA4");
        }).find("BytePairTokenizer: byte 195 at 6 is no token; this tokenizer was trained without byte_fallback") == 0);
  const testing::TempDir dir;
  tokenizer.save(dir / "t.txt");
  const auto again = BytePairTokenizer::load(dir / "t.txt");
  CHECK(again.tokens() == tokenizer.tokens());
  CHECK(thrown<DataError>([&] { again.encode("x"); }).find("byte 120 at 0") != std::string::npos);
}

TEST_CASE("what was saved is loaded, in the form of GPT-2's merges.txt") {
  const Files files;
  const auto tokenizer = BytePairTokenizer::train(generate_rhyme(20, 1), {.vocab_size = 400});
  tokenizer.save(files.dir / "rhyme.txt");
  const auto again = BytePairTokenizer::load(files.dir / "rhyme.txt");
  CHECK(again.tokens() == tokenizer.tokens());
  const std::string text = generate_rhyme(2, 9) + every_byte();
  const Array a = tokenizer.encode(text), b = again.encode(text);
  REQUIRE(a.size() == b.size());
  for (std::int64_t i = 0; i < a.size(); ++i) REQUIRE(a.element(i) == b.element(i));
  std::ifstream in(files.dir / "rhyme.txt");
  std::string line;
  std::getline(in, line);
  CHECK(line == "#version: 0.2");
  std::getline(in, line);
  CHECK(line == "o n");  // "one", "on a", "frog on": more often than "th"
  CHECK(files.dir.files() == 1);
  // The first merges of the published vocabulary give its own numbers: " the" is 262, " a" is 257.
  const auto gpt2 = BytePairTokenizer::load(
      files.dir.put("gpt2.txt", "#version: 0.2\n\xC4\xA0 t\n\xC4\xA0 a\nh e\ni n\nr e\no n\n\xC4\xA0t he\n"));
  CHECK(gpt2.encode(" the").item() == 262);
  CHECK(gpt2.encode(" a").item() == 257);
  CHECK(gpt2.encode("!").item() == 0);
  CHECK(gpt2.encode("\n").item() == 198);
}

TEST_CASE("a file that is no tokenizer is refused with its line") {
  const Files files;
  const std::string head = "#version: 0.2\n";
  CHECK(files.refused("") == ": is no tokenizer: its first line must be \"#version: 0.2\", as in GPT-2's merges.txt");
  CHECK(files.refused(head + "a b\nab\n") == ":3: \"ab\" is no pair of tokens with a space between them");
  CHECK(files.refused(head + "a b\n\na c\n") == ":3: \"\" is no pair of tokens with a space between them");
  CHECK(files.refused(head + "a b c\n") == ":2: \"a b c\" is no pair of tokens with a space between them");
  CHECK(files.refused(head + "a \xC6\x80\n").find(":2: ") == 0);
  CHECK(files.refused(head + "a \xC4").find(":2: ") == 0);
  CHECK(files.refused(head + "a b\nab cd\n") == ":3: the token \"cd\" is not made in a line above");
  CHECK(files.refused(head + "a b\nb c\na b\n") == ":4: the token of \"a b\" is there already");
  CHECK(files.refused(head + "a b\nb c\nab c\na bc\n") == ":5: the token of \"a bc\" is there already");
  CHECK(files.refused(head + "#bytes: aba\n") == ":2: byte 97 is there twice, or not in the order of GPT-2");
  CHECK(files.refused(head + "#bytes: \n") == ":2: \"\" is no list of bytes as this file prints them");
  CHECK(files.refused(head + "#bytes: ab\na c\n") == ":3: the token \"c\" is not made in a line above");
  CHECK(thrown<DataError>([&] { BytePairTokenizer::load(files.dir / "none"); }).find("none") != std::string::npos);
}

TEST_CASE("options and numbers out of range are refused") {
  CHECK(thrown<DataError>([] { BytePairTokenizer::train(""); }) == "BytePairTokenizer: the text is empty");
  CHECK(thrown<DataError>([] { BytePairTokenizer::train("ab", {.vocab_size = 255}); }) ==
        "BytePairTokenizer: vocab_size is 255; single bytes alone are 256, and at most 16777216 are made");
  CHECK_THROWS_AS(BytePairTokenizer::train("ab", {.vocab_size = 1, .byte_fallback = false}), DataError);
  CHECK_THROWS_AS(BytePairTokenizer::train("ab", {.vocab_size = INT64_MAX}), DataError);
  const auto tokenizer = BytePairTokenizer::train("ab", {.vocab_size = 256});
  CHECK_THROWS_WITH_AS(tokenizer.decode(Array::of<std::int64_t>({2}, {3, 256})),
                       "BytePairTokenizer: symbol 256 at 1 is outside 0 .. 255", IndexError);
  CHECK_THROWS_AS(tokenizer.decode(Array::zeros({2, 2})), ShapeError);
}
