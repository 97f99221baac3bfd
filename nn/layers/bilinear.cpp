#include <gradus/nn/layers/bilinear.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

#include <algorithm>

namespace gradus::nn {

Bilinear::Bilinear(int64_t in1, int64_t in2, int64_t out, LinearOptions options)
    : in1_features(in1), in2_features(in2), out_features(out) {
  check_positive("Bilinear", "in1_features", in1);
  check_positive("Bilinear", "in2_features", in2);
  check_positive("Bilinear", "out_features", out);
  weight = Parameter(init::fan_in_uniform({out, in1, in2}, in1));
  if (options.bias) bias = Parameter(init::fan_in_uniform({out}, in1));
}

Tensor Bilinear::forward(const Tensor& x1, const Tensor& x2) {
  check_dtype(*this, x1, weight.dtype());
  check_dtype(*this, x2, weight.dtype());
  const Shape &a = x1.shape(), &b = x2.shape();
  const bool fits = a.rank() > 0 && a.rank() == b.rank() && a.back() == in1_features && b.back() == in2_features &&
                    std::equal(a.begin(), a.end() - 1, b.begin());
  if (!fits)
    throw_input(*this, join("the inputs must be [.., ", in1_features, "] and [.., ", in2_features,
                            "], equal but for the last axis, got ", describe(x1), " and ", describe(x2)));
  Shape rows = a;
  rows[a.rank() - 1] = out_features;
  Shape by_output = rows;
  by_output.push_back(in2_features);
  const Tensor turned = reshape(permute(weight, {0, 2, 1}), {out_features * in2_features, in1_features});
  const Tensor y = reshape(matmul(reshape(linear(x1, turned), by_output), unsqueeze(x2, -1)), rows);
  return bias.defined() ? y + bias : y;
}

std::string Bilinear::description() const {
  return join("Bilinear(", in1_features, ", ", in2_features, " -> ", out_features, bias.defined() ? ")" : ", no bias)");
}

}  // namespace gradus::nn
