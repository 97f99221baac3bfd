#include <gradus/data/idx.h>
#include <gradus/data/loader.h>

#include <doctest/doctest.h>
#include <zlib.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>

#include <gradus/tests/helpers/sanitized.h>

using namespace gradus;
using namespace gradus::data;
namespace fs = std::filesystem;

namespace {

/// A folder that goes away with the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / join("gradus_idx_", static_cast<int>(getpid()));
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return (path / name).string();
  }
};

std::string big(std::initializer_list<std::uint32_t> words) {
  std::string s;
  for (const auto w : words)
    for (const int shift : {24, 16, 8, 0}) s += static_cast<char>(w >> shift & 255);
  return s;
}

std::string gz(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + bytes.size() / 100 + 200, '\0');
  std::string in = bytes;
  z.next_in = reinterpret_cast<Bytef*>(in.data()), z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data()), z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string pixels(std::size_t n) {
  std::string s;
  for (std::size_t i = 0; i < n; ++i) s += static_cast<char>(i * 31 % 251);
  return s;
}

/// The problem that read_idx reports, without the operation and the file's name, which must be there.
std::string thrown(const std::string& path) {
  try {
    read_idx(path);
  } catch (const DataError& e) {
    const std::string what = e.what(), start = "read_idx: " + fs::weakly_canonical(path).string() + ": ";
    CHECK(what.substr(0, start.size()) == start);
    return what.substr(std::min(start.size(), what.size()));
  }
  return "accepted";
}

