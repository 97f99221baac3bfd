#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/npy.h>
#include <gradus/core/memory/pool.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::TempDir;

namespace {

/// The bytes of a .npy file: the dictionary is padded so that the data begin at byte 128, as NumPy 2.4.6 did for all below.
std::string npy(int major, const std::string& dictionary, const std::string& data, std::size_t begin = 128) {
  const std::size_t prefix = major == 1 ? 10 : 12, length = begin - prefix;
  std::string s = "\x93NUMPY";
  s += static_cast<char>(major);
  s += '\0';
  for (std::size_t i = 0; i < prefix - 8; ++i) s += static_cast<char>(length >> (8 * i) & 255);
  s += dictionary;
  return s.append(begin - 1 - s.size(), ' ') + '\n' + data;
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data, const char* fortran = "False") {
  return npy(1, "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }", data);
}

/// A string literal with its NULs.
template <std::size_t N> std::string bytes(const char (&s)[N]) { return std::string(s, N - 1); }

/// 1 2.5 -3 4 5 6 as <f4.
std::string matrix_bytes() { return bytes("\x00\x00\x80?\x00\x00 @\x00\x00@\xc0\x00\x00\x80@\x00\x00\xa0@\x00\x00\xc0@"); }

std::vector<double> values(const Array& a) {
  std::vector<double> v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}

std::string thrown(const std::string& path) {
  try {
    load_npy(path);
  } catch (const DataError& e) {
    CHECK(e.op() == path);
    return std::string(e.what()).substr(path.size() + 2);
  }
  return "no error";
}

}  // namespace

TEST_CASE("npy: files that NumPy wrote") {
  const TempDir dir;
  auto load = [&](const std::string& file) { return load_npy(dir.put("x.npy", file)); };
  const std::vector<double> matrix = {1, 2.5, -3, 4, 5, 6};

  Array a = load(npy("<f4", "(2, 3)", matrix_bytes()));
  CHECK(describe(a) == "f32[2,3]");
  CHECK(values(a) == matrix);
  a = load(
      npy(">f4", "(2, 3)", bytes("?\x80\x00\x00@\x80\x00\x00@ \x00\x00@\xa0\x00\x00\xc0@\x00\x00@\xc0\x00\x00"), "True"));
  CHECK(describe(a) == "f32[2,3]");
  CHECK(a.dense());
  CHECK(values(a) == matrix);
  a = load(npy(">f8", "(3,)",
               bytes("?\xb9\x99\x99\x99\x99\x99\x9a\x80\x00\x00\x00\x00\x00\x00\x00\x7f\xf0\x00\x00\x00\x00\x00\x00")));
  CHECK(a.dtype() == f64);
  CHECK(values(a) == std::vector<double>{0.1, 0, std::numeric_limits<double>::infinity()});
  CHECK(std::signbit(a.element(1)));
  a = load(npy("<i8", "()", bytes("\xf9\xff\xff\xff\xff\xff\xff\xff")));
  CHECK(describe(a) == "i64[]");
  CHECK(a.item() == -7);
  a = load(npy(">i2", "(2, 1)", bytes("\xfe\xd4\x01-")));
  CHECK(describe(a) == "i64[2,1]");
  CHECK(values(a) == std::vector<double>{-300, 301});
  CHECK(load(npy("<u4", "(1,)", bytes("\xff\xff\xff\xff"))).at({0}) == 4294967295.0);
  a = load(npy("|u1", "(3,)", bytes("\x00\x01\x02")));
  CHECK(describe(a) == "u8[3]");
  CHECK(values(a) == std::vector<double>{0, 1, 2});
  a = load(npy("|b1", "(2,)", bytes("\x01\x00")));
  CHECK(describe(a) == "bool[2]");
  CHECK(values(a) == std::vector<double>{1, 0});
  a = load(npy("<f2", "(5,)", bytes("\x00>\xff\x03\x01\x00\xff{\x00\xfc")));
  CHECK(a.dtype() == f32);
  CHECK(values(a) == std::vector<double>{1.5, 1023 * 0x1p-24, 0x1p-24, 65504, -std::numeric_limits<double>::infinity()});
  CHECK(describe(load(npy("<f8", "(0, 3)", ""))) == "f64[0,3]");
  CHECK(values(load(npy(2, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }",
                        bytes("\x01\x00\x00\x00\x02\x00\x00\x00")))) == std::vector<double>{1, 2});
  CHECK(values(load(npy(3, "{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }", bytes("\x01\xfe")))) ==
        std::vector<double>{1, -2});
}

