// Functions with known minima, for watching optimizers.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace gradus::tools {

struct TestFunction {
  std::string name;                             ///< with its options: "quadratic(n=2, cond=10)"
  std::vector<double> start;                    ///< where literature, or we, begin
  std::vector<std::vector<double>> minima;      ///< the global ones, all of value 0
  std::function<Tensor(const Tensor& x)> loss;  ///< of x, f64[n]
};

/// From "rosenbrock", "beale", "himmelblau", "rastrigin(n=2)", "quadratic(n=2, cond=10)". Errors: SpecError with a caret.
TestFunction test_function(const std::string& text);
/// "rosenbrock, beale, ...".
std::string test_function_names();

}  // namespace gradus::tools
