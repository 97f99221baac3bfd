// For tests of nn: what an error says, and comparing numbers.
#pragma once

#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace gradus::testing {

/// The message of the Wanted error that f throws; "nothing was thrown", or "another type: ..." otherwise.
template <class Wanted, class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const Wanted& e) {
    return e.what();
  } catch (const std::exception& e) {
    return std::string("another type: ") + e.what();
  }
  return "nothing was thrown";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

/// max |a - b|; infinite if the shapes differ.
inline double distance(const Array& a, const Array& b) {
  if (!(a.shape() == b.shape())) return HUGE_VAL;
  double worst = 0;
  for (int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a.element(i) - b.element(i)));
  return worst;
}
inline double distance(const Tensor& a, const Tensor& b) { return distance(a.array(), b.array()); }

/// The same numbers to the last bit.
inline bool same_bits(const Array& a, const Array& b) { return a.dtype() == b.dtype() && distance(a, b) == 0; }

}  // namespace gradus::testing
