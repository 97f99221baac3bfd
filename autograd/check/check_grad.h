// GRADUS_CHECK_GRAD(f, x, y): a gradient check as a doctest assertion, for any project's tests.
//
//   #include <doctest/doctest.h>            // (the project's own; the library does not need it)
//   #include <gradus/autograd/check/check_grad.h>
//
//   TEST_CASE("my op") {
//     GRADUS_CHECK_GRAD(my_op, sample_values({2, 3}));
//     GRADUS_CHECK_GRAD([](const Tensor& x, const Tensor& y) { return my_op(x) * y; }, x, y);
//   }
//
// f takes as many Tensors as follow it and returns a Tensor or a vector of them; x and y are f64 Tensors or Arrays (integers
// are passed on, not differentiated). A failure prints the report: the worst entry, both values, and the cause.
#pragma once

#include <gradus/autograd/check/gradcheck.h>

#include <utility>

namespace gradus {

namespace check_grad_detail {
template <class F, std::size_t... k> auto spread(const F& f, const std::vector<Tensor>& x, std::index_sequence<k...>) {
  return call_for_tensors(f, x[k]...);
}
template <class F, class... X> auto over_vector(const F& f, const X&...) {
  return [&f](const std::vector<Tensor>& x) { return spread(f, x, std::index_sequence_for<X...>()); };
}
}  // namespace check_grad_detail

/// gradcheck() of f(x...). Errors: as gradcheck's.
template <class F, class... X> GradcheckReport check_grad(const F& f, const X&... x) {
  return gradcheck(check_grad_detail::over_vector(f, x...), std::vector<Tensor>{Tensor(x)...});
}
/// gradgradcheck() of f(x...), the second order.
template <class F, class... X> GradcheckReport check_gradgrad(const F& f, const X&... x) {
  return gradgradcheck(check_grad_detail::over_vector(f, x...), std::vector<Tensor>{Tensor(x)...});
}

}  // namespace gradus

#define GRADUS_CHECK_REPORT(...)                                        \
  do {                                                                  \
    const ::gradus::GradcheckReport gradus_report = __VA_ARGS__;        \
    DOCTEST_CHECK_MESSAGE(gradus_report.passed, gradus_report.message); \
  } while (false)
/// Asserts that the gradient of f at the given tensors agrees with differences.
#define GRADUS_CHECK_GRAD(...) GRADUS_CHECK_REPORT(::gradus::check_grad(__VA_ARGS__))
/// Asserts that the gradient of the gradient does.
#define GRADUS_CHECK_GRADGRAD(...) GRADUS_CHECK_REPORT(::gradus::check_gradgrad(__VA_ARGS__))