TEST_CASE("npy: other spellings of the same header") {
  const TempDir dir;
  const auto path =
      dir.put("x.npy", npy(1, "{\"shape\":(2,1,),'fortran_order':False, \"descr\":'<u2'}", bytes("\x01\x00\xff\xff")));
  const Array a = load_npy(path);
  CHECK(describe(a) == "i64[2,1]");
  CHECK(a.element(1) == 65535);
  CHECK(load_npy(dir.put("u8.npy", npy("<u8", "(1,)", bytes("\xff\xff\xff\xff\xff\xff\xff\x7f")))).data<int64_t>()[0] ==
        INT64_MAX);
}

TEST_CASE("npy: our files are NumPy's, byte for byte") {
  const TempDir dir;
  save_npy(dir / "x.npy", Array::of<float>({2, 3}, {1, 2.5, -3, 4, 5, 6}));
  CHECK(read_file(dir / "x.npy") == npy("<f4", "(2, 3)", matrix_bytes()));
  save_npy(dir / "x.npy", Array::full({}, -7, i64));
  CHECK(read_file(dir / "x.npy") == npy("<i8", "()", bytes("\xf9\xff\xff\xff\xff\xff\xff\xff")));
  save_npy(dir / "x.npy", Array::of<bool>({2}, {true, false}));
  CHECK(read_file(dir / "x.npy") == npy("|b1", "(2,)", bytes("\x01\x00")));
}

TEST_CASE("npy: every dtype, shape and layout comes back as it was") {
  const TempDir dir;
  const std::string path = dir / "x.npy";
  const Array x = Array::arange(24).reshape({2, 3, 4});
  for (const Dtype t : {f32, f64, i64, u8, boolean})
    for (const Array& view : {x, x.permute({2, 0, 1}), x.slice(1, 0, 3, 2), x.select(0, 1).expand({5, 3, 4}),
                              x.slice(0, 1, 1), x.reshape({1, 2, 3, 1, 4, 1}), x.select(0, 0).select(0, 0).select(0, 3)}) {
      const Array a = view.to(t);
      save_npy(path, a);
      const Array b = load_npy(path);
      CAPTURE(describe(a));
      CHECK(describe(b) == describe(a));
      CHECK(values(b) == values(a));
    }
  Array odd = Array::of<double>({3}, {std::nan("7"), -0.0, 5e-324});
  save_npy(path, odd);
  CHECK(std::memcmp(load_npy(path).bytes(), odd.bytes(), 24) == 0);
}

