// Typed errors. A message says what is wrong, the values and shapes, and what would be right; its parts are also fields.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gradus {

/// Base class of every exception of Gradus. what() is "op: what is wrong ... [in module path]\n  try: hint".
class Error : public std::runtime_error {
 public:
  Error(std::string op, std::string problem, std::string hint = {});
  const std::string& op() const { return op_; }            ///< the op, class, file or option that threw
  const std::string& problem() const { return problem_; }  ///< what is wrong, without the rest of what()
  const std::string& module() const { return module_; }    ///< dotted path of the module being called; empty outside
  const std::string& hint() const { return hint_; }        ///< one line of code that would work; may be empty

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
};  ///< integer division by zero, or a negative power of an integer
struct GraphError : Error {
  using Error::Error;
};  ///< wrong use of the tape
struct ModuleError : Error {
  using Error::Error;
};  ///< a module or parameter was not listed, or a state does not fit
struct OptimError : Error {
  using Error::Error;
};  ///< an option or parameter that an optimizer cannot accept
struct SpecError : Error {
  using Error::Error;
};  ///< a spec string that cannot be read
struct DataError : Error {
  using Error::Error;
};  ///< a file or data set whose contents are not valid
struct ResourceError : Error {
  using Error::Error;
};  ///< no memory or no threads available

/// Joins parts to one string: numbers, strings, and every type whose to_string argument-dependent lookup finds.
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

/// The shortest text that reads back as the same number: 0.1 -> "0.1".
std::string text(double x);

/// The word of `known` nearest to `word` by edit distance; "" if none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// Adds a step to the module path that errors on this thread name, for as long as the object lives.
class InModule {
 public:
  explicit InModule(const std::string& name);
  ~InModule();
  InModule(const InModule&) = delete;
  InModule& operator=(const InModule&) = delete;
  static std::string path();  ///< the path so far, "features.conv1", or ""
  static bool inside();       ///< true while any module is being called on this thread
};

}  // namespace gradus