bool contains(const std::string& s, const std::string& part) { return s.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("read_idx: u8 plain and gzipped, whatever the name") {
  const Folder f;
  const std::string file = big({0x803, 5, 4, 3}) + pixels(60);
  for (const auto& path : {f.write("a", file), f.write("b.gz", gz(file)), f.write("c.gz", file), f.write("d", gz(file))}) {
    const Array a = read_idx(path);
    CHECK(describe(a) == "u8[5,4,3]");
    CHECK(a.at({4, 3, 2}) == 59 * 31 % 251);
  }
  CHECK(describe(read_idx(f.write("e", big({0x803, 0, 28, 28})))) == "u8[0,28,28]");
  CHECK(describe(read_idx(f.write("f", big({0x806, 1, 1, 2, 1, 1, 1}) + "ab"))) == "u8[1,1,2,1,1,1]");
}

TEST_CASE("read_idx: numbers are big-endian; i32 becomes i64") {
  const Folder f;
  const Array i = read_idx(f.write("i", big({0xC01, 3, 1, 0xFFFFFFFE, 0x01020304})));
  CHECK(describe(i) == "i64[3]");
  CHECK((i.element(0) == 1 && i.element(1) == -2 && i.element(2) == 0x01020304));
  const Array s = read_idx(f.write("s.gz", gz(big({0xD02, 1, 2, 0x3FC00000, 0xC0000000}))));
  CHECK(describe(s) == "f32[1,2]");
  CHECK((s.element(0) == 1.5 && s.element(1) == -2));
  const Array d = read_idx(f.write("d", big({0xE01, 1, 0x3FF80000, 0})));
  CHECK((d.dtype() == f64 && d.element(0) == 1.5));
}

TEST_CASE("read_idx refuses what is no IDX file") {
  const Folder f;
  CHECK(thrown((f.path / "none").string()) == "there is no such file");
  CHECK(contains(thrown(f.path.string()), "this is a folder"));
  CHECK(thrown("/dev/null") == "this is not a regular file");
  CHECK(contains(thrown(f.write("empty", "")), "too short for an IDX file"));
  CHECK(contains(thrown(f.write("three", "abc")), "the file has 3"));
  CHECK(contains(thrown(f.write("text", "hello world, hello")), "not an IDX file (magic 0x68656c6c)"));
  CHECK(contains(thrown(f.write("type", big({0x703, 1, 1, 1}) + "a")), "not an IDX file"));
  CHECK(contains(thrown(f.write("rank0", big({0x800}) + "a")), "not an IDX file"));
  CHECK(contains(thrown(f.write("i16", big({0xB01, 1}) + "ab")), "elements of type 0b"));
  CHECK(contains(thrown(f.write("rank7", big({0x807, 1, 1, 1, 1, 1, 1, 1}) + "a")), "7 axes; at most 6"));
  CHECK(thrown(f.write("swapped", std::string("\x03\x08\0\0", 4) + big({1, 1, 1}) + "a")) ==
        "magic 0x03080000 is the byte-swapped 0x00000803; this file is little-endian, IDX is big-endian");
}

TEST_CASE("read_idx refuses sizes that the file does not have, without taking memory for them") {
  const Folder f;
  const auto before = pool::usage();
  CHECK(contains(thrown(f.write("header", big({0x803, 5, 4}))),
                 "cut short in the header: 3 axes need 16 bytes, the file has 12"));
  CHECK(thrown(f.write("cut", big({0x803, 60000, 28, 28}) + pixels(784000))) ==
        "header says 60000 x 28 x 28 u8 (47040016 bytes), the file has 784016; it is cut short, fetch it again");
  CHECK(
      contains(thrown(f.write("long", big({0x801, 5}) + "123456")), "(13 bytes), the file has 14; what follows is not IDX"));
  const std::uint32_t most = 0xFFFFFFFF;
  CHECK(contains(thrown(f.write("huge", big({0x802, most, most}) + "a")), "more than any file can hold"));
  CHECK(contains(thrown(f.write("wraps", big({0x804, 1u << 31, 1u << 31, 4, 1}) + "a")), "more than any file can hold"));
  CHECK(contains(thrown(f.write("zero", big({0x803, 0, most, most}) + "a")), "more than any file can hold"));
  CHECK(contains(thrown(f.write("f64", big({0xE02, most, 1u << 30}) + "a")), "more than any file can hold"));
  CHECK(contains(thrown(f.write("large", big({0x802, 1u << 20, 1u << 20}) + "a")), "the file has 13"));
  CHECK(contains(thrown(f.write("claims.gz", gz(big({0x802, 1u << 20, 1u << 20}) + "a"))), "bytes of gzip cannot hold"));
  CHECK(pool::usage().live_bytes == before.live_bytes);
}

TEST_CASE("read_idx refuses damaged, cut and overlong gzip data") {
  const Folder f;
  const std::string file = big({0x803, 50, 10, 10}) + pixels(5000), packed = gz(file);
  CHECK(contains(thrown(f.write("cut.gz", packed.substr(0, packed.size() / 2))), "the unpacked data ends after"));
  CHECK(contains(thrown(f.write("sum.gz", packed.substr(0, packed.size() - 4))), "ends before its checksum"));
  CHECK(contains(thrown(f.write("short.gz", gz(file.substr(0, 3000)))), "the unpacked data ends after 3000"));
  std::string damaged = packed;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // in the checksum
  CHECK(contains(thrown(f.write("damaged.gz", damaged)), "the gzip data is damaged"));
  CHECK(contains(thrown(f.write("bomb.gz", gz(big({0x801, 5}) + std::string(20000000, 'a')))), "the data goes on"));
}

TEST_CASE("read_idx refuses whatever follows gzip data and is none") {
  const Folder f;
  const std::string file = big({0x803, 50, 10, 10}) + pixels(5000), packed = gz(file);
  const std::string none = "; what follows is not gzip";
  REQUIRE(describe(read_idx(f.write("good.gz", packed))) == "u8[50,10,10]");
  CHECK(thrown(f.write("garbage.gz", packed + "garbage")) == "7 bytes follow the gzip data" + none);
  CHECK(thrown(f.write("zeros.gz", packed + std::string(512, '\0'))) == "512 bytes follow the gzip data" + none);
  CHECK(thrown(f.write("zero.gz", packed + std::string(1, '\0'))) == "1 byte follows the gzip data" + none);
  CHECK(thrown(f.write("half.gz", packed + "\x1f")) == "1 byte follows the gzip data" + none);
  CHECK(thrown(f.write("far.gz", packed + std::string(300'000, 'x'))) == "300000 bytes follow the gzip data" + none);
  CHECK(thrown(f.write("plain.gz", packed + file)) == join(file.size(), " bytes follow the gzip data", none));
  CHECK(contains(thrown(f.write("magic.gz", packed + "\x1f\x8b")), "ends before its checksum"));
  CHECK(contains(thrown(f.write("member.gz", packed + "\x1f\x8b garbage")), "the gzip data is damaged"));
  CHECK(contains(thrown(f.write("again.gz", packed + packed)), "the data goes on"));
  CHECK(contains(thrown(f.write("more.gz", packed + gz("x"))), "the data goes on"));
  CHECK(contains(thrown(f.write("cut.gz", packed + gz("").substr(0, 15))), "ends before its checksum"));
}

TEST_CASE("read_idx: gzip of several members is their data one after the other") {
  const Folder f;
  const std::string file = big({0x803, 50, 10, 10}) + pixels(5000);
  const Array whole = read_idx(f.write("whole", file));
  for (const std::size_t cut : std::initializer_list<std::size_t>{0, 1, 4, 15, 16, 2500, file.size()})
    for (const std::string& between : {std::string(), gz("")}) {
      const Array a = read_idx(f.write("two.gz", gz(file.substr(0, cut)) + between + gz(file.substr(cut))));
      CHECK(std::memcmp(a.bytes(), whole.bytes(), 5000) == 0);
    }
  std::string bytewise;
  for (const char c : file.substr(0, 600)) bytewise += gz(std::string(1, c));
  const Array a = read_idx(f.write("many.gz", bytewise + gz(file.substr(600))));
  CHECK(std::memcmp(a.bytes(), whole.bytes(), 5000) == 0);
  CHECK(contains(thrown(f.write("lost.gz", gz(file.substr(0, 1000)) + gz(file.substr(1001)))),
                 "the unpacked data ends after 5015"));
}

TEST_CASE("read_idx: a gzip file that claims more than it holds takes no memory for it") {
  const Folder f;
  std::string noise;  // deflate cannot shrink it, and the claim is within what deflate could
  for (std::uint32_t x = 1, i = 0; i < 100'000; ++i) noise += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  const std::string path = f.write("claims.gz", gz(big({0x801, 100'000'000}) + noise));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto before = pool::usage();
    std::string said;
    rlimit memory{};
    std::ifstream("/proc/self/statm") >> memory.rlim_cur;
    memory.rlim_cur = memory.rlim_cur * 4096 + (16 << 20), memory.rlim_max = RLIM_INFINITY;
    if (!testing::sanitized) ::setrlimit(RLIMIT_AS, &memory);
    try {
      read_idx(path);
    } catch (const Error& e) {
      said = e.what();
    }
    const bool right = contains(said, "the unpacked data ends after 100008; it is cut short");
    ::_exit(right && pool::usage().live_bytes == before.live_bytes ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  const Array zeros = read_idx(f.write("zeros.gz", gz(big({0x801, 5'000'000}) + std::string(5'000'000, '\0'))));  // no lie
  CHECK(zeros.size() == 5'000'000);
}

TEST_CASE("read_idx survives every cut and every changed byte of a small file") {
  const Folder f;
  const std::string file = big({0x802, 3, 2}) + "abcdef";
  int accepted = 0;
  for (const auto& whole : {file, gz(file)}) {
    for (std::size_t n = 0; n < whole.size(); ++n) CHECK(thrown(f.write("cut", whole.substr(0, n))) != "accepted");
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
        try {
          read_idx(f.write("changed", changed));
          ++accepted;
        } catch (const DataError&) {
        }
      }
  }
  CHECK(accepted >= 6 * 8);  // changed elements of the plain file are elements too
}

TEST_CASE("load_mnist: both spellings, plain and .gz; what does not belong together is refused") {
  const Folder f;
  auto message = [&] {
    try {
      load_mnist(f.path.string(), true);
    } catch (const DataError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(message() == "load_mnist: looked for train-images-idx3-ubyte, train-images.idx3-ubyte (plain or .gz) in " +
                         fs::weakly_canonical(f.path).string() + "; found: nothing");
  f.write("train-images.idx3-ubyte", big({0x803, 3, 2, 2}) + pixels(12));
  CHECK(contains(message(), "looked for train-labels-idx1-ubyte"));
  CHECK(contains(message(), "found: train-images.idx3-ubyte"));
  f.write("train-labels-idx1-ubyte.gz", gz(big({0x801, 3}) + std::string("\x07\0\x09", 3)));
  const ImageSet set = load_mnist(f.path.string(), true);
  CHECK(describe(set.images) == "u8[3,2,2]");
  CHECK(set.labels.element(2) == 9);

  const std::string labels = "train-labels-idx1-ubyte.gz";
  f.write(labels, big({0x801, 4}) + "\1\1\1\1");
  CHECK(contains(message(), labels + ": 3 images, 4 labels"));
  f.write(labels, big({0x801, 3}) + "\1\xC8\1");
  CHECK(contains(message(), labels + ": label 200 at item 1; labels must be 0 to 9"));
  f.write(labels, big({0x802, 3, 1}) + "\1\1\1");
  CHECK(contains(message(), labels + ": holds u8[3,1]; labels are u8[N]"));
  f.write("train-images.idx3-ubyte", big({0x801, 3}) + "\1\1\1");
  CHECK(contains(message(), "train-images.idx3-ubyte: holds u8[3]; images are u8[N, height, width]"));
  try {
    load_mnist(f.path.parent_path().string(), true);
    FAIL("no error");
  } catch (const DataError& e) {
    CHECK(contains(e.hint(), "the folder "));
  }
  CHECK_THROWS_WITH_AS(load_mnist((f.path / "nowhere").string(), false), doctest::Contains("nowhere; found: no such folder"),
                       DataError);
}

TEST_CASE("load_mnist reads MNIST itself") {
  const char* given = std::getenv("GRADUS_DATA");
  const fs::path folder = given ? fs::path(given) / "mnist" : fs::path(GRADUS_SOURCE_DIR) / "../shared/data/mnist";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: there is no " << folder.string() << "; GRADUS_DATA may name the folder of data sets");
    return;
  }
  const ImageSet train = load_mnist(folder.string(), true), test = load_mnist(folder.string(), false);
  CHECK(describe(train.images) == "u8[60000,28,28]");
  CHECK(describe(test.images) == "u8[10000,28,28]");
  int counts[10] = {};
  for (std::int64_t i = 0; i < 60000; ++i) ++counts[train.labels.data<std::uint8_t>()[i]];
  CHECK(counts[0] == 5923);
  CHECK(counts[9] == 5949);
  CHECK(train.labels.element(0) == 5);
  double sum = 0;
  for (std::int64_t i = 0; i < train.images.size(); ++i) sum += train.images.data<std::uint8_t>()[i];
  CHECK(sum / static_cast<double>(train.images.size()) / 255 == doctest::Approx(0.1307).epsilon(0.001));
  for (auto& b : DataLoader(TensorDataset(test), {.batch_size = 1000}).epoch(0)) CHECK(describe(b.x) == "f32[1000,1,28,28]");
}
