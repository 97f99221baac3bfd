// Norms over many tensors, in an order fixed by their shapes: the same bits at any number of threads.
#pragma once

#include <gradus/optim/rule/any_rule.h>

namespace gradus::optim {

/// Elements of one piece of work; pieces are cut by shape.
inline constexpr std::int64_t piece_elements = 16384;
/// Elements in all below which a pass stays on the caller's thread.
inline constexpr std::int64_t serial_elements = 65536;

/// The sum of squares in double; n >= 0.
double sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n);
/// The sum of squares of each Array; dense, f32 or f64.
std::vector<double> sums_of_squares(const std::vector<const Array*>& arrays);
/// The Euclidean norm over all Arrays together; they are dense, f32 or f64.
double global_norm(const std::vector<Array>& arrays);
/// False if a sum of squares has left the range of double, or lost digits to it, as for f64 beyond 1e154 or below 1e-145.
bool squares_fit(double sum);
/// The sum with the exponents of long double, for sums that do not fit; slow.
long double wide_sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n);
/// The root of `sum`, which is sum_of_squares() of the same elements.
double root_of_squares(double sum, Dtype dtype, const void* numbers, std::int64_t n);

/// True if a factor keeps all its digits in this dtype, and does not count as 0 where subnormal numbers do.
bool factor_fits(double factor, Dtype dtype);
/// factor * a, correct also where the factor alone would not fit a's dtype.
Array scaled(const Array& a, double factor);

/// Scales gradients so that their common norm is at most `max_norm`, as PyTorch does: by max_norm / (norm + 1e-6) if that is
/// below 1. Returns the norm before. A scaled gradient is a new Array: a shared one is not changed. Absent gradients are
/// left out; if the norm is not finite nothing is scaled. Errors: OptimError unless max_norm > 0.
double clip_grad_norm(const NamedTensors& parameters, double max_norm);
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm);

/// The factor that clip_grad_norm applies, at most 1.
double clip_factor(double norm, double max_norm);

}  // namespace gradus::optim
