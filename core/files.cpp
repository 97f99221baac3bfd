#include <gradus/core/error.h>
#include <gradus/core/files.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace gradus {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail(const std::string& path, const std::string& what, int error) {
  bad_file(path, what, ": ", reason(error));
}

std::string directory_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// The temporary file: gone when this is, unless it was renamed.
class Temporary {
 public:
  explicit Temporary(const std::string& target) : target_(target) {
    static std::atomic<unsigned> count{0};
    for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {  // a killed process may have left one behind
      path_ = join(target, ".tmp.", static_cast<long>(::getpid()), ".", count++);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0 && errno != EEXIST) break;
    }
    if (descriptor_ < 0) fail(target, "cannot be written, no file can be made in \"" + directory_of(target) + "\"", errno);
  }
  ~Temporary() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  int descriptor() const { return descriptor_; }

  void replace_target() {
    struct stat old;
    if (::stat(target_.c_str(), &old) == 0 && S_ISREG(old.st_mode) && ::fchmod(descriptor_, old.st_mode & 07777) != 0)
      fail(target_, "cannot be written, its permissions cannot be kept", errno);
    if (::fsync(descriptor_) != 0) fail(target_, "cannot be written to the disk", errno);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail(target_, "cannot be written to the disk", errno);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail(target_, "cannot be replaced", errno);
    renamed_ = true;
  }

 private:
  const std::string& target_;
  std::string path_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

/// A device or pipe holds nothing that could be lost, and is not ours to replace: as root, --json /dev/null would.
bool is_device(const std::string& path) {
  struct stat s;
  return ::stat(path.c_str(), &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

/// An open file descriptor, closed with this.
struct Descriptor {
  int value;
  ~Descriptor() { ::close(value); }
};

void sync_directory(const std::string& path) {
  const int d = ::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) {
    if (errno == EACCES) return;  // a directory may be writable and not readable
    fail(path, "is written, but may not outlast a power cut, its directory cannot be opened", errno);
  }
  const int error = ::fsync(d) == 0 ? 0 : errno;
  ::close(d);
  if (error != 0 && error != EINVAL)  // EINVAL: this file system syncs directories by itself
    fail(path, "is written, but may not outlast a power cut, its directory cannot be synced", error);
}

}  // namespace

InputFile::InputFile(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe must not block
  if (descriptor_ < 0) fail(path, "cannot be opened", errno);
  struct stat s;
  const int error = ::fstat(descriptor_, &s) == 0 ? 0 : errno;
  if (error == 0 && S_ISREG(s.st_mode)) {
    size_ = static_cast<std::uint64_t>(s.st_size);
    return;
  }
  ::close(descriptor_);
  if (error) fail(path, "cannot be read", error);
  bad_file(path, S_ISDIR(s.st_mode) ? "is a directory; a file was expected" : "is not a regular file");
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t n = ::pread(descriptor_, out, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, join("cannot be read at byte ", grouped(offset)), errno);
    if (n == 0) bad_file(path_, "truncated: it ends at byte ", grouped(offset), ", ", grouped(bytes), " bytes are missing");
    out += n, offset += static_cast<std::uint64_t>(n), bytes -= static_cast<std::size_t>(n);
  }
}

std::string read_file(const std::string& path) {
  const InputFile file(path);
  std::string bytes(file.size(), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

void OutputFile::write(const void* from, std::size_t bytes) {
  const auto* in = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, in, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "cannot be written", errno);
    in += n, bytes -= static_cast<std::size_t>(n);
  }
}

void write_atomically(const std::string& path, const std::function<void(OutputFile&)>& fill) {
  if (path.empty()) bad_file("\"\"", "cannot be written, an empty path names no file");
  if (is_device(path)) {
    const Descriptor device{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (device.value < 0) fail(path, "cannot be opened for writing", errno);
    OutputFile out(path, device.value);
    return fill(out);
  }
  {
    Temporary file(path);
    OutputFile out(path, file.descriptor());
    fill(out);
    file.replace_target();
  }
  sync_directory(path);
}

void write_atomically(const std::string& path, std::string_view bytes) {
  write_atomically(path, [bytes](OutputFile& out) { out.write(bytes); });
}

std::string grouped(std::uint64_t n) {
  std::string s = std::to_string(n);
  for (std::size_t i = s.size(); i > 3; i -= 3) s.insert(i - 3, 1, ',');
  return s;
}

std::string excerpt(std::string_view bytes, std::size_t longest) {
  constexpr char hex[] = "0123456789abcdef";
  std::string s;
  for (const char c : bytes.substr(0, longest)) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') (s += '\\') += c;
    else if (u >= 0x20 && u < 0x7f) s += c;
    else ((s += "\\x") += hex[u >> 4]) += hex[u & 15];
  }
  return bytes.size() > longest ? s + "..." : s;
}

bool byte_count(const std::vector<std::int64_t>& lengths, std::size_t each, std::uint64_t& bytes) {
  constexpr std::uint64_t most = std::uint64_t(1) << 47;
  std::uint64_t product = each;
  bool empty = false;
  for (const std::int64_t n : lengths) {
    if (n < 0) return false;
    if (n == 0) empty = true;
    else if (__builtin_mul_overflow(product, static_cast<std::uint64_t>(n), &product) || product > most) return false;
  }
  bytes = empty ? 0 : product;
  return true;
}

}  // namespace gradus
