// Random ops on the tape.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/drop.h>

#include <algorithm>

namespace gradus {
namespace {

/// Dropout, scaled while training: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014. It is linear, and its
/// own transpose: the backward pass draws the same mask again and keeps nothing.
struct Dropout {
  static constexpr const char* name = "dropout";
  struct Saved {
    double p;
    std::uint64_t seed;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return dropout(b.grad(), s.p, s.seed); });
  }
  static Samples samples() {
    return {sample("half", {sample_values({5, 7})}, [](auto& x) { return dropout(x[0], 0.5, 3); }),
            sample("a tenth", {sample_values({4, 9})}, [](auto& x) { return dropout(x[0], 0.1, 4); }),
            sample("transposed", {sample_values({3, 6})}, [](auto& x) { return dropout(transpose(x[0], 0, 1), 0.4, 5); }),
            sample("nothing dropped", {sample_values({3})}, [](auto& x) { return dropout(x[0], 0, 6) * 2.0; })};
  }
};

template <class T> void drop_range(const T* x, T* y, int64_t begin, int64_t end, const Drop& drop) {
  constexpr int64_t chunk = 1024;
  std::uint32_t words[chunk];
  const std::uint32_t threshold = drop.threshold();
  const T scale = static_cast<T>(drop.scale());
  for (int64_t i = begin; i < end; i += chunk) {
    const int64_t n = std::min(chunk, end - i);
    drop.random().words(static_cast<std::uint64_t>(i), n, words);
    for (int64_t k = 0; k < n; ++k) y[i + k] = drop.p == 1 || words[k] < threshold ? T(0) : scale * x[i + k];
  }
}

}  // namespace

Tensor dropout(const Tensor& x, double p, std::uint64_t seed) {
  if (!is_real(x.dtype())) throw_dtype("dropout", x);
  if (!(p >= 0 && p <= 1)) throw Error("dropout", join("the probability must lie in [0, 1], got ", text(p)));
  if (p == 0) return x;
  const Array in = x.array().contiguous();
  Array y = Array::like(in);
  visit_real(x.dtype(), [&]<class T>() {
    const T* from = in.data<T>();
    T* to = y.uninitialized<T>();
    parallel_ranges(y.size(), grain_elements / 4, [&](int64_t begin, int64_t end) {
      drop_range<T>(from, to, begin, end, {p, seed});
    });
  });
  return primitive<Dropout>(
      y,
      [&] {
        return Dropout::Saved{p, seed};
      },
      x);
}

}  // namespace gradus
