// The functions that a rule's text may call, for each number type it is instantiated with.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/core/io/fields.h>
#include <gradus/core/simd/num.h>
#include <gradus/core/simd/vmath.h>
#include <gradus/optim/rule/dialect.h>
#include <gradus/optim/rule/symbol.h>

#include <cmath>
#include <type_traits>

namespace gradus {

/// True for a tensor as hyperparameter, unless it is a constant 0.
inline bool on(const Tensor& option) { return option.requires_grad() || option.item() != 0; }

namespace optim {

// Per-step values are plain doubles: these are their functions in a rule's advance(). Those of Tensor, Symbol and the
// element types are found by argument-dependent lookup.
using std::abs;
using std::cbrt;
using std::exp;
using std::log;
using std::pow;
using std::sqrt;
inline double max(double a, double b) { return b > a || b != b ? b : a; }  // NaN if either is, as for the element types
inline double min(double a, double b) { return b < a || b != b ? b : a; }
inline double select(bool condition, double a, double b) { return condition ? a : b; }

/// True if an option that has no effect at 0 is not 0.
inline bool on(double option) { return option != 0; }

/// For keeps(): this slot is used whatever the options.
inline constexpr std::true_type always{};

}  // namespace optim
}  // namespace gradus
