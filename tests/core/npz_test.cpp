// .npz archives: those that NumPy wrote (tests/vectors/make_file_vectors.py), our own, and such as lie.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/npy.h>
#include <gradus/core/io/npz.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string_view>

#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::expected_of;
using gradus::testing::same_arrays;
using gradus::testing::TempDir;
using gradus::testing::vector_file;

namespace {

std::string npz_thrown(const std::string& path) {
  try {
    load_npz(path);
  } catch (const DataError& e) {
    CHECK(e.op() == path);
    return std::string(e.what()).substr(path.size() + 2);
  }
  return "no error";
}

/// The archive of two arrays, and a place in it.
struct Archive {
  explicit Archive(const TempDir& dir) : path(dir / "x.npz") {
    save_npz(path, {{"one", Array::arange(3, f32)}, {"two", Array::full({}, 1, u8)}});
    bytes = read_file(path);
  }
  std::size_t place(std::string_view of, int nth = 0) const {
    std::size_t at = bytes.find(of);
    while (nth-- > 0) at = bytes.find(of, at + 1);
    REQUIRE(at != std::string::npos);
    return at;
  }
  /// What is said of the archive with `by` at this place.
  std::string with(std::size_t at, std::string_view by) const {
    const TempDir dir;
    std::string changed = bytes;
    changed.replace(at, by.size(), by);
    return npz_thrown(dir.put("x.npz", changed));
  }
  std::string path, bytes;
};

}  // namespace

TEST_CASE("npz: archives that NumPy wrote, stored and compressed") {
  for (const char* file : {"arrays.npz", "compressed.npz"}) {
    CAPTURE(file);
    CHECK(same_arrays(load_npz(vector_file(file)), expected_of("npz")));
  }
}

TEST_CASE("npz: arrays, their order and their names come back") {
  const TempDir dir;
  const NamedArrays some = {{"z", Array::arange(6, f32).reshape({2, 3}).transpose(0, 1)},
                            {"layers.0/\xc3\xa4", Array::of<double>({2}, {std::nan(""), -0.0})},
                            {"", Array({0, 3})},
                            {"flag", Array::of<bool>({}, {true})},
                            {"n", Array::of<int64_t>({1}, {INT64_MIN})}};
  save_npz(dir / "x.npz", some);
  const NamedArrays back = load_npz(dir / "x.npz");
  CHECK(same_arrays(back, some));
  for (std::size_t i = 0; i < some.size(); ++i) CHECK(back.at(i).first == some[i].first);
  save_npz(dir / "x.npz", {});
  CHECK(load_npz(dir / "x.npz").empty());
  CHECK(dir.files() == 1);

  const auto refused = [&](const NamedArrays& arrays, const char* what) {
    CHECK_THROWS_WITH_AS(save_npz(dir / "y.npz", arrays), doctest::Contains(what), DataError);
  };
  refused({{"a", Array({1})}, {"a", Array({1})}}, "two arrays bear the name \"a\"");
  refused({{std::string("a\0b", 3), Array({1})}}, "holds a NUL");
  refused({{"a", Array()}}, "\"a\" is absent: it has no numbers to save");
  CHECK(dir.files() == 1);
}

