#include <gradus/core/error.h>
#include <gradus/core/kernels/map.h>
#include <gradus/optim/norms.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::optim {
namespace {

/// The sum of squares in sixteen running sums, so that the order does not depend on the width of a vector.
template <class T> double squares(const T* x, std::int64_t n) {
  constexpr int lanes = 16;
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k) sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  for (int k = 0; i + k < n; ++k) sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

}  // namespace

double sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n) {
  return visit_real(dtype, [&]<class T>() { return squares(static_cast<const T*>(numbers), n); });
}

std::vector<double> sums_of_squares(const std::vector<const Array*>& arrays) {
  struct Part {
    const char* from;
    Dtype dtype;
    std::int64_t n;
    std::size_t array;
    double sum;
  };
  std::vector<Part> parts;
  std::int64_t total = 0;
  for (std::size_t k = 0; k < arrays.size(); ++k) {
    const Array& a = *arrays[k];
    total += a.size();
    for (std::int64_t i = 0; i < a.size(); i += piece_elements)
      parts.push_back({a.bytes() + i * static_cast<std::int64_t>(bytes_of(a.dtype())), a.dtype(),
                       std::min(piece_elements, a.size() - i), k, 0});
  }
  auto one = [&](std::int64_t i) {
    Part& p = parts[static_cast<std::size_t>(i)];
    p.sum = sum_of_squares(p.dtype, p.from, p.n);
  };
  const auto count = static_cast<std::int64_t>(parts.size());
  if (total < serial_elements)
    for (std::int64_t i = 0; i < count; ++i) one(i);
  else parallel_for(count, one);
  std::vector<double> sums(arrays.size(), 0.0);
  for (const Part& p : parts) sums[p.array] += p.sum;
  return sums;
}

bool squares_fit(double sum) { return sum >= 0x1p-960 && sum <= std::numeric_limits<double>::max(); }

long double wide_sum_of_squares(Dtype dtype, const void* numbers, std::int64_t n) {
  return visit_real(dtype, [&]<class T>() {
    const T* x = static_cast<const T*>(numbers);
    long double sum = 0;
    for (std::int64_t i = 0; i < n && sum - sum == 0; ++i) {
      const auto wide = static_cast<long double>(std::fabs(x[i]) < std::numeric_limits<T>::min() ? T(0) : x[i]);
      sum += wide * wide;  // subnormal elements count as 0, as they do in a pass
    }
    return sum;
  });
}

double root_of_squares(double sum, Dtype dtype, const void* numbers, std::int64_t n) {
  if (squares_fit(sum) || dtype == f32) return std::sqrt(sum);  // squares of f32 fit always
  return static_cast<double>(std::sqrt(wide_sum_of_squares(dtype, numbers, n)));
}

double global_norm(const std::vector<Array>& arrays) {
  std::vector<const Array*> all;
  for (const Array& a : arrays) all.push_back(&a);
  double sum = 0;
  for (const double s : sums_of_squares(all)) sum += s;
  if (squares_fit(sum)) return std::sqrt(sum);
  long double wide = 0;
  for (const Array& a : arrays) wide += wide_sum_of_squares(a.dtype(), a.bytes(), a.size());
  return static_cast<double>(std::sqrt(wide));
}

bool factor_fits(double factor, Dtype dtype) {
  const double least = dtype == f32 ? 0x1p-100 : 0x1p-960;
  return factor == 0 || std::fabs(factor) >= least;
}

Array scaled(const Array& a, double factor) {
  if (factor_fits(factor, a.dtype())) return map([factor](auto x) { return factor * x; }, a);
  const double half = a.dtype() == f32 ? 0x1p-100 : 0x1p-960;  // the product is exact wherever it is not negligible
  return map([half, rest = factor / half](auto x) { return rest * (half * x); }, a);
}

double clip_factor(double norm, double max_norm) {
  return std::isfinite(norm) ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm) {
  if (!(max_norm > 0)) throw OptimError("clip_grad_norm", join("max_norm must be > 0, got ", text(max_norm)));
  std::vector<Leaf*> with;
  std::vector<Array> gradients;
  for (const Tensor& p : parameters)
    if (Leaf* l = p.leaf(); l && l->has_grad()) {
      with.push_back(l);
      gradients.push_back(l->grad_numbers().contiguous());
    }
  const double norm = global_norm(gradients), factor = clip_factor(norm, max_norm);
  if (factor < 1)
    for (std::size_t i = 0; i < with.size(); ++i) with[i]->put_grad_numbers(scaled(gradients[i], factor));
  return norm;
}

double clip_grad_norm(const NamedTensors& parameters, double max_norm) {
  std::vector<Tensor> tensors;
  for (const auto& p : parameters) tensors.push_back(p.second);
  return clip_grad_norm(tensors, max_norm);
}

}  // namespace gradus::optim
