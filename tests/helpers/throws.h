// What tests of messages share: catching an error of the right type, and looking for what it must say.
#pragma once

#include <gradus/autograd/op.h>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace gradus {

/// What an error of type E says.
template <class E, class F> std::string thrown(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was refused";
}
inline bool says(const std::string& message, const std::vector<std::string>& parts) {
  for (const auto& p : parts)
    if (message.find(p) == std::string::npos) {
      MESSAGE(message);
      return false;
    }
  return true;
}

/// The same numbers for a shape, in [-2, 2).
inline Tensor real(const Shape& s, Dtype t = f32) { return Tensor(sample_values(s).to(t)); }

}  // namespace gradus
