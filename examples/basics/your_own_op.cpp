// An op of your own: a formula generic in its number gives the vectorised kernel, the gradient, the gradient's gradient, and
// its place among the ops that are gradient-checked.
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <cstdio>

using namespace gradus;

/// "Snake", x + sin^2(a x) / a, is written with what formulas know; here a cousin of it: x + tanh^2(a x) / a.
struct Bump {
  static constexpr const char* name = "bump";
  static constexpr unsigned reads = reads_input(0);  // the backward pass looks at the input, not at the result
  double a;
  template <class V> V f(V x) const {
    V t = tanh(a * x);
    return x + t * t / a;
  }
  template <class V> V df(V g, V x, V) const {
    V t = tanh(a * x);
    return g * (1.0 + 2.0 * (t * (1.0 - t * t)));
  }
  static Samples samples();
};

Tensor bump(const Tensor& x, double a = 1) { return formula(Bump{a}, x); }

Samples Bump::samples() {
  return {sample("a = 1", {sample_values({3, 4})}, [](auto& x) { return bump(x[0]); }),
          sample("a = 2.5", {sample_values({5})}, [](auto& x) { return bump(x[0], 2.5); })};
}

int main() {
  Tensor x = leaf(Array::of<float>({4}, {-1, 0, 0.5, 2}), "x");
  const Tensor y = sum(bump(x, 2));
  y.backward();
  std::printf("y      = %g\ndy/dx  = %s\n", y.item(), to_string(x.grad()).c_str());

  auto call = [](const std::vector<Tensor>& in) { return bump(in[0], 2); };
  const auto report = gradcheck(call, {sample_values({3, 4})});
  const auto second = gradgradcheck(call, {sample_values({3, 4})});
  std::printf("gradient error %.1e, second order %.1e\n", report.error, second.error);
  return report.passed && second.passed ? 0 : 1;
}
