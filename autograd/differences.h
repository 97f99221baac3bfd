// A gradient against differences, in plain numbers: what stands behind gradcheck().
#pragma once

#include <gradus/autograd/gradcheck.h>

namespace gradus {

/// A vector function of several inputs laid one behind the other, and its way back.
struct PlainFunction {
  std::vector<Shape> shapes;        ///< of the inputs
  std::vector<std::string> names;   ///< of the inputs, for messages
  std::vector<double> x;            ///< where to check
  std::function<std::vector<double>(const std::vector<double>& x)> value;
  /// For each seed (of the outputs' size) the gradient of seed . value(x), of x's size.
  std::function<std::vector<std::vector<double>>(const std::vector<double>& x,
                                                 const std::vector<std::vector<double>>& seeds)>
      pull_back;
};

/// `what` opens the message; `probe` asks, where a gradient is zero, whether the function depends on the input at all.
GradcheckReport check_differences(const char* what, const PlainFunction& f, const GradcheckOptions& options,
                                  double default_bound, bool probe);

}  // namespace gradus
