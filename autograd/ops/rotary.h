// Rotary positions: Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// Rotates x [.., L, heads, D], D even: features k and k + D/2 of token i by the angle (first + i) base^(-2k/D), equation 34
/// with the pairs as in Hugging Face's Llama. Products of a rotated query and a rotated key depend only on the distance of
/// their tokens. Errors: ShapeError, DtypeError, Error (base).
Tensor rotary_embedding(const Tensor& x, int64_t first = 0, double base = 10000);

}  // namespace gradus
