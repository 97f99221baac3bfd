// What tests of integers share: tensors from exact numbers, and comparing with them.
#pragma once

#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/ops.h>

#include <cstdint>
#include <vector>

namespace gradus::integers {

using Longs = std::vector<int64_t>;
inline constexpr int64_t lowest = INT64_MIN, highest = INT64_MAX, big = int64_t(1) << 53;

inline Tensor longs(const Longs& v) { return Tensor(Array::of<int64_t>({static_cast<int64_t>(v.size())}, v)); }
inline Tensor bytes(const std::vector<std::uint8_t>& v) { return tensor<std::uint8_t>({static_cast<int64_t>(v.size())}, v); }
inline Tensor bools(const std::vector<bool>& v) { return Tensor(Array::of<bool>({static_cast<int64_t>(v.size())}, v)); }
/// The elements of a tensor of integers, which is never recorded.
inline Longs held(const Tensor& t) {
  REQUIRE_FALSE(is_real(t.dtype()));
  REQUIRE_FALSE(t.requires_grad());
  const Array a = t.array().to(i64).contiguous();
  return {a.data<int64_t>(), a.data<int64_t>() + a.size()};
}
/// The tensor has this dtype and these elements; it is printed if not.
inline bool is(const Tensor& t, Dtype dtype, const Longs& values) {
  if (t.dtype() == dtype && held(t) == values) return true;
  MESSAGE(to_string(t));
  return false;
}

}  // namespace gradus::integers

#define REFUSES(Type, call, ...) CHECK(says(thrown<Type>([&] { (void)(call); }), {__VA_ARGS__}))
