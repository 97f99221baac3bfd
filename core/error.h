// Typed errors. A message says what is wrong, the values and shapes, and what would be right; its parts are also fields.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gradus {

/// Base of everything Gradus throws. what() is "op: what is wrong ... [in module path]\n  try: hint".
class Error : public std::runtime_error {
 public:
  Error(std::string op, std::string problem, std::string hint = {});
  const std::string& op() const { return op_; }            ///< the op, class, file or option that refused
  const std::string& problem() const { return problem_; }  ///< what is wrong, without the rest of what()
  const std::string& module() const { return module_; }    ///< dotted path of the module being called; empty outside
  const std::string& hint() const { return hint_; }        ///< one line that would work; may be empty

 private:
  std::string op_, problem_, module_, hint_;
};

struct ShapeError : Error {
  using Error::Error;
};  ///< shapes or axes do not fit
struct DtypeError : Error {
  using Error::Error;
};  ///< element types do not fit
struct IndexError : Error {
  using Error::Error;
};  ///< an index or label is out of range
struct ArithmeticError : Error {
  using Error::Error;
};  ///< an integer is divided by zero, or raised to a negative power
struct GraphError : Error {
  using Error::Error;
};  ///< the tape was misused
struct ModuleError : Error {
  using Error::Error;
};  ///< a module or parameter was not listed, or a state does not fit
struct OptimError : Error {
  using Error::Error;
};  ///< an option or a parameter an optimizer cannot accept
struct SpecError : Error {
  using Error::Error;
};  ///< a spec string that cannot be read
struct DataError : Error {
  using Error::Error;
};  ///< a file or data set that is not what it says
struct ResourceError : Error {
  using Error::Error;
};  ///< memory or threads are not to be had

/// Joins parts to one string: numbers, strings, and everything that has a to_string found by lookup.
template <class... Parts> std::string join(const Parts&... parts) {
  using std::to_string;
  std::string s;
  auto add = [&s](const auto& p) {
    if constexpr (requires { s += p; } && !std::is_arithmetic_v<std::decay_t<decltype(p)>>) s += p;
    else s += to_string(p);
  };
  (add(parts), ...);
  return s;
}

/// 0.1 -> "0.1": the shortest text that reads back as the same number.
std::string text(double x);

/// Nearest of `known` to `word` by edit distance, or "" if none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// While alive, errors raised on this thread name this step of the module path.
class InModule {
 public:
  explicit InModule(const std::string& name);
  ~InModule();
  InModule(const InModule&) = delete;
  InModule& operator=(const InModule&) = delete;
  static std::string path();  ///< "features.conv1", or ""
  static bool inside();       ///< true while any module is being called on this thread
};

}  // namespace gradus