TEST_CASE("npz: archives that lie are refused") {
  const TempDir dir;
  const Archive a(dir);
  REQUIRE(load_npz(a.path).size() == 2);
  CHECK(npz_thrown(dir.put("y", "hello world, hello world")) == "not a zip archive (starts with \"hello wo\")");
  CHECK(npz_thrown(dir.put("y", "")) == "not a zip archive (starts with \"\")");
  const std::string cut_off = "a zip archive without the directory at its end: it is cut short, or damaged";
  CHECK(npz_thrown(dir.put("y", a.bytes.substr(0, a.bytes.size() - 1))) == cut_off);
  CHECK(npz_thrown(dir.put("y", a.bytes + "x")) == cut_off);
  for (std::size_t n = 0; n < a.bytes.size(); ++n) CHECK(npz_thrown(dir.put("y", a.bytes.substr(0, n))) != "no error");

  const std::size_t entry = a.place("PK\1\2"), second = a.place("PK\1\2", 1), data = a.place("\x93NUMPY");
  const std::string one = "member \"one.npy\"", two = "member \"two.npy\"";
  CHECK(a.with(entry + 8, "\1") == one + " is encrypted; this is not read");
  CHECK(a.with(entry + 10, "\x0c") == one + " is compressed by method 12; stored (0) and deflated (8) ones are read");
  CHECK(a.with(entry + 10, "\x08") == one + ": no such member where the directory says, at byte 0");
  CHECK(a.with(second + 46, "one") == two.substr(0, 8) + "one.npy\": no such member where the directory says, at byte 197");
  CHECK(a.with(entry + 46, "w") == "member \"wne.npy\": no such member where the directory says, at byte 0");
  CHECK(a.with(entry + 16, "xxxx") == one + ": its checksum is not that of the directory");
  CHECK(a.with(data + 128, "\1") == one + ": its checksum is not that of the directory");
  CHECK(a.with(data, "x").starts_with(one + ": not a .npy file (starts with \"xNUMPY"));
  const std::size_t sizes = entry + 46 + 7 + 4;  // of 64 bits
  CHECK(a.with(sizes, "\xff") == one + " is stored, but has two sizes");
  CHECK(a.with(sizes + 16, "\1") == one + ": no such member where the directory says, at byte 1");
  CHECK(a.with(sizes + 23, "\x7f").find("would begin at byte 9,151,314,442,816,847,872") != std::string::npos);
  CHECK(a.with(a.place("PK\6\6") + 32, "\3").find("entry 3 of the directory is not where it must be") != std::string::npos);
  CHECK(a.with(a.place("PK\6\6") + 39, "\x7f").find("cannot list 9,151,314,442,816,847,874 members") != std::string::npos);
  CHECK(a.with(a.place("PK\5\6") + 4, "\1") == "is one part of a zip archive in several; this is not read");
  const std::string renamed = [&] {
    std::string s = a.bytes;
    for (std::size_t at; (at = s.find("two.npy")) != s.npos;) s.replace(at, 7, "two.txt");
    return s;
  }();
  CHECK(npz_thrown(dir.put("y", renamed)) == "member \"two.txt\": its name does not end with .npy");
}

TEST_CASE("npz: a member that unpacks to another size than the directory says is refused") {
  const TempDir dir;
  const std::string good = read_file(vector_file("compressed.npz"));
  REQUIRE(load_npz(dir.put("x", good)).size() == expected_of("npz").size());
  // The directory's unpacked size of the first member, w.npy, is that of its 3 x 4 numbers and 128 bytes before them.
  const std::size_t entry = good.find("PK\1\2"), size = entry + 24;
  REQUIRE(good.substr(size, 4) == std::string("\xb0\0\0\0", 4));
  const auto with = [&](const std::string& four) {
    std::string s = good;
    return npz_thrown(dir.put("x", s.replace(size, 4, four)));
  };
  CHECK(with(std::string("\xaf\0\0\0", 4)).find("truncated: header says") != std::string::npos);
  CHECK(with(std::string("\xb1\0\0\0", 4)).find("1 bytes follow the data") != std::string::npos);
  CHECK(with(std::string("\0\0\0\x10", 4)).find("cannot unpack to 268,435,456") != std::string::npos);
  CHECK(with(std::string("\0\0\x02\0", 4)).find("member \"w.npy\"") != std::string::npos);
  std::string damaged = good;
  const std::size_t data = 30 + 5 + 20 + 100;
  damaged[data] = static_cast<char>(~damaged[data]);
  CHECK(npz_thrown(dir.put("x", damaged)).find("member \"w.npy\"") != std::string::npos);
}
