// Creation of tensors: random ones, regular ones, and ones like another. None is recorded; requires_grad_() makes a leaf of
// it.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/random.h>

namespace gradus {

// Each random call draws a fresh stream of the generator, so manual_seed() repeats a program. Errors: DtypeError unless f32
// or f64.

/// Uniform in [0, 1).
Tensor rand(const Shape& shape, Dtype dtype = f32, Generator& generator = default_generator());
/// Standard normal.
Tensor randn(const Shape& shape, Dtype dtype = f32, Generator& generator = default_generator());
/// Integers (i64) in [low, high), every one equally likely. Errors: ShapeError unless low < high.
Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator = default_generator());
/// 0 .. n-1 (i64) in random order. Errors: ShapeError for n < 0.
Tensor randperm(int64_t n, Generator& generator = default_generator());

Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
/// [n, n] with ones on the diagonal. Errors: ShapeError for n < 0; DtypeError unless f32 or f64.
Tensor eye(int64_t n, Dtype dtype = f32);
/// `steps` numbers at equal distances, the first `start`, the last `stop`. Errors: ShapeError for steps < 0; DtypeError
/// unless f32 or f64.
Tensor linspace(double start, double stop, int64_t steps, Dtype dtype = f32);
/// start, start + step, ... (i64), below stop; above it for a negative step. Errors: ShapeError for a step of 0.
Tensor arange(int64_t start, int64_t stop, int64_t step = 1);

}  // namespace gradus
