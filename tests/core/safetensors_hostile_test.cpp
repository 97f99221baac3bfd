// Headers that the reference reader (Python's safetensors 0.8) refuses or accepts, and headers that would cost memory.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include <gradus/tests/helpers/sanitized.h>
#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::TempDir;
using namespace std::string_literals;

namespace {

std::string file_of(std::string_view header, std::string_view data) {
  const std::uint64_t length = header.size();
  std::string s(8, '\0');
  std::memcpy(s.data(), &length, 8);
  return (s += header) += data;
}

std::string thrown(const std::string& path) {
  try {
    load_safetensors(path);
  } catch (const DataError& e) {
    return std::string(e.what()).substr(path.size() + 2);
  }
  return "no error";
}

/// A string literal with its NULs.
template <std::size_t N> std::string bytes(const char (&s)[N]) { return std::string(s, N - 1); }

const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";

/// The header of "a" with one field changed.
std::string with(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("safetensors: a NUL hides nothing that follows it, wherever it stands") {
  const TempDir dir;
  const std::string good = "{" + a + "}";
  REQUIRE(thrown(dir.put("x", file_of(good, "1234"))) == "no error");
  for (std::size_t at = 0; at <= good.size(); ++at)
    for (const std::string& nul : {bytes("\0"), bytes("\0\0\0\0"), bytes("\0,\"b\":{}"), bytes("\0}"), bytes(" \0 ")}) {
      std::string changed = good;
      changed.insert(at, nul);
      CAPTURE(at);
      CHECK(thrown(dir.put("x", file_of(changed, "1234"))) != "no error");
    }
}

TEST_CASE("safetensors: nothing is accepted that the reference reader refuses") {
  const TempDir dir;
  const std::string type = "\"U8\"", four = "[4]", whole = "[0,4]";
  for (const std::string& header : std::vector<std::string>{"{" + a + "}" + bytes("\0"),
                                                            "{" + a + "}" + bytes("\0\0\0\0garbage"),
                                                            "{" + a + "} \0"s + "{}",
                                                            bytes("{\0}"),
                                                            "{" + a + "}}",
                                                            "{" + a + "},",
                                                            "{" + a + "}{}",
                                                            "{" + a + ",}",
                                                            "{," + a + "}",
                                                            "{" + a + " " + a + "}",
                                                            "{" + a + "}\v",
                                                            "{" + a + "}\f",
                                                            "{" + a + "}\xc2\xa0",
                                                            "\xef\xbb\xbf{" + a + "}",
                                                            "{" + a + "}\xef\xbb\xbf",
                                                            "{" + a + "} // end",
                                                            "{/**/" + a + "}",
                                                            "{'a':1}",
                                                            "{a:1}",
                                                            "{" + a,
                                                            "{\"__metadata__\":{\"k\":\"\t\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\n\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\x1f\"}," + a + "}",
                                                            bytes("{\"__metadata__\":{\"k\":\"\0\"},") + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\ud800\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\udc00\\ud800\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\ud800\\u0041\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\u00g0\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\u+041\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\u 041\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\v\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\\\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\xff\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\xc0\x80\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\xed\xa0\x80\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\xf4\x90\x80\x80\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":\"\xe2\x82\"}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":null}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":1}," + a + "}",
                                                            "{\"__metadata__\":{\"k\":{}}," + a + "}",
                                                            "{\"__metadata__\":[]," + a + "}",
                                                            with(type, "[04]", whole),
                                                            with(type, "[+4]", whole),
                                                            with(type, "[4.]", whole),
                                                            with(type, "[4e0]", whole),
                                                            with(type, "[-0,4]", whole),
                                                            with(type, "[0x4]", whole),
                                                            with(type, "[4,]", whole),
                                                            with(type, "[,4]", whole),
                                                            with(type, "[4 4]", whole),
                                                            with(type, "[true]", whole),
                                                            with(type, "[[4]]", whole),
                                                            with(type, "4", whole),
                                                            with(type, "null", whole),
                                                            with(type, "{}", whole),
                                                            with(type, "[18446744073709551616]", whole),
                                                            with(type, "[18446744073709551615,18446744073709551615]", whole),
                                                            with(type, four, "[0]"),
                                                            with(type, four, "[0,4,4]"),
                                                            with(type, four, "[4,0]"),
                                                            with(type, four, "[0,5]"),
                                                            with(type, four, "[1,5]"),
                                                            with(type, four, "[-0,4]"),
                                                            with(type, four, "{\"0\":4}"),
                                                            with(type, four, "[18446744073709551612,18446744073709551616]"),
                                                            with(type, four, "[18446744073709551612,0]"),
                                                            with("\"u8\"", four, whole),
                                                            with("\"U8 \"", four, whole),
                                                            with("U8", four, whole),
                                                            with("0", four, whole),
                                                            with("null", four, whole),
                                                            with("[\"U8\"]", four, whole)}) {
    CAPTURE(header);
    CHECK(thrown(dir.put("x", file_of(header, "1234"))) != "no error");
  }
}

TEST_CASE("safetensors: every spelling that the reference reader takes for the same file") {
  const TempDir dir;
  for (const std::string& header : std::vector<std::string>{
           "{" + a + "}", "{" + a + "}        ", "{" + a + "}\n\r\t ",
           "{\n\t\"a\" :\r{ \"dtype\": \"U8\" , \"shape\" : [ 4 ],\"data_offsets\":[0 , 4]}\n}"s,
           R"({"\u0061":{"data_offsets":[0,4],"\u0073hape":[4],"dtype":"\u00558"}})"s, with("\"U8\"", "[2,2]", "[0,4]"),
           "{\"__metadata__\":{}," + a + "}", "{" + a + ",\"__metadata__\":{\"\":\"\\u0000\\/\\b\\f\"}}"}) {
    CAPTURE(header);
    const Safetensors s = load_safetensors(dir.put("x", file_of(header, "1234")));
    REQUIRE(s.tensors.size() == 1);
    CHECK(s.tensors[0].first == "a");
    CHECK(s.tensors[0].second.size() == 4);
  }
  const std::string escapes =
      "{\"__metadata__\":{\"\\ud83d\\uDE00\\u20ac\\u00fc\\u007f\":"
      "\"\xf0\x9f\x98\x80\\\"\\\\\\/\\b\\f\\n\\r\\t\xe2\x82\xac\"}}";
  const Safetensors s = load_safetensors(dir.put("x", file_of(escapes, "")));
  CHECK(s.metadata == Metadata{{"\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xbc\x7f", "\xf0\x9f\x98\x80\"\\/\b\f\n\r\t\xe2\x82\xac"}});
}

TEST_CASE("safetensors: every character of a name and of the metadata comes back") {
  const TempDir dir;
  std::string all, ascii;
  for (int c = 1; c < 128; ++c) ascii += static_cast<char>(c);
  for (const char* s : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    all += s;
  const Metadata metadata = {{ascii + all, all + ascii}, {std::string("a\0b", 3), std::string("\0", 1)}};
  save_safetensors(dir / "x", {{all + ascii, Array::zeros({1})}}, metadata);
  const Safetensors back = load_safetensors(dir / "x");
  CHECK(back.metadata == metadata);
  CHECK(back.tensors.at(0).first == all + ascii);
}

TEST_CASE("safetensors: more names than a file of its size may have are refused, by the writer too") {
  const TempDir dir;
  auto header = [](int tensors, int keys) {
    std::string h = "{\"__metadata__\":{";
    for (int i = 0; i < keys; ++i) h += join(i ? "," : "", "\"", i, "\":\"\"");
    h += "}";
    for (int i = 0; i < tensors; ++i) h += join(",\"", i, R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
    return h + "}";
  };
  CHECK(load_safetensors(dir.put("x", file_of(header(65'536, 65'536), ""))).tensors.size() == 65'536);
  const std::string limit = "; a file may hold 65,536, or one for each 512 bytes if that is more";
  CHECK(thrown(dir.put("x", file_of(header(65'537, 0), ""))) ==
        "header of a safetensors file: more than 65,536 tensors" + limit);
  CHECK(thrown(dir.put("x", file_of(header(0, 65'537), ""))) ==
        "header of a safetensors file: more than 65,536 keys in __metadata__" + limit);

  NamedArrays many;
  const Array none({0});
  for (int i = 0; i < 65'537; ++i) many.emplace_back(std::to_string(i), none);
  CHECK_THROWS_WITH_AS(save_safetensors(dir / "y", many), doctest::Contains("65,537 names are too many for a file of "),
                       DataError);
  CHECK_FALSE(std::filesystem::exists(dir / "y"));
  many.emplace_back("large", Array::zeros({65'538 / 4 * 512}));  // a larger file may have more
  save_safetensors(dir / "y", many);
  CHECK(load_safetensors(dir / "y").tensors.size() == many.size());
}

TEST_CASE("safetensors: a hostile header costs no more memory than twice the file" * doctest::skip(testing::sanitized)) {
  const TempDir dir;
  std::string tensors = "{", keys = "{\"__metadata__\":{";
  while (tensors.size() < 30'000'000)
    tensors += join("\"", tensors.size(), R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)");
  tensors.back() = '}';
  while (keys.size() < 30'000'000) keys += join("\"", keys.size(), "\":\"\",");
  keys.back() = '}';
  const std::string long_text(30'000'000, 't');
  for (const std::string& header : std::vector<std::string>{
           tensors, keys + "}", "{\"" + long_text + "\":{}}", "{\"__metadata__\":{\"k\":\"" + long_text + "\"}}",
           "{\"a\":" + std::string(30'000'000, '['), "{" + std::string(30'000'000, ' ') + "}"}) {
    const std::string path = dir.put("x", file_of(header, ""));
    const pid_t child = ::fork();
    if (child == 0) {
      rusage before{}, after{};
      // The child begins with the parent's pages, and so with the peak of what it has touched of them: none.
      ::getrusage(RUSAGE_SELF, &before);
      try {
        load_safetensors(path);
      } catch (const DataError&) {
      }
      ::getrusage(RUSAGE_SELF, &after);
      const auto grown = (after.ru_maxrss - before.ru_maxrss) / 1024, most = static_cast<long>(header.size() >> 19) + 24;
      ::_exit(grown <= most ? 0 : static_cast<int>(std::min(grown, 255L)));  // in MiB
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CAPTURE(header.substr(0, 40));
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
