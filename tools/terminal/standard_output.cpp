#include <gradus/tools/terminal/standard_output.h>

#include <fmt/core.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

namespace gradus::tools {

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)  // the lowest free one is opened; what is written is an error
      static_cast<void>(::open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY));
}

int after_output(int result) {
  const std::string why = std::fflush(stdout) == 0 ? "" : ": " + std::generic_category().message(errno);
  if (why.empty() && !std::ferror(stdout)) return result;
  try {
    fmt::print(stderr, "standard output could not be written{}; what was printed is incomplete\n", why);
  } catch (const std::system_error&) {  // standard error neither
  }
  return result == 0 ? 1 : result;
}

}  // namespace gradus::tools
