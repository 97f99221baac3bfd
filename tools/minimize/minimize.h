// `gradus minimize`: an optimizer on a function with a known minimum, closure rules included, in f64.
#pragma once

#include <cstdint>
#include <string>

namespace gradus::tools {

struct MinimizeOptions {
  std::string optimizer;                ///< a spec
  std::string function = "rosenbrock";  ///< see tools/minimize/test_functions.h
  std::string start;                    ///< "x,y"; empty: the function's own
  std::int64_t steps = 100;
  std::string json;  ///< file to write the whole path to, or empty
};

/// Prints the path, thinned, and how often loss, gradient and products with the Hessian were evaluated. A run whose loss is
/// no longer finite ends there and says so. Errors: SpecError, OptimError, DataError; nothing is written then.
int minimize_command(const MinimizeOptions& options);

}  // namespace gradus::tools
