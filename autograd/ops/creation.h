// Creation of tensors: random ones, regular ones, and ones like another. No creation is recorded; requires_grad_() makes a
// leaf of the result.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/random.h>

namespace gradus {

// Each random call draws from a new stream of the generator, so manual_seed() repeats a program. Errors: DtypeError unless
// f32 or f64.

/// Uniform random numbers in [0, 1).
Tensor rand(const Shape& shape, Dtype dtype = f32, Generator& generator = default_generator());
/// Standard normal random numbers.
Tensor randn(const Shape& shape, Dtype dtype = f32, Generator& generator = default_generator());
/// Random integers (i64) in [low, high), every one equally likely. Errors: ShapeError unless low < high.
Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator = default_generator());
/// 0 .. n-1 (i64) in random order. Errors: ShapeError for n < 0.
Tensor randperm(int64_t n, Generator& generator = default_generator());

Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
/// The identity matrix [n, n]. Errors: ShapeError for n < 0; DtypeError unless f32 or f64.
Tensor eye(int64_t n, Dtype dtype = f32);
/// `steps` evenly spaced numbers from `start` to `stop`, both included. Errors: ShapeError for steps < 0; DtypeError unless
/// f32 or f64.
Tensor linspace(double start, double stop, int64_t steps, Dtype dtype = f32);
/// The integers start, start + step, ... (i64), below stop; above it for a negative step. Errors: ShapeError for step 0.
Tensor arange(int64_t start, int64_t stop, int64_t step = 1);

}  // namespace gradus
