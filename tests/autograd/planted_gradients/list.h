// The forty planted bugs, written down before the checks were tuned to them. What is caught, and whose cause is named, is
// held by tests/autograd/planted_test.cpp.
#pragma once

#include <gradus/tests/autograd/planted_gradients/elementwise.h>
#include <gradus/tests/autograd/planted_gradients/norms.h>
#include <gradus/tests/autograd/planted_gradients/products.h>
#include <gradus/tests/autograd/planted_gradients/states.h>
#include <gradus/tests/autograd/planted_gradients/windows.h>

namespace gradus::planted {

inline std::vector<Bug> all_bugs() {
  std::vector<Bug> all;
  for (const auto& part : {elementwise_bugs(), product_bugs(), window_bugs(), norm_bugs(), state_bugs()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace gradus::planted
