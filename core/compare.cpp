#include <gradus/core/compare.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gradus {

bool same_bits(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Array x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.size()) * bytes_of(x.dtype())) == 0;
}

bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Array& x, const Array& y) { return same_bits(x, y); });
}

double relative_distance(const Array& a, const Array& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  double apart = 0, largest = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.element(i), y = b.element(i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!std::isfinite(x) || !std::isfinite(y)) return INFINITY;
    apart = std::max(apart, std::fabs(x - y));
  }
  if (apart == 0) return 0;
  for (const Array* p : {&a, &b})
    for (int64_t i = 0; i < p->size(); ++i)
      if (std::isfinite(p->element(i))) largest = std::max(largest, std::fabs(p->element(i)));
  return apart / largest;
}

}  // namespace gradus
