// A form in two inputs.
#pragma once

#include <gradus/nn/layers/linear.h>

namespace gradus::nn {

/// x1 [.., in1], x2 [.., in2] -> y [.., out]: y_o = x1^T weight_o x2 + bias_o. weight [out, in1, in2] and bias [out] start in
/// U(-1 / sqrt(in1), 1 / sqrt(in1)). Errors: ShapeError, DtypeError.
class Bilinear : public Module<Bilinear> {
 public:
  Bilinear(int64_t in1_features, int64_t in2_features, int64_t out_features, LinearOptions options = {});
  Tensor forward(const Tensor& x1, const Tensor& x2);
  std::string description() const override;

  int64_t in1_features, in2_features, out_features;
  Parameter weight, bias;  ///< bias is absent with {.bias = false}
  GRADUS_FIELDS(weight, bias)
};

}  // namespace gradus::nn
