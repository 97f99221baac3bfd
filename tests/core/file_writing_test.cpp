// What write_atomically() keeps, follows, refuses and cleans up. Interrupted writers: interrupted_saves.cpp.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::TempDir;
namespace fs = std::filesystem;

namespace {

template <class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

mode_t mode_of(const std::string& path) {
  struct stat s {};
  REQUIRE(::stat(path.c_str(), &s) == 0);
  return s.st_mode & 07777;
}

/// While alive, no file may grow beyond `bytes`.
struct SmallDisk {
  explicit SmallDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit less{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &less);
  }
  ~SmallDisk() { ::setrlimit(RLIMIT_FSIZE, &before); }
  rlimit before{};
};

}  // namespace

TEST_CASE("file writing: a full disk leaves the old file, and nothing beside it") {
  const TempDir dir;
  const std::string path = dir.put("x", "old");
  for (auto* handler : {SIG_DFL, SIG_IGN}) {  // by default the signal that comes with this error ends the program
    const auto before = std::signal(SIGXFSZ, handler);
    std::string what;
    {
      const SmallDisk disk(1000);
      what = thrown([&] { write_atomically(path, std::string(100'000, 'n')); });
    }
    std::signal(SIGXFSZ, before);
    CHECK(what == path + ": cannot be written: File too large");
    CHECK(read_file(path) == "old");
    CHECK(dir.files() == 1);
  }
  sigset_t pending;
  REQUIRE(::sigpending(&pending) == 0);
  CHECK(::sigismember(&pending, SIGXFSZ) == 0);
}

TEST_CASE("file writing: a symbolic link stays, and the file that it leads to is replaced") {
  const TempDir dir;
  fs::create_directory(dir / "real");
  const std::string real = dir.put("real/x", "old"), link = dir / "link", chain = dir / "real/chain";
  REQUIRE(::symlink("real/x", link.c_str()) == 0);    // relative to the link's folder
  REQUIRE(::symlink("../link", chain.c_str()) == 0);  // a link to a link
  for (const std::string& path : {link, chain}) {
    write_atomically(path, "through " + path);
    CHECK(read_file(real) == "through " + path);
    CHECK(fs::is_symlink(path));
  }
  fs::create_directory_symlink(dir / "real", dir / "folder");
  write_atomically(dir / "folder/x", "by its folder");
  CHECK(read_file(real) == "by its folder");

  const std::string ahead = dir / "ahead", circle = dir / "circle", astray = dir / "astray";
  REQUIRE(::symlink("real/new", ahead.c_str()) == 0);
  write_atomically(ahead, "made");  // leads to what does not exist yet
  CHECK(fs::is_symlink(ahead));
  CHECK(read_file(dir / "real/new") == "made");
  REQUIRE(::symlink("circle", circle.c_str()) == 0);
  CHECK(thrown([&] { write_atomically(circle, "n"); }) == circle + ": cannot be written: Too many levels of symbolic links");
  REQUIRE(::symlink("no/such", astray.c_str()) == 0);
  CHECK(thrown([&] { write_atomically(astray, "n"); }) ==
        astray + ": cannot be written, no file can be made in \"" + (dir / "no") + "\": No such file or directory");
  CHECK(dir.files() == 6);
}

TEST_CASE("file writing: what the process has open is written to, also if it is a file") {
  const TempDir dir;
  const std::string path = dir / "output";
  const int out = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(out >= 0);
  REQUIRE(::write(out, "first ", 6) == 6);
  write_atomically(join("/dev/fd/", out), "second ");
  write_atomically(join("/proc/self/fd/", out), "third ");
  const std::string link = dir / "link";  // as /dev/stdout is
  REQUIRE(::symlink(join("/proc/self/fd/", out).c_str(), link.c_str()) == 0);
  write_atomically(link, "fourth ");
  REQUIRE(::write(out, "fifth", 5) == 5);
  ::close(out);
  CHECK(read_file(path) == "first second third fourth fifth");
  CHECK(fs::is_symlink(link));
}

TEST_CASE("file writing: permissions and owner of the old file stay") {
  const TempDir dir;
  const std::string path = dir.put("x", "old");
  for (const mode_t mode : {0640u, 0600u, 0666u, 0755u, 0220u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    write_atomically(path, "new");
    CHECK(mode_of(path) == mode);
  }
  if (::geteuid() == 0) {  // only root may give files away
    REQUIRE(::chown(path.c_str(), 1234, 4321) == 0);
    REQUIRE(::chmod(path.c_str(), 06750) == 0);
    write_atomically(path, "newer");
    struct stat s {};
    REQUIRE(::stat(path.c_str(), &s) == 0);
    CHECK((s.st_uid == 1234 && s.st_gid == 4321));
    CHECK(mode_of(path) == 06750);
  }
  const mode_t before = ::umask(027);
  write_atomically(dir / "fresh", "new");
  ::umask(before);
  CHECK(mode_of(dir / "fresh") == 0640);
}

TEST_CASE("file writing: nobody else may read the bytes on their way into a private file") {
  const TempDir dir;
  const std::string path = dir.put("x", "old");
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  write_atomically(path, [&](OutputFile& out) {
    out.write("secret");
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const auto to = fs::read_symlink(entry.path(), gone).string();
      if (to.find(dir.path() + "/") == 0) CHECK((mode_of(entry.path()) & 077) == 0);
    }
  });
}

TEST_CASE("file writing: a write-protected file is refused, also to root and through a link") {
  const TempDir dir;
  const std::string path = dir.put("x", "keep"), link = dir / "link";
  REQUIRE(::symlink("x", link.c_str()) == 0);
  for (const mode_t mode : {0444u, 0400u, 0555u, 0u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    for (const std::string& p : {path, link}) {
      bool asked = false;
      CHECK(thrown([&] { write_atomically(p, [&](OutputFile&) { asked = true; }); }) ==
            p + ": is write-protected, so it is not replaced; \"chmod u+w\" would allow it");
      CHECK_FALSE(asked);
      CHECK(thrown([&] { check_writable(p); }).find("is write-protected") != std::string::npos);
    }
  }
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  CHECK(read_file(path) == "keep");
  CHECK(dir.files() == 2);
}

TEST_CASE("file writing: a name may be as long as the folder allows, and so may a path") {
  const TempDir dir;
  std::string umlauts;
  while (umlauts.size() < 250) umlauts += "\xc3\xbc";
  for (const std::string& name : {std::string(250, 'n'), std::string(255, 'n'), std::string(221, 'n'), umlauts}) {
    const std::string path = dir / name;
    write_atomically(path, "first");
    write_atomically(path, "second");
    CHECK(read_file(path) == "second");
  }
  CHECK(dir.files() == 4);
  bool asked = false;
  CHECK(thrown([&] {
          write_atomically(dir / std::string(256, 'n'), [&](OutputFile&) { asked = true; });
        }).find("File name too long") != std::string::npos);
  CHECK_FALSE(asked);
  std::string deep = dir.path();
  while (deep.size() < 3900) fs::create_directory(deep += "/" + std::string(100, 'd'));
  deep += "/" + std::string(4095 - deep.size() - 1, 'f');  // the longest path there is
  write_atomically(deep, "first");
  write_atomically(deep, "second");
  CHECK(read_file(deep) == "second");
}

TEST_CASE("file writing: what a killed writer left is removed by the next write to that path, and nothing else is") {
  const TempDir dir;
  const std::string path = dir / "x", long_name(250, 'n');
  write_atomically(path, "old");
  dir.put("x.tmp.4711.0", std::string(1000, 'l'));
  dir.put("x.tmp.4711.12", "litter");
  const std::vector<std::string> kept = {"x.tmp",       "x.tmp.",     "x.tmp.notes", "x.tmp.1",   "x.tmp.1.", "x.tmp..1",
                                         "x.tmp.1.2.3", "x.tmp.1.2~", "xx.tmp.1.2",  "y.tmp.1.2", "x.TMP.1.2"};
  for (const auto& name : kept) dir.put(name, "not ours");
  const std::string alive = dir.put("x.tmp.5.0", "another process is writing this");
  fs::create_directory(dir / "x.tmp.6.0");
  REQUIRE(::symlink("y.tmp.1.2", (dir / "x.tmp.7.0").c_str()) == 0);
  const int writer = ::open(alive.c_str(), O_RDWR);
  REQUIRE(::flock(writer, LOCK_EX) == 0);
  write_atomically(path, "new");
  CHECK(dir.files() == 1 + kept.size() + 3);
  for (const auto& name : kept) CHECK(fs::exists(dir / name));
  CHECK(fs::exists(alive));
  ::close(writer);  // as the system does when it is killed
  check_writable(path);
  write_atomically(path, "newer");
  CHECK_FALSE(fs::exists(alive));
  CHECK(read_file(path) == "newer");
  CHECK(read_file(dir / "y.tmp.1.2") == "not ours");
}

TEST_CASE("file writing: many writers to one path at once, and every reader sees one of them, whole") {
  const TempDir dir;
  const std::string path = dir / "x";
  std::atomic<int> wrong{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w)
    writers.emplace_back([&, w] {
      for (int i = 0; i < 25; ++i) {
        try {
          write_atomically(path, std::string(20'000 + static_cast<std::size_t>(w), static_cast<char>('a' + w)));
          const std::string got = read_file(path);
          if (got != std::string(got.size(), got[0]) || got.size() != 20'000u + static_cast<unsigned>(got[0] - 'a')) ++wrong;
        } catch (const DataError&) {
          ++wrong;
        }
      }
    });
  for (auto& w : writers) w.join();
  CHECK(wrong == 0);
  CHECK(dir.files() == 1);
}

TEST_CASE("file writing: check_writable says what write_atomically would, and leaves no trace") {
  const TempDir dir;
  const std::string old = dir.put("x", "old");
  fs::create_directory(dir / "d");
  check_writable(old);
  check_writable(dir / "new");
  check_writable("/dev/null");
  CHECK(read_file(old) == "old");
  CHECK(dir.files() == 2);
  const std::string too_long = dir / std::string(300, 'n');
  for (const std::string& path : {dir / "no/such", dir / "d", dir / "x/y", dir / "d/", std::string(), too_long}) {
    CAPTURE(path);
    const std::string said = thrown([&] { check_writable(path); });
    CHECK(said != "no error");
    CHECK(said == thrown([&] { write_atomically(path, "n"); }));
  }
}
