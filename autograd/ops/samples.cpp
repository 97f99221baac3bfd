#include <gradus/autograd/ops/internal/samples.h>

namespace gradus {

Samples elementwise(Tensor (*f)(const Tensor&), double low, double high) {
  const auto call = [f](auto& x) { return f(x[0]); };
  return {sample("matrix", {sample_values({3, 5}, low, high)}, call), sample("0-d", {sample_values({}, low, high, 2)}, call),
          sample("longer than a pack", {sample_values({37}, low, high, 3)}, call),
          sample("transposed", {sample_values({3, 5}, low, high, 4)}, [f](auto& x) { return f(transpose(x[0], 0, 1)); }),
          sample("empty", {sample_values({0, 3})}, call)};
}

Samples pairwise(Tensor (*f)(const Tensor&, const Tensor&), double low, double high, double low2, double high2) {
  const auto call = [f](auto& x) { return f(x[0], x[1]); };
  const Array a = sample_values({3, 4}, low, high, 1), b = sample_values({3, 4}, low2, high2, 2);
  Samples all = {
      sample("same shape", {a, b}, call),
      sample("row", {a, sample_values({4}, low2, high2, 3)}, call),
      sample("column", {sample_values({3, 1}, low, high, 4), b}, call),
      sample("outer", {sample_values({3, 1}, low, high, 4), sample_values({1, 4}, low2, high2, 5)}, call),
      sample("0-d", {sample_values({}, low, high, 6), b}, call),
      sample("strided", {sample_values({6, 4}, low, high, 7), b}, [f](auto& x) { return f(slice(x[0], 0, 0, 6, 2), x[1]); }),
      sample("empty", {sample_values({0, 4}), sample_values({4}, low2, high2, 8)}, call)};
  if (low == low2 && high == high2) all.push_back(sample("same tensor twice", {a}, [f](auto& x) { return f(x[0], x[0]); }));
  return all;
}

}  // namespace gradus
