// Gradient checks: a gradient against seven-point differences of the function itself, in f64. For ops, modules, any function
// of tensors, and for hand-written C++ gradients that do not use tensors.
#pragma once

#include <gradus/autograd/tensor_function.h>

#include <span>
#include <string>
#include <vector>

namespace gradus {

struct GradcheckOptions {
  double bound = 0;              ///< largest norm-wise error; 0: 1e-8, 1e-6 for the second order; with f32 see allow_f32
  std::vector<int> inputs = {};  ///< indices of the inputs (or leaves) to check; empty: all that are f64
  int64_t whole_up_to = 64;      ///< elements of all inputs together up to which the whole Jacobian is compared
  int directions = 8;            ///< for more elements: random directions for each input, each against as many random seeds
  int redraws = 4;               ///< extra draws at other points when one is too coarse to judge
  bool may_be_zero = false;      ///< true: the gradient of a constant or a step function, zero everywhere, is right
  std::uint64_t seed = 1;        ///< of directions, seeds and redraws
  /// First order only: f32 inputs are checked too. Their gradient is computed in f32 and compared, to within 1e-4, with
  /// differences of the same function called with f64 copies; if the function does not accept those (leaves of its own, an
  /// f32 constant), to within 1e-3, with differences in f32.
  bool allow_f32 = false;
};

/// The probable error of a gradient.
enum class Cause {
  none,  ///< the gradient is right, or could not be judged
  not_recognised,
  sign,
  factor,        ///< wrong by a factor for all entries, or for each row or column
  transposed,    ///< axes of the input or of the incoming gradient exchanged
  missing_sum,   ///< no sum over a broadcast axis
  detached,      ///< a path is cut off
  stale,         ///< uses a value of another call, or the result in place of an input
  shifted,       ///< off by one index
  misplaced,     ///< right values at wrong indices: strides, dilation, axes, order
  swapped,       ///< the gradient of another input
  mask,          ///< passes where the function is flat, or is blocked where it is not
  missing_term,  ///< lacks the term of a sum, mean or variance over an axis
  constant,      ///< nearly right: a wrong constant such as eps
  edge,          ///< wrong at the ends of an axis only
  kernel,        ///< a fused op's kernel and its reference definition disagree
  not_finite
};
const char* cause_name(Cause cause);  ///< "missing sum"

/// The result of a check. The error is norm-wise, per tensor: max|a - b| / max(|a|max, |b|max).
struct GradcheckReport {
  bool passed = false;
  double error = 0;                  ///< error of the worst input
  double bound = 0;                  ///< passed needs error < bound + own_error
  double own_error = 0;              ///< possible error of the differences themselves, relative like `error`
  int64_t draws = 0;                 ///< measured columns of the Jacobian, or random directions
  int64_t inconclusive = 0;          ///< those too coarse to judge, which were drawn again
  int64_t compared = 0;              ///< entries of the Jacobian compared; 0 if none
  bool not_differentiable = false;   ///< the one-sided slopes disagree
  bool all_zero = false;             ///< a gradient was exactly zero both ways, which shows nothing
  bool constant = false;             ///< all_zero, and the function has the same values far from the point, too
  int input = -1;                    ///< the worst entry: its input,
  int64_t element = -1;              ///< its element in row-major order (-1: along a random direction),
  int64_t output = -1;               ///< and the element of all outputs (-1: along a random seed)
  double analytic = 0, numeric = 0;  ///< the worst entry
  Cause cause = Cause::none;         ///< cause of a wrong gradient
  std::string message;               ///< a description of the error, its place and cause
  explicit operator bool() const { return passed; }
};

/// Checks the first order: every f64 output against every f64 input; integer inputs are passed on. `f` may return one Tensor
/// or a vector of them, must be a pure function, and is called some 7 times for each element or direction. Errors:
/// DtypeError for an f32 input or output (but see allow_f32), or if no input is f64; ShapeError for an index in
/// options.inputs that is out of range.
GradcheckReport gradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                   const GradcheckOptions& options = {});
/// Checks the second order: the gradient of (outputs . random seeds), as a function of inputs and seeds, in the same way,
/// and that the recorded gradient has the values of the plain one.
GradcheckReport gradgradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options = {});

/// Checks leaves that `f` finds by itself: a module's parameters, and any input that is a leaf. They are changed in place
/// and restored. Errors: also GraphError for a tensor that is not a leaf.
GradcheckReport gradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                 const GradcheckOptions& options = {});
GradcheckReport gradgradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                     const GradcheckOptions& options = {});

/// Checks a hand-written gradient: gradient(x, g) writes d f / d x into g. Exceptions of f and gradient pass through.
GradcheckReport gradcheck(const std::function<double(std::span<const double>)>& f,
                          const std::function<void(std::span<const double>, std::span<double>)>& gradient,
                          const std::vector<double>& x, const GradcheckOptions& options = {});

// Overloads for f(inputs) or f(), returning a Tensor or a vector of them.

template <class F>
requires std::invocable < const F&, const std::vector<Tensor>
& > GradcheckReport gradcheck(const F& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {}) {
  return gradcheck_function([&f](const std::vector<Tensor>& x) { return call_for_tensors(f, x); }, inputs, options);
}
template <class F>
requires std::invocable<const F&> GradcheckReport gradcheck(const F& f, const std::vector<Tensor>& leaves,
                                                            const GradcheckOptions& options = {}) {
  return gradcheck_leaves([&f] { return call_for_tensors(f); }, leaves, options);
}
template <class F>
requires std::invocable < const F&, const std::vector<Tensor>
& > GradcheckReport gradgradcheck(const F& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {}) {
  return gradgradcheck_function([&f](const std::vector<Tensor>& x) { return call_for_tensors(f, x); }, inputs, options);
}
template <class F>
requires std::invocable<const F&> GradcheckReport gradgradcheck(const F& f, const std::vector<Tensor>& leaves,
                                                                const GradcheckOptions& options = {}) {
  return gradgradcheck_leaves([&f] { return call_for_tensors(f); }, leaves, options);
}

}  // namespace gradus
