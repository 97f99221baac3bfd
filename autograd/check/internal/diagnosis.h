// What is probably wrong with a gradient: each cause says how much of the difference it leaves unexplained, and the best
// one is named.
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
  std::vector<std::string> names;   ///< of the inputs
  std::vector<Derivatives> of;      ///< one for each input
  std::size_t wrong = 0;            ///< the input whose gradient is wrong
  double noise = 0;                 ///< what `numeric` may be wrong by
  Vector x, y;                      ///< the point, inputs one behind the other, and the outputs there
  bool changes_with_calls = false;  ///< the gradient is another if the function is called in between
  /// The wrong input's matrices at another point; empty if they cannot be had.
  std::function<Vector(const Vector&x)> numeric_at, analytic_at;
};

struct Diagnosis {
  Cause cause = Cause::not_recognised;
  std::string sentence;  ///< for a person
};

Diagnosis diagnose(const Evidence& evidence);

}  // namespace gradus
