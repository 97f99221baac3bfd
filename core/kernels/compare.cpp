#include <gradus/core/kernels/compare.h>

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
  if (!a.defined() || !b.defined()) return a.defined() == b.defined() ? 0 : INFINITY;
  if (!(a.shape() == b.shape())) return INFINITY;
  const Array left = a.to(f64).contiguous(), right = b.to(f64).contiguous();
  const double *from_left = left.data<double>(), *from_right = right.data<double>();
  double most = 0, top = 0;
  for (int64_t i = 0; i < left.size(); ++i) {
    const double p = from_left[i], q = from_right[i];
    if (std::isfinite(p)) top = std::max(top, std::fabs(p));
    if (std::isfinite(q)) top = std::max(top, std::fabs(q));
    if (p == q || (std::isnan(p) && std::isnan(q))) continue;
    most = std::max(most, std::isfinite(p - q) ? std::fabs(p - q) : INFINITY);
  }
  return most > 0 ? most / top : 0;
}

}  // namespace gradus