TEST_CASE("npy: swapped and narrow types over several blocks of reading") {
  const TempDir dir;
  std::string data;
  for (int i = 0; i < 20'000; ++i) (data += static_cast<char>(i >> 8)) += static_cast<char>(i & 255);
  const Array a = load_npy(dir.put("x.npy", npy(">i2", "(20000,)", data)));
  int wrong = 0;
  for (int64_t i = 0; i < 20'000; ++i) wrong += a.data<int64_t>()[i] != i;
  CHECK(wrong == 0);
}

TEST_CASE("npy: hostile files are refused, and nothing stays allocated") {
  const TempDir dir;
  const auto before = pool::usage();
  const std::string four(4, '\0');
  auto header = [](const std::string& dictionary) { return npy(1, dictionary, ""); };
  auto check = [&](const std::string& name, const std::string& file, const std::string& expected) {
    CAPTURE(name);
    CHECK(thrown(dir.put(name, file)) == expected);
  };
  const std::string in_header = "header of a .npy file: ";
  check("empty", "", "not a .npy file (starts with \"\")");
  check("text", "hello world", "not a .npy file (starts with \"hello wo\")");
  check("magic only", "\x93NUMPY", "truncated: a .npy file of 6 bytes has no header");
  check("12 bytes that ask for 4 GiB", bytes("\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        in_header + "its length is said to be 4,294,967,295 bytes, at most 10,000 are read");
  check("no length", bytes("\x93NUMPY\x01\x00"), "truncated: a .npy file of 8 bytes has no header");
  check("version 9", bytes("\x93NUMPY\x09\x00v\x00") + std::string(200, ' '),
        ".npy version 9.0 is not read; 1.0, 2.0 and 3.0 are");
  check("version 1.7", bytes("\x93NUMPY\x01\x07v\x00") + std::string(200, ' '),
        ".npy version 1.7 is not read; 1.0, 2.0 and 3.0 are");
  check("header beyond the file", bytes("\x93NUMPY\x01\x00v\x00{"),
        "truncated: the header takes 128 bytes, the file has 11");
  check("header too long", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", four, 20'010),
        in_header + "its length is said to be 20,000 bytes, at most 10,000 are read");
  check("empty header", bytes("\x93NUMPY\x01\x00\x00\x00"), in_header + "it is empty");
  check("python code", header("__import__('os').system('true')"),
        in_header + "'{' was expected at byte 0, found \"__import__('os')\"");
  check("unclosed string", header("{'descr"),
        in_header + "a quoted string was expected at byte 2, found \"descr           \"");
  check("unclosed dictionary", header("{'descr': '<f4'"), in_header + "'}' was expected at byte 118, found \"\"");
  check("no line end", bytes("\x93NUMPY\x01\x00\x37\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}") + four,
        in_header + "it does not end with a line end");
  check("missing key", header("{'descr': '<f4', 'shape': (1,), }"), in_header + "key \"fortran_order\" is missing");
  check("missing shape", header("{'descr': '<f4', 'fortran_order': False}"), in_header + "key \"shape\" is missing");
  check("key twice", header("{'descr': '<f4', 'descr': '<f8', }"), in_header + "key \"descr\" stands there twice");
  check("unknown key", header("{'descr': '<f4', 'pickle': True, }"),
        in_header + "unknown key \"pickle\"; descr, fortran_order and shape are the keys");
  check("trailing garbage", header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } + x"),
        in_header + "\"+ x" + std::string(37, ' ') + "...\" follows the closing brace");
  check("order is a number", header("{'fortran_order': 1}"),
        in_header + "True or False was expected at byte 18, found \"1}" + std::string(14, ' ') + "\"");
  check("negative length", npy("<f4", "(-1,)", four), in_header + "shape has a negative length, -1");
  check("shape is a number", npy("<f4", "(1)", four),
        in_header + "',' (a tuple of one is written (3,)) was expected at byte 52, found \"), }            \"");
  check("shape is text", npy("<f4", "('a',)", four),
        in_header + "an axis length was expected at byte 51, found \"'a',), }        \"");
  check("fractional length", npy("<f4", "(1.5,)", four),
        in_header + "',' (a tuple of one is written (3,)) was expected at byte 52, found \".5,), }         \"");
  check("length over 64 bits", npy("<f4", "(99999999999999999999,)", four), in_header + "a length in shape exceeds 64 bits");
  check("2^62 elements", npy("<f4", "(4611686018427387904,)", four),
        "shape [4611686018427387904] of <f4 needs more bytes than can be addressed");
  check("product overflows to 4", npy("|u1", "(4194305, 4194305, 211106198978564)", four),
        "shape [4194305,4194305,211106198978564] of |u1 needs more bytes than can be addressed");
  check("overflow beside a zero", npy("<f4", "(0, 4611686018427387904, 4)", ""),
        "shape [0,4611686018427387904,4] of <f4 needs more bytes than can be addressed");
  check("seven axes", npy("<f4", "(1, 1, 1, 1, 1, 1, 1)", four), "shape has 7 axes; at most 6 are supported");
  check("objects", npy("|O", "(1,)", four), "descr '|O' holds Python objects, which are programs; they are never read");
  check("complex", npy("<c8", "(1,)", four + four), "descr '<c8' is not read; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 are");
  check("long double", npy("<f16", "(1,)", std::string(16, '\0')),
        "descr '<f16' is not read; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 are");
  check("empty descr", npy("", "(1,)", four), "descr '' is not read; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 are");
  check("records", header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
        in_header + "descr is a list: records of several fields are not read; save one field");
  check("data cut short", npy("<f4", "(1000,)", std::string(872, '\0')),
        "truncated: header says <f4[1000], 4,128 bytes in all, the file has 1,000");
  check("no data", npy("<f4", "(1000000000000,)", ""),
        "truncated: header says <f4[1000000000000], 4,000,000,000,128 bytes in all, the file has 128");
  check("data too long", npy("<f4", "(1,)", four + "x"), "1 bytes follow the data; header says <f4[1], 132 bytes in all");
  check("bool of 7", npy("|b1", "(2,)", bytes("\x01\x07")), "element 1 of type b1 is not a value that bool can hold");
  check("u8 of 2^63", npy("<u8", "(1,)", bytes("\x00\x00\x00\x00\x00\x00\x00\x80")),
        "element 0 of type u8 is not a value that i64 can hold");
  CHECK(pool::usage().live_blocks == before.live_blocks);
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("npy: every prefix of a good file is refused, and no changed byte of a header crashes") {
  const TempDir dir;
  const std::string good = npy(">f4", "(3, 2)", std::string(24, 'x'), "True");
  for (std::size_t n = 0; n < good.size(); ++n) CHECK(thrown(dir.put("x", good.substr(0, n))) != "no error");
  for (std::size_t i = 0; i < 128; ++i)
    for (const char c : {'\0', '\xff', '9', '(', '\'', '-'}) {
      std::string changed = good;
      changed[i] = c;
      try {
        load_npy(dir.put("x", changed));
      } catch (const DataError&) {
      }
    }
}

TEST_CASE("npy: saving where it cannot be done") {
  const TempDir dir;
  CHECK_THROWS_AS(save_npy(dir / "no/x.npy", Array::zeros({1})), DataError);
  CHECK_THROWS_AS(save_npy(dir / "x.npy", Array()), DataError);
  CHECK_THROWS_AS(load_npy(dir / "x.npy"), DataError);
  CHECK(dir.files() == 0);
}

TEST_CASE("npy: types without a byte order, by their letter and by their name, as NumPy 2.4.6 reads them") {
  const TempDir dir;
  auto load = [&](const std::string& descr, const std::string& one) {
    const Array a = load_npy(dir.put("x.npy", npy(descr, "(1,)", one)));
    return join(to_string(a.dtype()), " ", a.element(0));
  };
  const std::string two = bytes("\x02\x00\x00\x00\x00\x00\x00\x00"), half_bytes = bytes("\x00\x42"),
                    float_bytes = bytes("\x00\x00@@"), double_bytes = bytes("\x00\x00\x00\x00\x00\x00\x08@");
  const std::string i64_2 = join("i64 ", 2.0), u8_2 = join("u8 ", 2.0), f32_3 = join("f32 ", 3.0), f64_3 = join("f64 ", 3.0);
  for (const char* order : {"", "<", "|", "="}) {
    const std::string o = order;
    CAPTURE(o);
    for (const char* t : {"f4", "f"}) CHECK(load(o + t, float_bytes) == f32_3);
    for (const char* t : {"f8", "d"}) CHECK(load(o + t, double_bytes) == f64_3);
    for (const char* t : {"f2", "e"}) CHECK(load(o + t, half_bytes) == f32_3);
    for (const char* t : {"i8", "l", "q", "p", "u8", "L", "Q", "P"}) CHECK(load(o + t, two) == i64_2);
    for (const char* t : {"i4", "i", "u4", "I"}) CHECK(load(o + t, two.substr(0, 4)) == i64_2);
    for (const char* t : {"i2", "h", "u2", "H"}) CHECK(load(o + t, two.substr(0, 2)) == i64_2);
    for (const char* t : {"i1", "b"}) CHECK(load(o + t, two.substr(0, 1)) == i64_2);
    for (const char* t : {"u1", "B"}) CHECK(load(o + t, two.substr(0, 1)) == u8_2);
    for (const char* t : {"b1", "?"}) CHECK(load(o + t, "\x01") == join("bool ", 1.0));
  }
  CHECK(load(">f", bytes("@@\x00\x00")) == f32_3);
  CHECK(load(">h", bytes("\x00\x02")) == i64_2);
  CHECK(load(">B", "\x02") == u8_2);
  CHECK(load("float32", float_bytes) == f32_3);
  CHECK(load("float64", double_bytes) == f64_3);
  CHECK(load("float16", half_bytes) == f32_3);
  CHECK(load("int32", two.substr(0, 4)) == i64_2);
  CHECK(load("uint8", "\x02") == u8_2);
  CHECK(load("bool", "\x01") == join("bool ", 1.0));
  for (const char* descr : {"<float32", ">bool", "F4", "b4", "f1",  "f16",    "B1",    "?1", "d8", " f4", "f4 ",     "<<f4",
                            "!f4",      "^f4",   "<",  "|",  "1f4", "(2,)f4", "f4,f4", "g",  "c8", "S4",  "Float32", "i3"}) {
    CAPTURE(descr);
    CHECK(thrown(dir.put("x.npy", npy(descr, "(1,)", two))) ==
          join("descr '", descr, "' is not read; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 are"));
  }
  for (const char* descr : {"O", "O8", "|O", "<O", "object"})
    CHECK(thrown(dir.put("x.npy", npy(descr, "(1,)", two))) ==
          join("descr '", descr, "' holds Python objects, which are programs; they are never read"));
}

TEST_CASE("npy: lengths as Python 2 wrote them") {
  const TempDir dir;
  auto shape = [&](const std::string& tuple, int version = 1) {
    const std::string dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': " + tuple + ", }";
    const std::string path = dir.put("x.npy", npy(version, dictionary, "123456"));
    const std::string said = thrown(path);
    return said == "no error" ? to_string(load_npy(path).shape()) : said;
  };
  const std::string in_header = "header of a .npy file: ";
  CHECK(shape("(6L,)") == "[6]");
  CHECK(shape("(6L,)", 2) == "[6]");
  CHECK(shape("(2L, 3L)") == "[2,3]");
  CHECK(shape("(2, 3L,)") == "[2,3]");
  CHECK(shape("( 1L ,2L,3 L )") == "[1,2,3]");
  CHECK(shape("(6L,)", 3) == in_header + "the length 6L is written as in Python 2, which has no version 3.0 of the format");
  const std::string comma = in_header + "',' (a tuple of one is written (3,))";
  CHECK(shape("(6l,)") == comma + " was expected at byte 52, found \"l,), }          \"");
  CHECK(shape("(6L)") == comma + " was expected at byte 53, found \"), }            \"");
  CHECK(shape("(6LL,)") == comma + " was expected at byte 53, found \"L,), }          \"");
  CHECK(shape("(6\nL,)").find("was expected at byte") != std::string::npos);  // Python's line ends there
  CHECK(shape("(2, L)") == in_header + "an axis length was expected at byte 54, found \"L), }           \"");
  CHECK(shape("(L6,)") == in_header + "an axis length was expected at byte 51, found \"L6,), }         \"");
  CHECK(shape("(06,)") == in_header + "a length without leading zeros was expected at byte 51, found \"06,), }         \"");
  CHECK(shape("(9223372036854775808L,)") == in_header + "a length in shape exceeds 64 bits");
  CHECK(shape("(-6L,)") == in_header + "shape has a negative length, -6");
}
