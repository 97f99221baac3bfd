// Rotary positions: Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// x [.., L, heads, D], D even: features k and k + D/2 of token i are turned by the angle (first + i) base^(-2k/D), equation
/// 34 with the pairs as Hugging Face's Llama has them. Products of a turned query and a turned key depend on the distance of
/// their tokens alone. Errors: ShapeError, DtypeError, Error (base).
Tensor rotary_embedding(const Tensor& x, int64_t first = 0, double base = 10000);

}  // namespace gradus
