#include <gradus/core/error.h>
#include <gradus/core/io/files.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace gradus {

void system_refused(const std::string& path, const std::string& what, int error) {
  bad_file(path, what, ": ", std::generic_category().message(error));
}

InputFile::InputFile(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe must not block
  if (descriptor_ < 0) system_refused(path, "cannot be opened", errno);
  struct stat s;
  const int error = ::fstat(descriptor_, &s) == 0 ? 0 : errno;
  if (error == 0 && S_ISREG(s.st_mode)) {
    size_ = static_cast<std::uint64_t>(s.st_size);
    return;
  }
  ::close(descriptor_);
  if (error) system_refused(path, "cannot be read", error);
  bad_file(path, S_ISDIR(s.st_mode) ? "is a directory; a file was expected" : "is not a regular file");
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t n = ::pread(descriptor_, out, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) system_refused(path_, join("cannot be read at byte ", grouped(offset)), errno);
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

bool byte_count(const Shape& lengths, std::size_t each, std::uint64_t& bytes) {
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
