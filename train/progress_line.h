// ProgressLine shows how far a long job is, and prints the lines that stay.
#pragma once

#include <chrono>
#include <string>

namespace gradus::training {

/// The line goes to standard error: rewritten in place on a terminal, at most ten times a second and without escape codes,
/// now and then a plain line elsewhere. What stays goes to standard output, so `program | tee log` keeps that.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { finish(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Whether show() would show something now: ask before a costly text is made.
  bool due() const;
  void show(const std::string& text);
  /// At once, and on a terminal only: what is going on until there is something to show.
  void waiting(const std::string& text);
  /// Ends the live line and prints `text` as one that stays.
  void line(const std::string& text);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void rewrite(const std::string& text);
  Clock::time_point last_;
  bool terminal_;
  std::size_t columns_ = 0;  // that the live line takes
};

/// 75 -> "1:15".
std::string minutes(double seconds);

}  // namespace gradus::training
