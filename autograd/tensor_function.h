// TensorFunction: any function of tensors, as checkpoints, derivatives of functions and gradient checks take it.
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <type_traits>
#include <vector>

namespace gradus {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// Calls a function that returns a Tensor or a vector of Tensors, and returns a vector.
template <class F, class... In> std::vector<Tensor> call_for_tensors(const F& f, const In&... in) {
  if constexpr (std::same_as<std::remove_cvref_t<decltype(f(in...))>, Tensor>) return {f(in...)};
  else return f(in...);
}

}  // namespace gradus
