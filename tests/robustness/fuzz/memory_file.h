// What the readers share: bytes as a file, and what they must hold to.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace gradus::fuzz {

/// A file without a name, which a reader opens as any other.
class Memory {
 public:
  explicit Memory(const std::string& bytes) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("no file in memory can be made");
  }
  ~Memory() { ::close(descriptor_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

inline void promise(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace gradus::fuzz
