// write_atomically(): whatever fails in between, `path` holds the old file or the new one.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

namespace gradus {
namespace {

/// An open file descriptor that its destructor closes.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& o) noexcept : value_(std::exchange(o.value_, -1)) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    std::swap(value_, o.value_);
    return *this;
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_;
};

// ---- where the bytes go ---------------------------------------------------------------------------------------------

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// N if `path` is /proc/self/fd/N of this process, which /dev/stdout and /dev/fd/N lead to.
std::optional<int> own_descriptor(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::canonical(folder_of(path), failed) != join("/proc/", static_cast<long>(::getpid()), "/fd")) return {};
  return std::stoi(path.substr(path.find_last_of('/') + 1));
}

/// What a path leads to: a name in a folder, or a stream (device, pipe, open descriptor), which has nothing to lose.
struct Target {
  std::string path, name;  // without symbolic links
  Descriptor folder;
  std::optional<int> descriptor;  // a descriptor of this process
  bool is_stream = false;         // a device or a pipe

  explicit Target(const std::string& given) : path(given) {
    if (given.empty()) bad_file("\"\"", "cannot be written, an empty path names no file");
    struct stat s;
    const bool exists = ::stat(given.c_str(), &s) == 0;
    if (!exists && errno != ENOENT) system_refused(given, "cannot be written", errno);
    follow_links();
    if (descriptor) return;
    is_stream = exists && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
    if (is_stream) return;
    if (exists && S_ISDIR(s.st_mode)) system_refused(given, "cannot be replaced", EISDIR);
    if (exists && (s.st_mode & 0222) == 0)
      bad_file(given, "is write-protected, so it is not replaced; \"chmod u+w\" would allow it");
    if (exists && ::faccessat(AT_FDCWD, given.c_str(), W_OK, AT_EACCESS) != 0)
      system_refused(given, "cannot be replaced", errno);
    name = path.substr(path.find_last_of('/') + 1);
    if (name.empty()) bad_file(given, "cannot be written, it names a folder");
    folder = Descriptor(::open(folder_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) no_file(given, errno);
  }

  [[noreturn]] void no_file(const std::string& given, int error) const {
    system_refused(given, "cannot be written, no file can be made in \"" + folder_of(path) + "\"", error);
  }

 private:
  void follow_links() {
    char to[PATH_MAX];
    for (int links = 0; links < 40; ++links) {  // stat() has thrown for circles of links
      const ssize_t n = ::readlink(path.c_str(), to, sizeof to);
      if (n < 0) return;
      if ((descriptor = own_descriptor(path))) return;
      const std::string next(to, static_cast<std::size_t>(n));
      path = next.starts_with('/') ? next : folder_of(path) + '/' + next;
    }
    system_refused(path, "cannot be written", ELOOP);
  }
};

// ---- temporary names ------------------------------------------------------------------------------------------------

/// The common beginning of a target's temporary names. A folder takes names of 255 bytes; a longer one is cut and made
/// distinct by its hash (FNV-1a).
std::string stem_of(const std::string& name) {
  constexpr std::size_t longest = 220, kept = 200;  // ".tmp.PID.N" takes up to 26
  if (name.size() <= longest) return name + ".tmp.";
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::size_t cut = kept;
  while (cut > 0 && (name[cut] & 0xC0) == 0x80) --cut;  // not within a UTF-8 character
  return join(name.substr(0, cut), hash % 1'000'000'000, ".tmp.");
}

/// True for text of the form "PID.N".
bool is_mark(std::string_view s) {
  const auto dot = s.find('.');
  return dot != s.npos && dot > 0 && dot + 1 < s.size() && s.find_first_not_of("0123456789", dot + 1) == s.npos &&
         s.find_first_not_of("0123456789") == dot;
}

/// Removes the temporary files that killed writers to this target left. A writer locks its temporary file: a file that can
/// be locked has lost its writer.
void remove_leftovers(const Target& target) {
  const int listed = ::openat(target.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listed < 0) return;  // a folder may be writable and not readable
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(listed), ::closedir);
  if (!entries) {
    ::close(listed);
    return;
  }
  const std::string stem = stem_of(target.name);
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(stem) || !is_mark(name.substr(stem.size()))) continue;
    const Descriptor file(::openat(target.folder.get(), entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat s;
    if (file && ::fstat(file.get(), &s) == 0 && S_ISREG(s.st_mode) && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
      ::unlinkat(target.folder.get(), entry->d_name, 0);
  }
}

// ---- the new file ---------------------------------------------------------------------------------------------------

/// The file being written, which the destructor removes unless it has taken the target's place. Until then it has no name
/// where the file system allows that (O_TMPFILE), and a temporary name elsewhere.
class NewFile {
 public:
  enum class Kind { nameless_if_possible, named };

  NewFile(const std::string& given, const Target& target, Kind kind) : given_(given), target_(target) {
    const mode_t mode = old_file() ? old_.st_mode & 0777 : 0666;  // no new readers
    if (kind == Kind::nameless_if_possible) {
      file_ = Descriptor(::openat(target.folder.get(), ".", O_RDWR | O_TMPFILE | O_CLOEXEC, mode));
      if (file_ && ::access(link().c_str(), F_OK) == 0) return;  // without /proc the file could get no name
      file_ = Descriptor();
    }
    const bool made = with_temporary_name([&](const char* name) {
      file_ = Descriptor(::openat(target.folder.get(), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
      if (!file_) return false;
      ::flock(file_.get(), LOCK_EX);
      struct stat s;
      if (::fstat(file_.get(), &s) == 0 && s.st_nlink > 0) return true;
      errno = EEXIST;  // another writer removed it before it was locked: try again
      return false;
    });
    if (!made) target.no_file(given, errno);
  }
  ~NewFile() {
    if (!temporary_.empty()) ::unlinkat(target_.folder.get(), temporary_.c_str(), 0);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int descriptor() const { return file_.get(); }

  void take_place() {
    keep_permissions();
    if (::fsync(file_.get()) != 0) system_refused(given_, "cannot be written to the disk", errno);
    const int folder = target_.folder.get();
    if (temporary_.empty()) {
      if (!old_file() && linked(target_.name.c_str())) return;
      ::flock(file_.get(), LOCK_EX);
      if (!with_temporary_name([&](const char* name) { return linked(name); })) return take_place_by_copy();
    }
    if (::renameat(folder, temporary_.c_str(), folder, target_.name.c_str()) != 0)
      system_refused(given_, "cannot be replaced", errno);
    temporary_.clear();
  }

 private:
  std::string link() const { return join("/proc/self/fd/", file_.get()); }
  bool linked(const char* name) const {
    return ::linkat(AT_FDCWD, link().c_str(), target_.folder.get(), name, AT_SYMLINK_FOLLOW) == 0;
  }
  /// True if a regular file stands at the target; old_ becomes its stat().
  bool old_file() {
    return ::fstatat(target_.folder.get(), target_.name.c_str(), &old_, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old_.st_mode);
  }

  /// Calls make(name) with fresh names until it succeeds, or fails for another reason than that the name is taken.
  template <class Make> bool with_temporary_name(Make&& make) {
    static std::atomic<unsigned> count{0};
    const std::string stem = stem_of(target_.name);
    for (int attempt = 0; attempt < 1000; ++attempt) {
      std::string name = join(stem, static_cast<long>(::getpid()), ".", count++);
      if (make(name.c_str())) {
        temporary_ = std::move(name);  // a copy might fail, and the file would stay
        return true;
      }
      if (errno != EEXIST) return false;
    }
    return false;
  }

  void keep_permissions() {
    struct stat s;
    if (!old_file() || ::fstat(file_.get(), &s) != 0) return;
    bool same_owner = s.st_uid == old_.st_uid && s.st_gid == old_.st_gid;
    if (!same_owner) same_owner = ::fchown(file_.get(), old_.st_uid, old_.st_gid) == 0;
    if (!same_owner) static_cast<void>(::fchown(file_.get(), s.st_uid, old_.st_gid) == 0);
    const mode_t mode = old_.st_mode & (same_owner ? 07777 : 0777);  // without the set-user-id bits if the owner changes
    if (::fchmod(file_.get(), mode) != 0) system_refused(given_, "cannot be written, its permissions cannot be kept", errno);
  }

  /// Copies the bytes into a named file, for systems where a nameless file gets no name (some security modules forbid it).
  void take_place_by_copy() {
    NewFile named(given_, target_, Kind::named);
    off_t at = 0;
    ssize_t n;
    while ((n = ::sendfile(named.descriptor(), file_.get(), &at, 1 << 30)) > 0) {
    }
    if (n < 0) system_refused(given_, "cannot be written", errno);
    named.take_place();
  }

  const std::string& given_;
  const Target& target_;
  Descriptor file_;
  std::string temporary_;  // empty: the file has no name, or the target's name
  struct stat old_ {};
};

void sync_folder(const std::string& given, const Target& target) {
  const Descriptor folder(::openat(target.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == EACCES) return;  // a folder may be writable and not readable
  if (folder && ::fsync(folder.get()) == 0) return;
  if (folder && errno == EINVAL) return;  // this file system syncs folders by itself
  system_refused(given, "is written, but may not outlast a power cut, its folder cannot be synced", errno);
}

/// Turns SIGXFSZ into an error of write() while this object lives; the signal, raised by a file larger than the process may
/// write, would otherwise end the program.
class SizeSignalHeld {
 public:
  SizeSignalHeld() {
    ::sigemptyset(&signal_);
    ::sigaddset(&signal_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~SizeSignalHeld() {
    const int error = errno;
    constexpr timespec now{};
    if (!::sigismember(&before_, SIGXFSZ)) ::sigtimedwait(&signal_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  SizeSignalHeld(const SizeSignalHeld&) = delete;
  SizeSignalHeld& operator=(const SizeSignalHeld&) = delete;

 private:
  sigset_t signal_, before_;
};

Descriptor open_stream(const std::string& given, const Target& target) {
  Descriptor stream(target.descriptor ? ::fcntl(*target.descriptor, F_DUPFD_CLOEXEC, 0)
                                      : ::open(given.c_str(), O_WRONLY | O_CLOEXEC));
  if (!stream) system_refused(given, "cannot be opened for writing", errno);
  return stream;
}

}  // namespace

void OutputFile::write(const void* from, std::size_t bytes) {
  const SizeSignalHeld held;
  const auto* in = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, in, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) system_refused(path_, "cannot be written", n < 0 ? errno : ENOSPC);
    in += n, bytes -= static_cast<std::size_t>(n);
  }
}

void write_atomically(const std::string& path, const std::function<void(OutputFile&)>& fill) {
  const Target target(path);
  if (target.descriptor || target.is_stream) {
    const Descriptor stream = open_stream(path, target);
    OutputFile out(path, stream.get());
    return fill(out);
  }
  remove_leftovers(target);
  NewFile file(path, target, NewFile::Kind::nameless_if_possible);
  OutputFile out(path, file.descriptor());
  fill(out);
  file.take_place();
  sync_folder(path, target);
}

void write_atomically(const std::string& path, std::string_view bytes) {
  write_atomically(path, [bytes](OutputFile& out) { out.write(bytes); });
}

void check_writable(const std::string& path) {
  const Target target(path);
  if (target.is_stream && ::access(path.c_str(), W_OK) != 0) system_refused(path, "cannot be opened for writing", errno);
  if (!target.descriptor && !target.is_stream) NewFile(path, target, NewFile::Kind::nameless_if_possible);
}

}  // namespace gradus
