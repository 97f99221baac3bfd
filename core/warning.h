// Warnings of code that runs but is most likely a mistake. Each is given once in a program, on stderr or to a handler.
#pragma once

#include <functional>
#include <string>

namespace gradus {

/// The kinds of warnings; docs/warnings.md has a paragraph on each.
enum class Warning : unsigned {
  softmax_before_cross_entropy = 1,  ///< W01
  no_zero_grad = 2,                  ///< W02
  zero_grad_before_step = 3,         ///< W03
  parameter_without_gradient = 4,    ///< W04
  non_finite_gradient = 6,           ///< W06; W05 is kept for a forgotten eval()
};
std::string to_string(Warning w);  ///< "W01"

using WarningHandler = std::function<void(Warning w, const std::string& message)>;
/// Sets the handler that takes the warnings in place of stderr; {}: stderr again. Returns the handler before. It is called
/// on the thread that warns, and may throw: the exception leaves the op or step that warned.
WarningHandler set_warning_handler(WarningHandler handler);
/// Turns warnings on or off (default on); while off none is looked for or given. Returns the previous setting.
bool set_warnings(bool on);
/// Lets every warning be given again.
void forget_warnings();

/// True if this warning is on and was not given yet: asked before a message is made.
bool warning_due(Warning w) noexcept;
/// Gives the warning if it is due, as "step: what is wrong\n  try: what would be right".
void warn_once(Warning w, const std::string& op, const std::string& problem, const std::string& hint = {});

/// Turns warnings off while the object lives, for code that makes a mistake on purpose.
class NoWarnings {
 public:
  NoWarnings() : before_(set_warnings(false)) {}
  ~NoWarnings() { set_warnings(before_); }
  NoWarnings(const NoWarnings&) = delete;
  NoWarnings& operator=(const NoWarnings&) = delete;

 private:
  bool before_;
};

}  // namespace gradus
