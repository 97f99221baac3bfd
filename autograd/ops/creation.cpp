#include <gradus/autograd/ops/creation.h>
#include <gradus/core/error.h>

#include <string>

namespace gradus {
namespace {

void check_count(const char* op, const char* name, int64_t n) {
  if (n < 0) throw ShapeError(op, join(name, " must be at least 0, got ", n));
}

void check_created_dtype(const char* op, Dtype dtype) {
  if (!is_real(dtype)) throw DtypeError(op, join("makes f32 or f64, not ", dtype), join("f32, then .to(", dtype, ")"));
}

}  // namespace

Tensor rand(const Shape& shape, Dtype dtype, Generator& generator) {
  check_created_dtype("rand", dtype);
  return Tensor(uniform(shape, 0, 1, generator.next_stream(), dtype));
}

Tensor randn(const Shape& shape, Dtype dtype, Generator& generator) {
  check_created_dtype("randn", dtype);
  return Tensor(normal(shape, 0, 1, generator.next_stream(), dtype));
}

Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator) {
  if (low >= high) throw ShapeError("randint", join("low must be below high, got ", low, " and ", high));
  const Philox random = generator.next_stream();
  const auto span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  Array out(shape, i64);
  auto* to = out.uninitialized<int64_t>();
  for (int64_t i = 0; i < out.size(); ++i)
    to[i] = static_cast<int64_t>(static_cast<std::uint64_t>(low) + random.below(static_cast<std::uint64_t>(i), span));
  return Tensor(out);
}

Tensor randperm(int64_t n, Generator& generator) {
  check_count("randperm", "n", n);
  const Philox random = generator.next_stream();
  return Tensor(Array::of<int64_t>({n}, permutation(n, random.seed, random.stream)));
}

Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }
Tensor ones_like(const Tensor& x) { return ones(x.shape(), x.dtype()); }

Tensor eye(int64_t n, Dtype dtype) {
  check_count("eye", "n", n);
  check_created_dtype("eye", dtype);
  Array out = Array::zeros({n, n}, dtype);
  visit_real(dtype, [&]<class T>() {
    T* to = out.uninitialized<T>();
    for (int64_t i = 0; i < n; ++i) to[i * (n + 1)] = 1;
  });
  return Tensor(out);
}

Tensor linspace(double start, double stop, int64_t steps, Dtype dtype) {
  check_count("linspace", "steps", steps);
  check_created_dtype("linspace", dtype);
  const double step = steps > 1 ? (stop - start) / static_cast<double>(steps - 1) : 0;
  Array out({steps}, dtype);
  visit_real(dtype, [&]<class T>() {
    T* to = out.uninitialized<T>();
    for (int64_t i = 0; i < steps; ++i)  // from the nearer end, so that both ends are exact
      to[i] = static_cast<T>(2 * i < steps ? start + static_cast<double>(i) * step
                                           : stop - static_cast<double>(steps - 1 - i) * step);
  });
  return Tensor(out);
}

Tensor arange(int64_t start, int64_t stop, int64_t step) {
  if (step == 0) throw ShapeError("arange", "a step of 0 never reaches the end; it must be above or below 0");
  const bool empty = step > 0 ? start >= stop : start <= stop;
  const auto distance = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                                 : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
  const auto stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t n = empty ? 0 : (distance - 1) / stride + 1;
  if (n >> 62) throw ShapeError("arange", join("from ", start, " to ", stop, " there are too many numbers"));
  Array out({static_cast<int64_t>(n)}, i64);
  auto* to = out.uninitialized<int64_t>();
  for (int64_t i = 0; i < out.size(); ++i) to[i] = start + i * step;
  return Tensor(out);
}

}  // namespace gradus
