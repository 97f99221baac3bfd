// A gradient against differences, in plain numbers: what stands behind gradcheck().
#pragma once

#include <gradus/autograd/check/gradcheck.h>

namespace gradus {

/// A vector function of several inputs laid one behind the other, and its gradient.
struct PlainFunction {
  using Vector = std::vector<double>;
  std::vector<Shape> shapes;         ///< of the inputs
  std::vector<std::string> names;    ///< of the inputs, for messages
  Vector x;                          ///< where to check
  double rounding = 0x1p-47;         ///< of one evaluation, relative: 32 units in the last place
  double gradient_rounding = 1e-13;  ///< of a gradient, relative to the largest: below it, it may be zero
  std::function<Vector(const Vector& x)> value;
  /// The outputs' shape, once value() was called; flat if there are several.
  std::function<Shape()> output_shape;
  /// For each seed (of the outputs' size) the gradient of seed . value(x), of x's size. With `elsewhere`, a point nearby,
  /// the function is also called there, so that what a call leaves behind for the next is noticed.
  std::function<std::vector<Vector>(const Vector& x, const std::vector<Vector>& seeds, const Vector* elsewhere)> pull_back;
};

/// `what` opens the message; `probe` asks, where a gradient is zero, whether the function depends on the input at all.
GradcheckReport check_differences(const char* what, const PlainFunction& f, const GradcheckOptions& options,
                                  double default_bound, bool probe);

}  // namespace gradus
