// Warnings: what runs, but is most likely a mistake. Each is given once in a program, on stderr or to a function of yours.
#pragma once

#include <functional>
#include <string>

namespace gradus {

/// docs/warnings.md has a paragraph on each.
enum class Warning : unsigned {
  softmax_before_cross_entropy = 1,  ///< W01
  no_zero_grad = 2,                  ///< W02
  zero_grad_before_step = 3,         ///< W03
  parameter_without_gradient = 4,    ///< W04
  non_finite_gradient = 6,           ///< W06; W05 is kept for a forgotten eval()
};
std::string to_string(Warning w);  ///< "W01"

using WarningHandler = std::function<void(Warning w, const std::string& message)>;
/// Takes the warnings in place of stderr; {}: stderr again. Returns the handler before. It is called on the thread that
/// warns, and may throw: what it throws leaves the op or step that warned.
WarningHandler set_warning_handler(WarningHandler handler);
/// false: no warning is looked for or given until true. Returns what it was.
bool set_warnings(bool on);
/// All of them may be given again.
void forget_warnings();

/// Whether this warning is on and was not given yet: ask before a message is made.
bool warning_due(Warning w) noexcept;
/// Gives it unless it is not due. "step: what is wrong\n  try: what would be right".
void warn_once(Warning w, const std::string& op, const std::string& problem, const std::string& hint = {});

/// While alive, warnings are off. For code that makes a mistake on purpose.
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
