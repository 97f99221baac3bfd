// Norms over many tensors, in an order fixed by their shapes: the same bits at any number of threads.
#pragma once

#include <gradus/optim/rule/any_rule.h>

namespace gradus::optim {

/// Elements of one piece of work; pieces are cut by shape.
inline constexpr std::int64_t piece_elements = 16384;
/// Below so many elements in all, a pass stays on the caller's thread.
inline constexpr std::int64_t serial_elements = 65536;

/// Sum of squares in double; n >= 0.
double sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n);
/// Of each of them; dense, f32 or f64.
std::vector<double> sums_of_squares(const std::vector<const Array*>& arrays);
/// Euclidean norm over all of them together. Arrays are dense, f32 or f64.
double global_norm(const std::vector<Array>& arrays);
/// False: a sum of squares has left the range of double, or lost digits to it, as of f64 beyond 1e154 or below 1e-145.
bool squares_fit(double sum);
/// The sum with the exponents of long double, for those; slow.
long double wide_sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n);
/// Root of `sum`, which is sum_of_squares() of the same numbers.
double root_of_squares(double sum, Dtype dtype, const void* numbers, std::int64_t n);

/// Whether a factor keeps all its digits in this dtype, and is not taken for 0 where subnormal numbers are.
bool factor_fits(double factor, Dtype dtype);
/// factor * a, right also where the factor alone would not fit a's dtype.
Array scaled(const Array& a, double factor);

/// Scales gradients so that their common norm is at most `max_norm`, as PyTorch does: by max_norm / (norm + 1e-6) if that
/// is below 1. Returns the norm before. A scaled gradient is a new Array: one that others share is not changed. Absent
/// gradients are left out; if the norm is not finite nothing is scaled. Errors: OptimError unless max_norm > 0.
double clip_grad_norm(const NamedTensors& parameters, double max_norm);
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm);

/// The factor that clip_grad_norm applies, at most 1.
double clip_factor(double norm, double max_norm);

}  // namespace gradus::optim
