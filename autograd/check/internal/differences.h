// A gradient against differences, on plain vectors: the implementation of gradcheck().
#pragma once

#include <gradus/autograd/check/gradcheck.h>

namespace gradus {

/// A vector function of several concatenated inputs, and its gradient.
struct PlainFunction {
  using Vector = std::vector<double>;
  std::vector<Shape> shapes;         ///< of the inputs
  std::vector<std::string> names;    ///< of the inputs, for messages
  Vector x;                          ///< the point to check
  double rounding = 0x1p-47;         ///< relative error of one evaluation: 32 units in the last place
  double gradient_rounding = 1e-13;  ///< error of a gradient relative to the largest; smaller ones may be zero
  std::function<Vector(const Vector& x)> value;
  /// The outputs' shape, after a call of value(); flat if there are several.
  std::function<Shape()> output_shape;
  /// For each seed (of the outputs' size) the gradient of seed . value(x), of x's size. With `elsewhere`, a nearby point,
  /// the function is also called there, so that state left behind by a call is noticed.
  std::function<std::vector<Vector>(const Vector& x, const std::vector<Vector>& seeds, const Vector* elsewhere)> pull_back;
};

/// Checks the gradient. `what` opens the message; `probe` tells whether the function depends on an input of gradient zero.
GradcheckReport check_differences(const char* what, const PlainFunction& f, const GradcheckOptions& options,
                                  double default_bound, bool probe);

}  // namespace gradus
