// Replays what is known through the readers, with any compiler:
//   replay_readers DIRECTORY          the files in DIRECTORY/READER, then every seed: as it is, cut off at every length, and with
//                                     every byte changed
//   replay_readers --write-seeds DIR  writes the seeds to DIR/READER, for libFuzzer to begin with
#include <gradus/core/error.h>
#include <gradus/tests/robustness/fuzz/readers.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace gradus::fuzz;
namespace fs = std::filesystem;

namespace {

int findings = 0;
long inputs = 0, accepted = 0;

std::string shown(const std::string& bytes) {
  std::string s;
  char two[3];
  for (const char c : bytes.substr(0, 400)) std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c)), s += two;
  return bytes.size() > 400 ? s + "..." : s;
}

/// "" if it was accepted, otherwise why not.
std::string replay(const Reader& r, const std::string& bytes, const std::string& what) {
  ++inputs;
  try {
    r.read(bytes);
    ++accepted;
    return "";
  } catch (const gradus::Error& e) {
    return e.what();
  } catch (const std::exception& e) {
    std::printf("%s, %s: %s\n  %s\n", r.name, what.c_str(), e.what(), shown(bytes).c_str());
    ++findings;
    return "a finding";
  }
}

void replay_seed(const Reader& r, const std::string& seed, const std::string& what) {
  if (const std::string why = replay(r, seed, what); !why.empty()) {
    std::printf("%s, %s is not accepted: %s\n", r.name, what.c_str(), why.c_str());
    ++findings;
  }
  for (std::size_t n = 0; n < seed.size(); ++n) replay(r, seed.substr(0, n), what + " cut off at " + std::to_string(n));
  const std::size_t stride = seed.size() / 400 + 1;  // the longest are states of optimizers
  for (std::size_t i = 0; i < seed.size(); i += stride)
    for (const int by : {0x01, 0x20, 0x80, 0xFF}) {
      std::string s = seed;
      s[i] = static_cast<char>(s[i] ^ by);
      replay(r, s, what + " with byte " + std::to_string(i) + " changed");
    }
}

int write_seeds(const fs::path& to) {
  for (const Reader& r : readers()) {
    fs::create_directories(to / r.name);
    int k = 0;
    for (const std::string& seed : r.seeds())
      std::ofstream(to / r.name / ("seed" + std::to_string(k++)), std::ios::binary) << seed;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0) return write_seeds(argv[2]);
  if (argc != 2 || !fs::is_directory(argv[1])) {
    std::fprintf(stderr, "replay_readers DIRECTORY | replay_readers --write-seeds DIRECTORY\n");
    return 2;
  }
  for (const Reader& r : readers()) {
    inputs = accepted = 0;
    if (const fs::path own = fs::path(argv[1]) / r.name; fs::is_directory(own))
      for (const auto& entry : fs::directory_iterator(own)) {
        std::ifstream in(entry.path(), std::ios::binary);
        replay(r, std::string(std::istreambuf_iterator<char>(in), {}), entry.path().filename().string());
      }
    int k = 0;
    for (const std::string& seed : r.seeds()) replay_seed(r, seed, "seed " + std::to_string(k++));
    std::printf("%-12s %6ld inputs, %5ld accepted\n", r.name, inputs, accepted);
  }
  std::printf("%d findings\n", findings);
  return findings == 0 ? 0 : 1;
}
