// interrupted_saves KILLS: saves a file while every call to the system fails in turn, while the process is killed before
// every call, and KILLS times at any moment. The file must be the old one or the new one, whole, with nothing beside it.
#include <gradus/core/error.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/tests/helpers/killed_child.h>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>

#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;

// ---- the system's calls, which a linker takes from here rather than from the C library -------------------------------
namespace {

enum class Trouble { none, fail, die };
Trouble trouble = Trouble::none;
long trouble_at = 0, calls = 0;
bool without_nameless = false, without_links = false, half_writes = false;

/// True if this call is to fail.
bool strikes(int error) {
  if (++calls != trouble_at || trouble == Trouble::none) return false;
  if (trouble == Trouble::die) ::kill(::getpid(), SIGKILL);
  errno = error;
  return true;
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* from, size_t n) {
  if (strikes(ENOSPC)) return -1;
  return ::syscall(SYS_write, fd, from, half_writes ? (n + 1) / 2 : n);
}
ssize_t sendfile(int out, int in, off_t* offset, size_t n) noexcept {
  return strikes(EIO) ? -1 : ::syscall(SYS_sendfile, out, in, offset, n);
}
int fsync(int fd) { return strikes(EIO) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd)); }
int fchmod(int fd, mode_t mode) noexcept { return strikes(EPERM) ? -1 : static_cast<int>(::syscall(SYS_fchmod, fd, mode)); }
int linkat(int from, const char* old_name, int to, const char* name, int flags) noexcept {
  if (without_links) return errno = EPERM, -1;
  return strikes(EIO) ? -1 : static_cast<int>(::syscall(SYS_linkat, from, old_name, to, name, flags));
}
int renameat(int from, const char* old_name, int to, const char* name) noexcept {
  return strikes(EIO) ? -1 : static_cast<int>(::syscall(SYS_renameat, from, old_name, to, name));
}
int openat(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (without_nameless && (flags & O_TMPFILE) == O_TMPFILE) return errno = EOPNOTSUPP, -1;
  return strikes(EMFILE) ? -1 : static_cast<int>(::syscall(SYS_openat, folder, name, flags, mode));
}
}

// ---- what is tried --------------------------------------------------------------------------------------------------
namespace {

int failures = 0;

template <class... Parts> void expect(bool fine, const Parts&... parts) {
  if (fine) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", join(parts...).c_str());
}

class Place {
 public:
  std::string path() const { return dir_ / "net.safetensors"; }
  std::size_t litter() const { return dir_.files() - (std::filesystem::exists(path()) ? 1 : 0); }

  void save(int generation) const {
    const auto value = static_cast<double>(generation);
    save_safetensors(
        path(),
        {{"a", Array::full({300, 100}, value)}, {"b", Array::full({7}, value, f64)}, {"c", Array::full({200'000}, value)}},
        {{"generation", std::to_string(generation)}});
  }
  /// Which save is there, whole: -1 if none, -2 if it is none.
  int generation() const {
    if (!std::filesystem::exists(path())) return -1;
    try {
      const Safetensors s = load_safetensors(path());
      const int g = std::stoi(s.metadata.at("generation"));
      for (const auto& [name, a] : s.tensors)
        for (int64_t i = 0; i < a.size(); i += 97)
          if (a.element(i) != g) return -2;
      return s.tensors.size() == 3 ? g : -2;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return -2;
    }
  }
  void clear() const {
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) std::filesystem::remove(entry);
  }

 private:
  gradus::testing::TempDir dir_;
};

void begin(Trouble what, long at) { trouble = what, trouble_at = at, calls = 0; }
void end() { trouble = Trouble::none; }

/// The k-th call fails, for every k.
void every_failure(const Place& place, bool old_file, const std::string& how) {
  for (long k = 1;; ++k) {
    place.clear();
    if (old_file) place.save(1);
    std::string refused;
    begin(Trouble::fail, k);
    try {
      place.save(2);
    } catch (const DataError& e) {
      refused = e.what();
    }
    const bool struck = calls >= k;
    end();
    const int now = place.generation(), before = old_file ? 1 : -1;
    const bool replaced = refused.find("may not outlast a power cut") != std::string::npos;  // the last call of all
    expect(now == (refused.empty() || replaced ? 2 : before), how, ", call ", k, " fails: \"", refused, "\", the file is ",
           now);
    expect(place.litter() == 0, how, ", call ", k, " fails: ", place.litter(), " files are left behind");
    if (!struck) return;
  }
}

using testing::killed;

/// The process is killed before its k-th call, for every k.
void every_death(const Place& place, bool old_file, const std::string& how) {
  for (long k = 1;; ++k) {
    place.clear();
    if (old_file) place.save(1);
    const bool died = killed([&] {
      begin(Trouble::die, k);
      place.save(2);
    });
    const int now = place.generation(), before = old_file ? 1 : -1;
    expect(now == 2 || (died && now == before), how, ", killed before call ", k, ": the file is ", now);
    expect(place.litter() <= 1, how, ", killed before call ", k, ": ", place.litter(), " files are left behind");
    place.save(3);
    expect(place.generation() == 3, how, ": the next save");
    expect(place.litter() == 0, how, ", killed before call ", k, ": the next save leaves ", place.litter(), " files behind");
    if (!died) return;
  }
}

void killed_at_any_moment(const Place& place, int times, const std::string& how) {
  place.clear();
  place.save(1);
  std::mt19937 random(1);
  int last = 1, most = 0;
  for (int i = 0; i < times; ++i) {
    killed(
        [&] {
          for (int g = last + 1;; ++g) place.save(g);
        },
        static_cast<useconds_t>(200 + random() % 40'000));
    const int now = place.generation();
    expect(now >= last, how, ", kill ", i, ": the file is ", now, ", it was ", last);
    last = std::max(last, now);
    most = std::max(most, static_cast<int>(place.litter()));
  }
  expect(most <= 1, how, ": ", most, " files were left behind at once");
  place.save(last + 1);
  expect(place.generation() == last + 1 && place.litter() == 0, how, ": the next save leaves ", place.litter(),
         " files behind");
  std::printf("%s: %d kills during %d saves, all readable; %d left behind at most, 0 after the next save\n", how.c_str(),
              times, last, most);
}

}  // namespace

int main(int, char** argv) {
  const int kills = argv[1] ? std::atoi(argv[1]) : 30;
  const Place place;
  constexpr const char* ways[] = {"a nameless file", "a temporary file", "a nameless file that gets no name",
                                  "half of every write"};
  for (const int way : {0, 1, 2, 3}) {
    const std::string how = ways[way];
    without_nameless = way == 1, without_links = way == 2, half_writes = way == 3;
    for (const bool old_file : {true, false}) {
      every_failure(place, old_file, how);
      every_death(place, old_file, how);
    }
    killed_at_any_moment(place, kills, how);
  }
  return failures == 0 ? 0 : 1;
}
