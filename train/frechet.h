// How far the features of two sets lie apart: what judges a model that generates.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus::training {

/// |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) for features a [N, D] and b [M, D] of means m and covariances C
/// (divided by N - 1): the squared Frechet distance of two normal distributions (Dowson and Landau, 1982), which is the FID
/// of Heusel et al., "GANs trained by a two time-scale update rule", 2017, when the features are an Inception network's.
/// Errors: ShapeError unless both have D columns and at least two rows; DtypeError unless f32 or f64; DataError for numbers
/// that are not finite.
double frechet_distance(const Tensor& a, const Tensor& b);

}  // namespace gradus::training
