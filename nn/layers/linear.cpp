#include <gradus/nn/layers/linear.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

/// The first axis from which on x holds `wanted` numbers, so that x.flatten(axis) fits; 0 if there is none.
int fitting_flatten(const Shape& s, int64_t wanted) {
  int64_t n = 1;
  for (int axis = s.rank() - 1; axis > 0; --axis)
    if ((n *= s[axis]) == wanted && axis < s.rank() - 1) return axis;
  return 0;
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, LinearOptions options) : in_features(in), out_features(out) {
  check_positive("Linear", "in_features", in);
  check_positive("Linear", "out_features", out);
  weight = Parameter(init::fan_in_uniform({out, in}, in));
  if (options.bias) bias = Parameter(init::fan_in_uniform({out}, in));
}

Tensor Linear::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  if (x.rank() == 0 || x.shape().back() != in_features) [[unlikely]] {
    const Shape& s = x.shape();
    const std::string both = join(": input ", describe(x), ", weight ", describe(weight.array()));
    if (s.rank() == 0) throw_input(*this, join("the input needs a last axis of ", in_features, ", got one number", both));
    const int axis = fitting_flatten(s, in_features);
    const std::string other = join("Linear(", s.back(), ", ", out_features, bias.defined() ? ")" : ", {.bias = false})");
    throw_input(*this, join("the last axis of the input must be ", in_features, ", got ", s.back(), both),
                axis > 0                        ? join("x.flatten(", axis, ")")
                : s.rank() <= 2 && s.back() > 0 ? other
                                                : "");
  }
  return linear(x, weight, bias);
}

std::string Linear::description() const {
  return join("Linear(", in_features, " -> ", out_features, bias.defined() ? ")" : ", no bias)");
}

}  // namespace gradus::nn
