#include <gradus/nn/layers/internal/check_input.h>
#include <gradus/nn/layers/residual.h>

namespace gradus::nn {

Tensor Residual::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : children_) y = child->call(y);
  if (!(y.shape() == x.shape()))
    throw_input(
        *this, join("the modules within must return the input's shape: input ", describe(x), ", they return ", describe(y)));
  return x + y;
}

}  // namespace gradus::nn
