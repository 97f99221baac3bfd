#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::TempDir;

namespace {

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string s(8, '\0');
  std::memcpy(s.data(), &length, 8);
  return s + rest;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return with_length(header.size(), header + data);
}

/// The header of one tensor "a".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

std::string thrown(const std::string& path) {
  try {
    load_safetensors(path);
  } catch (const DataError& e) {
    CHECK(e.op() == path);
    return std::string(e.what()).substr(path.size() + 2);
  }
  return "no error";
}

bool same(const Array& a, const Array& b) {
  const Array x = a.contiguous(), y = b.contiguous();
  return describe(x) == describe(y) &&
         std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.size()) * bytes_of(x.dtype())) == 0;
}

}  // namespace

TEST_CASE("safetensors: tensors, their order and the metadata come back") {
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  const Array m = Array::arange(6, f32).reshape({2, 3});
  const NamedArrays tensors = {{"z.mask", Array::of<bool>({3}, {true, false, true})},
                               {"weight", m},
                               {"transposed", m.transpose(0, 1)},
                               {"expanded", m.select(0, 0).expand({4, 3})},
                               {"f64", Array::of<double>({3}, {std::nan("1"), -0.0, 5e-324})},
                               {"labels", Array::of<int64_t>({2}, {INT64_MIN, INT64_MAX})},
                               {"pixels", Array::of<std::uint8_t>({1, 1, 1, 1, 1, 2}, {0, 255})},
                               {"scalar", Array::full({}, 3)},
                               {"empty", Array({0, 7})},
                               {"", Array({0}, u8)},
                               {"../quote\"back\\slash\n\xc3\xa9", Array::full({1}, 1, u8)}};
  const Metadata metadata = {{"format", "pt"}, {"", "empty"}, {"text", "a \"b\"\n\xe2\x82\xac"}};
  save_safetensors(path, tensors, metadata);
  const Safetensors back = load_safetensors(path);
  CHECK(back.metadata == metadata);
  REQUIRE(back.tensors.size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(tensors[i].first);
    CHECK(back.tensors[i].first == tensors[i].first);
    CHECK(same(back.tensors[i].second, tensors[i].second));
    CHECK(back.tensors[i].second.dense());
  }
  CHECK(dir.files() == 1);
}

TEST_CASE("safetensors: the bytes are what the format says") {
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  save_safetensors(path, {{"b", Array::of<std::uint8_t>({2}, {1, 2})}, {"a", Array::of<float>({1}, {1})}}, {{"k", "v"}});
  std::string header =
      "{\"__metadata__\":{\"k\":\"v\"},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  header.append((8 - header.size() % 8) % 8, ' ');
  CHECK(read_file(path) == file_of(header, std::string("\0\0\x80?\1\2", 6)));  // the wide type first: it is aligned
  save_safetensors(path, {});
  CHECK(read_file(path) == file_of("{}      "));
  CHECK(load_safetensors(path).tensors.empty());
}

TEST_CASE("safetensors: files of other writers") {
  const TempDir dir;
  // Spaces, any order of fields and offsets, empty tensors between others, escapes.
  const std::string header =
      "{ \"\\u0062\" : {\"data_offsets\":[1,2], \"shape\":[], \"dtype\":\"U8\"},"
      "\"e\":{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[1,1]},"
      "\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}, \"__metadata__\":{}}   ";
  const Safetensors s = load_safetensors(dir.put("x", file_of(header, "\x01\x09")));
  REQUIRE(s.tensors.size() == 3);
  CHECK(s.tensors[0].first == "b");
  CHECK(s.tensors[0].second.item() == 9);
  CHECK(describe(s.tensors[1].second) == "f64[3,0]");
  CHECK(s.tensors[2].second.item() == 1);
}

