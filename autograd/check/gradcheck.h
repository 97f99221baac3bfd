// Gradient checks: a gradient against seven-point differences of the function itself, in f64. For ops, modules, any function
// of tensors, and for hand-written C++ gradients that know nothing of our tensors.
#pragma once

#include <gradus/autograd/tensor_function.h>

#include <span>
#include <string>
#include <vector>

namespace gradus {

struct GradcheckOptions {
  double bound = 0;              ///< largest norm-wise error; 0: 1e-8, 1e-6 for the second order; with f32 see allow_f32
  std::vector<int> inputs = {};  ///< which inputs (or leaves) to check, by their place; empty: all that are f64
  int64_t whole_up_to = 64;      ///< elements of all inputs together up to which the whole Jacobian is compared
  int directions = 8;            ///< above: random directions for each input, each against as many random seeds
  int redraws = 4;               ///< how often a draw too coarse to judge is drawn again, beside the point given
  bool may_be_zero = false;      ///< true: the gradient of a constant or a step function, zero everywhere, is right
  std::uint64_t seed = 1;        ///< of directions, seeds and redraws
  /// First order only: f32 inputs are checked too. Their gradient is computed in f32 and held, to within 1e-4, against
  /// differences of the same function called with f64 copies; of a function that does not take those (leaves of its own, an
  /// f32 constant), to within 1e-3, against differences in f32.
  bool allow_f32 = false;
};

/// What is probably wrong with a gradient.
enum class Cause {
  none,  ///< it is right, or could not be judged
  not_recognised,
  sign,
  factor,        ///< one for all entries, or one for each row or column
  transposed,    ///< axes of the input or of the incoming gradient exchanged
  missing_sum,   ///< over a broadcast axis
  detached,      ///< a path is cut
  stale,         ///< a value of another call, or the result in place of an input
  shifted,       ///< one place beside where it should stand
  misplaced,     ///< the right numbers elsewhere: strides, dilation, axes, order
  swapped,       ///< the gradient of another input
  mask,          ///< passes where the function is flat, or is stopped where it is not
  missing_term,  ///< a sum, mean or variance over an axis
  constant,      ///< nearly right: eps, say
  edge,          ///< wrong at the ends of an axis only
  kernel,        ///< a fused op's kernel and its reference definition disagree
  not_finite
};
const char* cause_name(Cause cause);  ///< "missing sum"

/// What a check found. The error is norm-wise, a tensor at a time: max|a - b| / max(|a|max, |b|max).
struct GradcheckReport {
  bool passed = false;
  double error = 0;                  ///< of the worst input
  double bound = 0;                  ///< passed needs error < bound + own_error
  double own_error = 0;              ///< what the differences themselves may be wrong by, relative like `error`
  int64_t draws = 0;                 ///< columns of the Jacobian, or random directions, that were measured
  int64_t inconclusive = 0;          ///< of these, how many were too coarse to judge and were drawn again
  int64_t compared = 0;              ///< entries of the Jacobian compared; 0 if there was nothing to compare
  bool not_differentiable = false;   ///< the slopes from the left and from the right disagree
  bool all_zero = false;             ///< a gradient was exactly zero both ways: nothing was shown
  bool constant = false;             ///< all_zero, and far from the point too the function has the same values
  int input = -1;                    ///< where the worst entry stands: the input,
  int64_t element = -1;              ///< its element in row-major order (-1: along a random direction),
  int64_t output = -1;               ///< and the element of all outputs (-1: along a random seed)
  double analytic = 0, numeric = 0;  ///< the worst entry
  Cause cause = Cause::none;         ///< of a gradient that is wrong
  std::string message;               ///< what is wrong, where, and why, for a person
  explicit operator bool() const { return passed; }
};

/// First order: every f64 output against every f64 input; integer inputs are handed over as they are. `f` may return one
/// Tensor or a vector of them, must be a pure function, and is called some 7 times for each element or direction.
/// Errors: DtypeError for an f32 input or output (but see allow_f32), or if no input is f64; ShapeError for an index in
/// options.inputs that is out of range.
GradcheckReport gradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                   const GradcheckOptions& options = {});
/// Second order: the gradient of (outputs . random seeds), as a function of inputs and seeds, is checked in the same way.
/// Also checks that the recorded gradient has the numbers of the plain one.
GradcheckReport gradgradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options = {});

/// The same for leaves that `f` finds by itself: a module's parameters, and any input that is a leaf. They are changed in
/// place and put back. Errors: also GraphError for a tensor that is not a leaf.
GradcheckReport gradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                 const GradcheckOptions& options = {});
GradcheckReport gradgradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                     const GradcheckOptions& options = {});

/// A hand-written gradient: gradient(x, g) writes d f / d x into g. Throws what they throw.
GradcheckReport gradcheck(const std::function<double(std::span<const double>)>& f,
                          const std::function<void(std::span<const double>, std::span<double>)>& gradient,
                          const std::vector<double>& x, const GradcheckOptions& options = {});

// The spellings people write: f(inputs) or f(), returning a Tensor or a vector of them.

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
