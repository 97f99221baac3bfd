#include <gradus/train/progress_line.h>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gradus::training {

ProgressLine::ProgressLine() : last_(Clock::now()), terminal_(isatty(STDERR_FILENO) != 0) {}

bool ProgressLine::due() const { return Clock::now() - last_ >= std::chrono::milliseconds(terminal_ ? 100 : 10000); }

void ProgressLine::show(const std::string& text) {
  if (!due()) return;
  last_ = Clock::now();
  if (terminal_) rewrite(text);
  else fmt::print(stderr, "{}\n", text);
}

void ProgressLine::waiting(const std::string& text) {
  if (terminal_) rewrite(text);
}

void ProgressLine::rewrite(const std::string& text) {
  // A character of UTF-8 has one byte that is no continuation.
  const auto width = static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  fmt::print(stderr, "\r{}{:{}}", text, "", columns_ > width ? columns_ - width : 0);
  std::fflush(stderr);
  columns_ = width;
}

void ProgressLine::line(const std::string& text) {
  finish();
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void ProgressLine::finish() {
  if (columns_ == 0) return;
  fmt::print(stderr, "\r{:{}}\r", "", columns_);
  std::fflush(stderr);
  columns_ = 0;
}

std::string minutes(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto s = static_cast<long>(seconds + 0.5);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace gradus::training
