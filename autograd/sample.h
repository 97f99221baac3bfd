// Sample: one set of inputs for checking an op. Every op has some next to it, used once, in a check: their common code is
// compiled once, in sample.cpp, and marked as seldom run.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <string_view>
#include <type_traits>

namespace gradus {

/// A labelled call: `call` applies the op to the inputs, of which the floating-point ones are differentiated.
struct Sample {
  using Call = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
  std::string label;
  std::vector<Array> inputs;  ///< f64, or integers, which are not differentiated
  Call call;

  Sample(std::string_view what, std::vector<Array> on, Call apply);
  Sample(const Sample&);
  Sample(Sample&&) noexcept;
  Sample& operator=(const Sample&);
  Sample& operator=(Sample&&) noexcept;
  ~Sample();
};
using Samples = std::vector<Sample>;

/// A call that captures nothing and returns one Tensor, as most do.
using PlainCall = Tensor (*)(const std::vector<Tensor>&);
[[gnu::cold]] Sample plain_sample(std::string_view label, std::vector<Array>&& inputs, PlainCall call);

/// Makes a Sample of a call that returns one Tensor or several.
template <class Call> [[gnu::cold]] Sample sample(std::string_view label, std::vector<Array> inputs, Call call) {
  if constexpr (std::is_convertible_v<Call, PlainCall>) {
    return plain_sample(label, std::move(inputs), call);
  } else {
    return {label, std::move(inputs), [call](const std::vector<Tensor>& x) {
              if constexpr (std::is_same_v<decltype(call(x)), Tensor>) return std::vector<Tensor>{call(x)};
              else return call(x);
            }};
  }
}

/// f64 values in [low, high), the same ones for a shape and seed.
[[gnu::cold]] Array sample_values(const Shape& shape, double low = -2, double high = 2, unsigned seed = 1);

}  // namespace gradus
