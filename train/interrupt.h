// InterruptGuard: Ctrl-C is asked for, not suffered. The work in hand is finished first.
#pragma once

namespace gradus::training {

/// While alive, the first SIGINT (Ctrl-C) is only remembered; a second one ends the program as usual. The handler that was
/// there before comes back at the end. One at a time in a program; a second one that lives meanwhile changes nothing.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool interrupted();

 private:
  bool outermost_;
};

/// What a shell calls the end of a program by Ctrl-C: 128 + SIGINT.
inline constexpr int interrupted_exit = 130;

}  // namespace gradus::training
