#include <gradus/core/error.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/parallel.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>

namespace gradus {

ArrayStats array_stats(const Array& array) {
  ArrayStats l;
  if (!array.defined() || !is_real(array.dtype())) return l;
  const Array a = array.contiguous();
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.element(i);
    if (std::isfinite(x)) l.low = std::min(l.low, x), l.high = std::max(l.high, x);
    else if (std::isnan(x)) l.first_nan = l.nans++ == 0 ? i : l.first_nan;
    else l.first_inf = l.infs++ == 0 ? i : l.first_inf;
  }
  return l;
}

std::string six_digits(double x) {
  if (std::isnan(x)) return "NaN";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", x);
  return buffer;
}

std::string range_text(const ArrayStats& l) {
  if (l.low > l.high) return "nowhere finite";
  const std::string low = six_digits(l.low), at = l.low == l.high ? low : join("in [", low, ", ", six_digits(l.high), "]");
  return l.finite() ? at : at + " where finite";
}

bool all_finite(const Array& array) {
  const Array a = array.contiguous();
  std::atomic<bool> bad = false;
  visit_real(a.dtype(), [&]<class T>() {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits exponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
    parallel_ranges(a.size(), 2 * grain_elements, [x = a.data<T>(), &bad](int64_t begin, int64_t end) {
      Bits any = 0;
      for (int64_t i = begin; i < end; ++i) any |= Bits((std::bit_cast<Bits>(x[i]) & exponent) == exponent);
      if (any) bad.store(true, std::memory_order_relaxed);
    });
  });
  return !bad.load(std::memory_order_relaxed);
}

}  // namespace gradus
