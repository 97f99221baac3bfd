// Linear: a matrix and a bias.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

struct LinearOptions {
  bool bias = true;
};

/// x [.., in] -> x weight^T + bias [.., out]. weight [out, in] and bias [out] start in U(-1 / sqrt(in), 1 / sqrt(in)).
class Linear : public Module<Linear> {
 public:
  Linear(int64_t in_features, int64_t out_features, LinearOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_features, out_features;
  Parameter weight, bias;  ///< bias is absent with {.bias = false}
  GRADUS_FIELDS(weight, bias)
};

}  // namespace gradus::nn
