#include <gradus/core/error.h>
#include <gradus/core/io/files.h>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::TempDir;

namespace {

template <class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("files: what was written is read back, and replaced as a whole") {
  const TempDir dir;
  const std::string path = dir / "x", big(3'000'000, 'b');
  write_atomically(path, "old\0bytes");
  CHECK(read_file(path) == "old");  // a string literal ends at its NUL
  write_atomically(path, std::string_view("a\0b", 3));
  CHECK(read_file(path) == std::string("a\0b", 3));
  write_atomically(path, [&](OutputFile& out) { out.write("head"), out.write(big); });
  CHECK(read_file(path) == "head" + big);
  write_atomically(path, "");
  CHECK(read_file(path).empty());
  CHECK(dir.files() == 1);
}

TEST_CASE("files: a path without a directory is in the current one") {
  const TempDir dir;
  char before[4096];
  REQUIRE(::getcwd(before, sizeof before) != nullptr);
  REQUIRE(::chdir(dir.path().c_str()) == 0);
  write_atomically("plain", "here");
  REQUIRE(::chdir(before) == 0);
  CHECK(read_file(dir / "plain") == "here");
}

TEST_CASE("files: a writer that throws leaves the old file, and nothing beside it") {
  const TempDir dir;
  const std::string path = dir.put("x", "old");
  CHECK_THROWS_AS(write_atomically(path,
                                   [](OutputFile& out) {
                                     out.write("half");
                                     throw 7;
                                   }),
                  int);
  CHECK(read_file(path) == "old");
  CHECK(dir.files() == 1);
  CHECK_THROWS_AS(write_atomically(dir / "new", [](OutputFile&) { throw 7; }), int);
  CHECK(dir.files() == 1);
}

TEST_CASE("files: where nothing can be written") {
  const TempDir dir;
  const std::string missing = dir / "no/such/x";
  CHECK(thrown([&] { write_atomically(missing, "n"); }) ==
        missing + ": cannot be written, no file can be made in \"" + (dir / "no/such") + "\": No such file or directory");
  std::filesystem::create_directory(dir / "d");
  CHECK(thrown([&] { write_atomically(dir / "d", "n"); }) == (dir / "d") + ": cannot be replaced: Is a directory");
  CHECK(dir.files() == 1);
  CHECK(thrown([&] { write_atomically("", "n"); }) == "\"\": cannot be written, an empty path names no file");
  const std::string long_name = dir / std::string(300, 'n');
  CHECK(thrown([&] { write_atomically(long_name, "n"); }).find("File name too long") != std::string::npos);
}

TEST_CASE("files: a device or pipe is written to, never replaced") {
  const TempDir dir;
  const std::string pipe = dir / "pipe", link = dir / "link";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(::symlink(pipe.c_str(), link.c_str()) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  char got[8] = {};
  for (const std::string& path : {pipe, link}) {
    write_atomically(path, "bytes");
    CHECK(::read(reader, got, sizeof got) == 5);
    CHECK(std::string(got) == "bytes");
  }
  ::close(reader);
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(std::filesystem::is_symlink(link));
  CHECK(dir.files() == 2);
}

TEST_CASE("files: what cannot be read") {
  const TempDir dir;
  CHECK(thrown([&] { read_file(dir / "none"); }) == (dir / "none") + ": cannot be opened: No such file or directory");
  CHECK(thrown([&] { read_file(dir.path()); }) == dir.path() + ": is a directory; a file was expected");
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK(thrown([&] { read_file(dir / "pipe"); }) == (dir / "pipe") + ": is not a regular file");
  const InputFile file(dir.put("x", "12345"));
  char to[8];
  CHECK(file.size() == 5);
  CHECK(thrown([&] { file.read(3, to, 4); }) == (dir / "x") + ": truncated: it ends at byte 5, 2 bytes are missing");
}

TEST_CASE("files: numbers and foreign bytes in messages") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(4211904) == "4,211,904");
  CHECK(grouped(1000) == "1,000");
  CHECK(excerpt(std::string_view("a\n\0\xff\"\\", 6)) == "a\\x0a\\x00\\xff\\\"\\\\");
  CHECK(excerpt(std::string(100, 'a'), 5) == "aaaaa...");
}

TEST_CASE("files: byte_count refuses what no file can hold") {
  std::uint64_t bytes = 1;
  CHECK((byte_count({}, 4, bytes) && bytes == 4));
  CHECK((byte_count({2, 3}, 8, bytes) && bytes == 48));
  CHECK((byte_count({5, 0}, 8, bytes) && bytes == 0));
  CHECK_FALSE(byte_count({-1}, 1, bytes));
  CHECK_FALSE(byte_count({0, int64_t(1) << 62, int64_t(1) << 62}, 1, bytes));
  CHECK_FALSE(byte_count({4194305, 4194305, 211106198978564}, 1, bytes));  // 2^64 + 4
  CHECK_FALSE(byte_count({int64_t(1) << 48}, 1, bytes));
}
