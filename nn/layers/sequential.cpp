#include <gradus/nn/layers/sequential.h>

namespace gradus::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : children_) y = child->call(y);
  return y;
}

}  // namespace gradus::nn
