// The line that shows how far a long job is: rewritten in place on a terminal, now and then a plain line elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace gradus::tools {

class Progress {
 public:
  Progress();
  ~Progress() { finish(); }
  /// Shows `text`, at most ten times a second on a terminal, once in ten seconds elsewhere.
  void show(const std::string& text);
  /// Ends the live line and prints `text` as one that stays.
  void line(const std::string& text);
  void finish();
  static bool on_terminal();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_;
  bool live_ = false;
};

/// 75 -> "1:15".
std::string minutes(double seconds);

}  // namespace gradus::tools
