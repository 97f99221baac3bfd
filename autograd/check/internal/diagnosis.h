// The diagnosis of a wrong gradient: each cause states how much of the difference it leaves unexplained, and the best one is
// named.
#pragma once

#include <gradus/autograd/check/gradcheck.h>

namespace gradus {

/// The derivatives of one input, as matrices in row-major order: a row for each output (or random seed), a column for each
/// element of the input.
struct Derivatives {
  std::vector<double> analytic, numeric;
};

struct Evidence {
  using Vector = std::vector<double>;
  std::size_t rows = 0;
  bool rows_are_outputs = false;
  Shape output;  ///< flat if there are several outputs
  std::vector<Shape> inputs;
  std::vector<std::string> names;   ///< names of the inputs
  std::vector<Derivatives> of;      ///< one for each input
  std::size_t wrong = 0;            ///< the input whose gradient is wrong
  double noise = 0;                 ///< possible error of `numeric`
  Vector x, y;                      ///< the point, all inputs concatenated, and the outputs there
  bool changes_with_calls = false;  ///< the gradient differs if the function is called in between
  /// The wrong input's matrices at another point; empty if they cannot be computed.
  std::function<Vector(const Vector&x)> numeric_at, analytic_at;
};

struct Diagnosis {
  Cause cause = Cause::not_recognised;
  std::string sentence;  ///< the cause in words
};

Diagnosis diagnose(const Evidence& evidence);

}  // namespace gradus
