// The element types: f32 to train, f64 to check gradients, i64 for indices, u8 for pixels, boolean for masks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace gradus {

enum class Dtype : std::uint8_t { f32, f64, i64, u8, boolean };

inline constexpr Dtype f32 = Dtype::f32;
inline constexpr Dtype f64 = Dtype::f64;
inline constexpr Dtype i64 = Dtype::i64;
inline constexpr Dtype u8 = Dtype::u8;
inline constexpr Dtype boolean = Dtype::boolean;

constexpr std::size_t bytes_of(Dtype t) { return t == f64 || t == i64 ? 8 : t == f32 ? 4 : 1; }
constexpr bool is_real(Dtype t) { return t == f32 || t == f64; }
constexpr const char* name_of(Dtype t) {
  constexpr const char* names[] = {"f32", "f64", "i64", "u8", "bool"};
  return names[static_cast<int>(t)];
}
inline std::string to_string(Dtype t) { return name_of(t); }

template <class T> constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) return f32;
  else if constexpr (std::is_same_v<T, double>) return f64;
  else if constexpr (std::is_same_v<T, bool>) return boolean;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return u8;
  else {
    static_assert(std::is_same_v<T, std::int64_t>, "an element is float, double, int64_t, uint8_t or bool");
    return i64;
  }
}

/// Calls `f.operator()<T>()` with float or double; the caller has already thrown for other dtypes.
template <class F> decltype(auto) visit_real(Dtype t, F&& f) {
  return t == f32 ? f.template operator()<float>() : f.template operator()<double>();
}

/// Calls `f.operator()<T>()` with the C++ type of any dtype.
template <class F> decltype(auto) visit(Dtype t, F&& f) {
  switch (t) {
    case Dtype::f32: return f.template operator()<float>();
    case Dtype::f64: return f.template operator()<double>();
    case Dtype::i64: return f.template operator()<std::int64_t>();
    case Dtype::u8: return f.template operator()<std::uint8_t>();
    default: return f.template operator()<bool>();
  }
}

}  // namespace gradus
