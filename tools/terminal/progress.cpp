#include <gradus/tools/terminal/progress.h>

#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace gradus::tools {

Progress::Progress() : last_(Clock::now()) {}

bool Progress::on_terminal() {
  static const bool yes = isatty(STDOUT_FILENO);
  return yes;
}

void Progress::show(const std::string& text) {
  const auto now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(on_terminal() ? 100 : 10000)) return;
  last_ = now;
  if (on_terminal()) {
    fmt::print("\r\033[2K{}", text);
    live_ = true;
  } else {
    fmt::print("{}\n", text);
  }
  std::fflush(stdout);
}

void Progress::line(const std::string& text) {
  finish();
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void Progress::finish() {
  if (live_) fmt::print("\r\033[2K");
  live_ = false;
}

std::string minutes(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto s = static_cast<long>(seconds + 0.5);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace gradus::tools