TEST_CASE("safetensors: hostile files are refused, and nothing stays allocated") {
  const TempDir dir;
  const auto before = pool::usage();
  const std::string four(4, '\0');
  const std::string in_header = "header of a safetensors file: ";
  auto check = [&](const std::string& name, const std::string& file, const std::string& expected) {
    CAPTURE(name);
    CHECK(thrown(dir.put("x", file)) == expected);
  };
  auto check_header = [&](const std::string& name, const std::string& header, const std::string& expected) {
    check(name, file_of(header, four), in_header + expected);
  };
  // The length of the header. The eight bytes of it are shown as text, the last seven are NULs in most of these.
  const std::string nuls = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00", not_one = "not a safetensors file (starts with \"";
  const std::string too_long = " bytes, at most 100,000,000 are read";
  const std::string no_brace = "\"): no header that begins with { follows";
  check("empty", "", "not a safetensors file (starts with \"\"): it has 0 bytes, the length of the header alone takes 8");
  check("7 bytes", "1234567",
        "not a safetensors file (starts with \"1234567\"): it has 7 bytes, the length of the header alone takes 8");
  check("text", "hello world", not_one + "hello wo\"): as a header length that is 8,031,924,123,371,070,824" + too_long);
  check("length 0", with_length(0, "{}"), not_one + "\\x00" + nuls + no_brace);
  check("length 1", with_length(1, "{}"), not_one + "\\x01" + nuls + no_brace);
  check("length 2^63", with_length(std::uint64_t(1) << 63, "{}"),
        "not a safetensors file (starts with \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"): as a header length that is "
        "9,223,372,036,854,775,808 bytes, at most 100,000,000 are read");
  check("length just too long", with_length(100'000'001, "{}"),
        not_one + "\\x01\\xe1\\xf5\\x05\\x00\\x00\\x00\\x00\"): as a header length that is 100,000,001" + too_long);
  check("length beyond the file", with_length(1000, "{}"), "truncated: the header takes 1,008 bytes, the file has 10");
  check("header is a list", with_length(2, "[]"), not_one + "\\x02" + nuls + no_brace);
  // JSON.
  const std::string no_json = "not valid JSON: ";
  check_header("not JSON", "{nope}", no_json + "a name in quotes was expected at byte 1, found \"nope}\"");
  check_header("cut JSON", "{\"a\":{", no_json + "a name in quotes was expected at byte 6, found nothing");
  check_header("text after the object", "{} {}", no_json + "the end was expected at byte 3, found \"{}\"");
  check_header("invalid UTF-8", "{\"\xff\":{}}", no_json + "UTF-8 was expected at byte 2, found \"\\xff\\\":{}}\"");
  check_header("NUL byte", std::string("{\"a\0b\":{}}", 10),
               no_json + "a printable character was expected at byte 3, found \"\\x00b\\\":{}}\"");
  check_header("NUL between", std::string("{}\0", 3), no_json + "the end was expected at byte 2, found \"\\x00\"");
  check_header("number too large", one("\"F32\"", "[1e999]", "[0,4]"),
               "tensor \"a\": the number 1e999 where whole numbers from 0 would be right");
  check_header("surrogate alone", "{\"\\ud800x\":{}}",
               no_json + "the other half of a surrogate pair was expected at byte 8, found \"x\\\":{}}\"");
  check_header("unknown escape", "{\"\\x41\":{}}", no_json + "an escape was expected at byte 3, found \"x41\\\":{}}\"");
  check_header("deep nesting", "{\"a\":" + std::string(100'000, '['),
               "\"a\": a list where an object for each name would be right");
  check_header("deep objects", "{\"a\":{\"shape\":{\"a\":{}}}}",
               "tensor \"a\": an object where dtype as a string, shape and data_offsets as lists would be right");
  check_header("nested shape", one("\"F32\"", "[[1]]", "[0,4]"),
               "tensor \"a\": a list where whole numbers from 0 would be right");
  check_header("NUL in a name", "{\"a\\u0000b\":{}}", "the name \"a\\x00b\" holds a NUL");
  check_header("name twice",
               "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
               "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]},"
               "\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}",
               "the name \"a\" stands there twice");
  check_header("metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}}",
               "the name \"__metadata__\" stands there twice");
  check_header("metadata key twice", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}",
               "the key \"k\" stands twice in __metadata__");
  check_header("metadata not strings", "{\"__metadata__\":{\"k\":1}}",
               "__metadata__: the number 1 where strings only would be right");
  check_header("metadata not an object", "{\"__metadata__\":\"k\"}",
               "\"__metadata__\": the string \"k\" where an object would be right");
  // The fields of a tensor.
  check_header("null", "{\"a\":null}", "\"a\": null where an object for each name would be right");
  check_header("boolean", one("true", "[4]", "[0,4]"),
               "tensor \"a\": a boolean where dtype as a string, shape and data_offsets as lists would be right");
  check_header("field twice", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\"}}", "tensor \"a\": \"dtype\" stands there twice");
  check_header("unknown field", "{\"a\":{\"device\":\"cpu\"}}",
               "tensor \"a\": unknown field \"device\"; dtype, shape and data_offsets are the fields");
  check_header("no dtype", "{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", "tensor \"a\": \"dtype\" is missing");
  check_header("no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", "tensor \"a\": \"shape\" is missing");
  check_header("no offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", "tensor \"a\": \"data_offsets\" is missing");
  check_header("negative length", one("\"U8\"", "[-4]", "[0,4]"),
               "tensor \"a\": the negative number -4 where whole numbers from 0 would be right");
  check_header("fractional length", one("\"U8\"", "[4.0]", "[0,4]"),
               "tensor \"a\": the number 4.0 where whole numbers from 0 would be right");
  check_header("length 1e300", one("\"U8\"", "[1e300]", "[0,4]"),
               "tensor \"a\": the number 1e300 where whole numbers from 0 would be right");
  check_header("length as text", one("\"U8\"", "[\"4\"]", "[0,4]"),
               "tensor \"a\": the string \"4\" where whole numbers from 0 would be right");
  check_header("length 2^64 - 1", one("\"U8\"", "[18446744073709551615]", "[0,4]"),
               "tensor \"a\": an axis of length 18446744073709551615 cannot be addressed");
  check_header("seven axes", one("\"U8\"", "[1,1,1,1,1,1,4]", "[0,4]"),
               "tensor \"a\": more than 6 axes, which are the most supported");
  check_header("one offset", one("\"U8\"", "[4]", "[0]"), "tensor \"a\": data_offsets needs two numbers");
  check_header("three offsets", one("\"U8\"", "[4]", "[0,4,8]"), "tensor \"a\": data_offsets has more than two numbers");
  check_header("name of a megabyte", "{\"" + std::string(1'000'000, 'n') + "\":1}",
               join("\"", std::string(80, 'n'), "...\": the number 1 where an object for each name would be right"));
  // What the fields say together.
  auto check_one = [&](const std::string& name, const char* dtype, const char* shape, const char* offsets,
                       const std::string& expected) {
    check(name, file_of(one(dtype, shape, offsets), four), "tensor \"a\": " + expected);
  };
  const std::string not_read = " is not read; F16, BF16, F32, F64, I8 to I64, U8 to U64 and BOOL are";
  check_one("unknown dtype", "\"F8_E4M3\"", "[4]", "[0,4]", "dtype \"F8_E4M3\"" + not_read);
  check_one("lower case dtype", "\"f32\"", "[1]", "[0,4]", "dtype \"f32\"" + not_read);
  check_one("product overflows to 4", "\"U8\"", "[4194305,4194305,211106198978564]", "[0,4]",
            "shape [4194305,4194305,211106198978564] of U8 needs more bytes than can be addressed");
  check_one("overflow beside a zero", "\"U8\"", "[0,4611686018427387904,4]", "[0,0]",
            "shape [0,4611686018427387904,4] of U8 needs more bytes than can be addressed");
  check_one("begin behind end", "\"U8\"", "[4]", "[4,0]", "data_offsets begin at 4, behind their end at 0");
  check_one("offsets of another length", "\"F32\"", "[2]", "[0,4]", "F32[2] takes 8 bytes, its data_offsets span 4");
  check_one("hole at the start", "\"U8\"", "[3]", "[1,4]", "its data begin at 1, those before end at 0: there is a hole");
  check("bool of 2", file_of(one("\"BOOL\"", "[4]", "[0,4]"), std::string("\0\1\0\2", 4)),
        "tensor \"a\": element 3 is 2; a bool is 0 or 1");
  CHECK(pool::usage().live_blocks == before.live_blocks);
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("safetensors: holes, overlaps and the length of the file") {
  const TempDir dir;
  auto two = [](const char* first, const char* second) {
    return std::string("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":") + first +
           "},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" + second + "}}";
  };
  const std::string header = two("[0,2]", "[2,4]");
  const auto in_all = grouped(8 + header.size() + 4);
  CHECK(load_safetensors(dir.put("x", file_of(header, "1234"))).tensors[1].second.at({0}) == '3');
  CHECK(load_safetensors(dir.put("x", file_of(two("[2,4]", "[0,2]"), "1234"))).tensors[1].second.at({0}) == '1');
  CHECK(thrown(dir.put("x", file_of(two("[0,2]", "[1,3]"), "123"))) ==
        "tensor \"b\": its data begin at 1, those before end at 2: they overlap");
  CHECK(thrown(dir.put("x", file_of(two("[0,2]", "[0,2]"), "12"))) ==
        "tensor \"b\": its data begin at 0, those before end at 2: they overlap");
  CHECK(thrown(dir.put("x", file_of(two("[0,2]", "[3,5]"), "12345"))) ==
        "tensor \"b\": its data begin at 3, those before end at 2: there is a hole");
  CHECK(thrown(dir.put("x", file_of(header, "123"))) ==
        "truncated: header says " + in_all + " bytes, the file has " + grouped(8 + header.size() + 3));
  CHECK(thrown(dir.put("x", file_of(header, "12345"))) ==
        "1 bytes follow the last tensor; header says " + in_all + " bytes in all");
  CHECK(thrown(dir.put("x", file_of("{}", "1"))) == "1 bytes follow the last tensor; header says 10 bytes in all");
  const std::string empty_inside =
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
      "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}";
  CHECK(thrown(dir.put("x", file_of(empty_inside, "12"))) ==
        "tensor \"e\": its data begin at 1, those before end at 2: they overlap");
}

TEST_CASE("safetensors: a large file cut short says what is missing") {
  const TempDir dir;
  const std::string path = dir / "x";
  save_safetensors(path, {{"w", Array::zeros({1024, 1024})}});
  const auto whole = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, 2000);
  CHECK(thrown(path) == "truncated: header says " + grouped(whole) + " bytes, the file has 2,000");
}

TEST_CASE("safetensors: 20,000 entries, every prefix, and every byte of a header changed") {
  const TempDir dir;
  NamedArrays many;
  for (int i = 0; i < 20'000; ++i) many.emplace_back("tensor." + std::to_string(i), Array::full({1}, i));
  save_safetensors(dir / "many", many);
  const Safetensors back = load_safetensors(dir / "many");
  REQUIRE(back.tensors.size() == many.size());
  CHECK(back.tensors[19'999].second.item() == 19'999);

  const std::string header =
      "{\"__metadata__\":{\"k\":\"v\"},"
      "\"a\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[0,4]}}";
  const std::string good = file_of(header, "1234");
  REQUIRE(thrown(dir.put("x", good)) == "no error");
  for (std::size_t n = 0; n < good.size(); ++n) CHECK(thrown(dir.put("x", good.substr(0, n))) != "no error");
  for (std::size_t i = 0; i < good.size() - 4; ++i)
    for (const char c : {'\0', '\xff', '9', '[', '"', '-', '}'}) {
      std::string changed = good;
      changed[i] = c;
      try {
        load_safetensors(dir.put("x", changed));
      } catch (const DataError&) {
      }
    }
}

TEST_CASE("safetensors: what cannot be saved leaves the old file") {
  const TempDir dir;
  const std::string path = dir.put("x", "old");
  const Array a = Array::zeros({1});
  auto save_refusal = [&](const NamedArrays& tensors, const Metadata& metadata = {}) {
    try {
      save_safetensors(path, tensors, metadata);
    } catch (const DataError& e) {
      return std::string(e.what()).substr(path.size() + 2);
    }
    return std::string("no error");
  };
  CHECK(save_refusal({{"a", a}, {"a", a}}) == "tensor \"a\": two tensors bear this name");
  CHECK(save_refusal({{"__metadata__", a}}) == "tensor \"__metadata__\": this name is the format's own; choose another");
  CHECK(save_refusal({{std::string("a\0", 2), a}}) == "tensor \"a\\x00\": a name cannot hold a NUL");
  CHECK(save_refusal({{"a", a}, {"w", Array()}}) == "tensor \"w\" is absent: it has no numbers to save");
  CHECK(save_refusal({{"\xff", a}}) == "\"\\xff\" is not valid UTF-8, so it cannot be saved");
  CHECK(save_refusal({{"a", a}}, {{"k", "\xff"}}) == "\"\\xff\" is not valid UTF-8, so it cannot be saved");
  CHECK(read_file(path) == "old");
  CHECK(dir.files() == 1);
  CHECK_THROWS_AS(save_safetensors(dir / "no/x", {{"a", a}}), DataError);
  CHECK_THROWS_AS(load_safetensors(dir / "none"), DataError);
}

TEST_CASE("safetensors: narrow types are read as the nearest that an Array has, exactly") {
  const TempDir dir;
  const auto read = [&](const std::string& dtype, const std::string& data, int count) {
    const std::string offsets = join("[0,", data.size(), "]");
    const std::string header = one("\"" + dtype + "\"", join("[", count, "]"), offsets);
    return load_safetensors(dir.put("x", file_of(header, data))).tensors.at(0).second;
  };
  const std::string two("\x01\x80\xff\x7f", 4), four("\x01\0\0\x80\xff\xff\xff\x7f", 8);
  CHECK(same(read("I8", "\x80\x7f\xff", 3), Array::of<int64_t>({3}, {-128, 127, -1})));
  CHECK(same(read("I16", two, 2), Array::of<int64_t>({2}, {-32767, 32767})));
  CHECK(same(read("U16", two, 2), Array::of<int64_t>({2}, {32769, 32767})));
  CHECK(same(read("I32", four, 2), Array::of<int64_t>({2}, {-2147483647, 2147483647})));
  CHECK(same(read("U32", four, 2), Array::of<int64_t>({2}, {2147483649, 2147483647})));
  CHECK(same(read("U64", four, 1), Array::of<int64_t>({1}, {0x7fffffff80000001})));
  CHECK(same(read("F16", std::string("\0\x3c\xff\x7b\0\xfc\x01\0", 8), 4),
             Array::of<float>({4}, {1, 65504, -HUGE_VALF, 0x1p-24f})));
  CHECK(same(read("BF16", std::string("\x80\x3f\x40\xc0\x7f\x7f\x01\0", 8), 4),
             Array::of<float>({4}, {1, -3, 0x1.fep127f, 0x1p-133f})));
  CHECK(std::isnan(read("BF16", "\xc0\x7f", 1).item()));
  CHECK(std::isnan(read("F16", std::string("\0\x7e", 2), 1).item()));
  const std::string large(8, '\xff');
  CHECK(thrown(dir.put("x", file_of(one("\"U64\"", "[1]", "[0,8]"), large))) ==
        "tensor \"a\": element 0 is 2^63 or more, which no i64 holds");
  CHECK(thrown(dir.put("x", file_of(one("\"I16\"", "[3]", "[0,4]"), "1234"))) ==
        "tensor \"a\": I16[3] takes 6 bytes, its data_offsets span 4");
  CHECK(thrown(dir.put("x", file_of(one("\"I8\"", "[35184372088832]", "[0,4]"), "1234"))) ==
        "tensor \"a\": shape [35184372088832] of I8 needs more bytes than can be addressed");
}

TEST_CASE("safetensors: reals are written as F16 or BF16, rounded to nearest even") {
  const TempDir dir;
  const auto through = [&](StoredReal reals, double x) {
    save_safetensors(dir / "x", {{"a", Array::of<double>({1}, {x})}}, {}, {.reals = reals});
    return load_safetensors(dir / "x").tensors.at(0).second.item();
  };
  for (const double sign : {1.0, -1.0}) {
    CHECK(through(StoredReal::f16, sign * (1 + 0x1p-11)) == sign);                            // a tie goes to even
    CHECK(through(StoredReal::f16, sign * (1 + 0x3p-11)) == sign * (1 + 0x1p-9));             // also up
    CHECK(through(StoredReal::f16, sign * (1 + 0x1p-11 + 0x1p-40)) == sign * (1 + 0x1p-10));  // not rounded to f32 first
    CHECK(through(StoredReal::f16, sign * 65519.99) == sign * 65504);
    CHECK(through(StoredReal::f16, sign * 65520) == sign * HUGE_VAL);
    CHECK(through(StoredReal::f16, sign * 0x1p-25) == 0);
    CHECK(std::signbit(through(StoredReal::f16, sign * 0x1p-25)) == (sign < 0));
    CHECK(through(StoredReal::f16, sign * 0x1.01p-25) == sign * 0x1p-24);
    CHECK(through(StoredReal::f16, sign * 0x1.ffep-15) == sign * 0x1p-14);  // up to the smallest normal number
    CHECK(through(StoredReal::bf16, sign * (1 + 0x1p-8)) == sign);
    CHECK(through(StoredReal::bf16, sign * 0x1.ffp127) == sign * HUGE_VAL);
    CHECK(through(StoredReal::bf16, sign * 1e300) == sign * HUGE_VAL);
    CHECK(through(StoredReal::bf16, sign * 3) == sign * 3);
    CHECK(through(StoredReal::bf16, sign * 5e-324) == 0);
    CHECK(through(StoredReal::f16, sign * HUGE_VAL) == sign * HUGE_VAL);
  }
  CHECK(std::isnan(through(StoredReal::f16, std::nan(""))));
  CHECK(std::isnan(through(StoredReal::bf16, std::nan(""))));
  // Every pattern of two bytes comes back as it was, NaN as NaN; what is no real is left alone.
  std::string all;
  for (int i = 0; i < 65536; ++i) all += static_cast<char>(i & 255), all += static_cast<char>(i >> 8);
  for (const auto& [dtype, reals] : {std::pair{"F16", StoredReal::f16}, std::pair{"BF16", StoredReal::bf16}}) {
    const std::string header = one(join("\"", dtype, "\""), "[65536]", "[0,131072]");
    const Array wide = load_safetensors(dir.put("x", file_of(header, all))).tensors.at(0).second;
    save_safetensors(dir / "y", {{"n", Array::arange(3)}, {"a", wide}}, {}, {.reals = reals});
    CHECK(read_file(dir / "y").size() % 8 == 0);
    const Safetensors again = load_safetensors(dir / "y");
    CHECK(same(again.tensors.at(0).second, Array::arange(3)));
    const Array& back = again.tensors.at(1).second;
    int wrong = 0;
    for (int64_t i = 0; i < 65536; ++i) {
      const float a = wide.data<float>()[i], b = back.data<float>()[i];
      wrong += std::isnan(a) ? !std::isnan(b) : std::memcmp(&a, &b, 4) != 0;
    }
    CHECK(wrong == 0);
  }
}
