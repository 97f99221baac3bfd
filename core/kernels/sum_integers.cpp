// Sums of integers are exact in any order, so nothing is made dense, and a long run is cut into pieces of any size.
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/parallel.h>

#include <algorithm>
#include <atomic>

namespace gradus {
namespace {

constexpr int64_t integers_at_once = 1 << 18;

/// The sum of a run modulo 2^64, as unsigned numbers, which wrap around.
template <class T> std::uint64_t add_run(const T* p, int64_t n, int64_t stride) {
  std::uint64_t total = 0;
  if (stride == 1)
    for (int64_t i = 0; i < n; ++i) total += static_cast<std::uint64_t>(p[i]);
  else
    for (int64_t i = 0; i < n; ++i) total += static_cast<std::uint64_t>(p[i * stride]);
  return total;
}

/// The sum of one run, in parallel.
template <class T> std::uint64_t add_long(const T* p, int64_t n, int64_t stride) {
  if (n <= integers_at_once) return add_run(p, n, stride);
  std::atomic<std::uint64_t> total = 0;
  parallel_ranges(n, integers_at_once,
                  [&](int64_t begin, int64_t end) { total += add_run(p + begin * stride, end - begin, stride); });
  return total;
}

}  // namespace

Array sum_integers(const Array& a, std::uint32_t axes) {
  Array out = Array::zeros(reduced_shape(a.shape(), axes, true), i64);
  if (a.size() == 0) return out;
  const Array spread = out.expand(a.shape());
  const StridedLoop<2> walk(a.shape(), {a.strides(), spread.strides()});
  const int64_t n = walk.run(), step = walk.run_stride(0), step_out = walk.run_stride(1);
  auto* sums = reinterpret_cast<std::uint64_t*>(out.uninitialized<int64_t>());
  const auto add = [&]<class T>() {
    const T* from = a.data<T>();
    walk.each_run(0, walk.runs(), [&](const int64_t* at) {
      const T* p = from + at[0];
      std::uint64_t* sum = sums + at[1];
      if (step_out == 0) *sum += add_long(p, n, step);
      else
        for (int64_t i = 0; i < n; ++i) sum[i * step_out] += static_cast<std::uint64_t>(p[i * step]);
    });
  };
  switch (a.dtype()) {
    case Dtype::i64: add.operator()<int64_t>(); break;
    case Dtype::u8: add.operator()<std::uint8_t>(); break;
    default: add.operator()<bool>();
  }
  return out;
}

}  // namespace gradus
