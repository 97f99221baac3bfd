// The measurements that a failed check makes to find the wrong element and the cause.
#pragma once

#include <gradus/autograd/check/internal/diagnosis.h>
#include <gradus/autograd/check/internal/differences.h>
#include <gradus/autograd/check/internal/stencil.h>

namespace gradus {

/// A function, a point, and the gradients there, one for each seed.
struct Findings {
  const PlainFunction& f;
  const Stencil& at;
  const std::vector<std::vector<double>>& analytic;
  double accuracy;  ///< relative error of slopes
};

/// Measures all inputs' matrices at the point, element by element. Gradients further apart than `apart` are different.
Evidence gather(const Findings& findings, std::size_t wrong, double apart);

struct Worst {
  std::size_t row = 0;
  std::int64_t element = -1;  ///< -1: not found
  double analytic = 0, numeric = 0;
};
/// The entry at which the matrices of the wrong input differ most.
Worst worst_of(const Evidence& evidence);
/// Halves a wrong direction repeatedly, following the half that is more wrong, down to one element.
Worst locate(const Findings& findings, Line direction);

}  // namespace gradus
