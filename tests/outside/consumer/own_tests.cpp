// A stranger's tests: gradient checks of an op of its own, with doctest.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <gradus/autograd/check/check_grad.h>
#include <gradus/autograd/hook.h>
#include <gradus/autograd/ops.h>

using namespace gradus;

static Tensor own_op(const Tensor& x, const Tensor& scale) { return x + square(tanh(scale * x)) / scale; }

TEST_CASE("the gradient of our op") {
  const Array x = Array::of<double>({2, 3}, {-1, 0.5, 2, 0.1, -0.3, 1}), scale = Array::of<double>({3}, {1, 2, 0.5});
  GRADUS_CHECK_GRAD(own_op, x, scale);
  GRADUS_CHECK_GRADGRAD([](const Tensor& a, const Tensor& b) { return own_op(a, b); }, x, scale);
}

TEST_CASE("a wrong gradient is found" * doctest::should_fail()) {
  GRADUS_CHECK_GRAD([](const Tensor& a) { return hook(tanh(a), [](const Tensor& g) { return -g; }); },
                    Array::of<double>({2}, {-1, 0.5}));
}
