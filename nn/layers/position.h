// Where a token stands, for layers that cannot see it. Rotary and ALiBi positions are options of MultiheadAttention.
#pragma once

#include <gradus/nn/layers/activation.h>

namespace gradus::nn {

struct PositionalEncodingOptions {
  double dropout = 0.1;
  int64_t max_len = 5000;
  bool batch_first = false;  ///< [N, L, E] instead of [L, N, E]
};

/// x + sin(position / 10000^(2i/E)) in feature 2i, cos in 2i + 1, then dropout: Vaswani et al., 2017, section 3.5. x
/// [L, N, E] (see batch_first) or [L, E]; it begins at position `first`, which is cache.length() where a cache is used.
/// Learns and saves nothing. Errors: ShapeError, also beyond max_len.
class PositionalEncoding : public Module<PositionalEncoding> {
 public:
  explicit PositionalEncoding(int64_t d_model, PositionalEncodingOptions options = {});
  Tensor operator()(const Tensor& x, int64_t first = 0) { return Module::operator()(x, first); }
  Tensor forward(const Tensor& x, int64_t first = 0);
  std::string description() const override;

  int64_t d_model;
  PositionalEncodingOptions options;
  Dropout dropout;
  GRADUS_FIELDS(dropout)

 private:
  Array table_;  // f64 [max_len, d_model]
};

/// x + weight[position], then dropout; otherwise as PositionalEncoding. weight [max_len, d_model] starts as normal numbers
/// of deviation 0.02: Radford et al., "Improving language understanding by generative pre-training", 2018.
class PositionalEmbedding : public Module<PositionalEmbedding> {
 public:
  explicit PositionalEmbedding(int64_t d_model, PositionalEncodingOptions options = {});
  Tensor operator()(const Tensor& x, int64_t first = 0) { return Module::operator()(x, first); }
  Tensor forward(const Tensor& x, int64_t first = 0);
  std::string description() const override;

  int64_t d_model;
  PositionalEncodingOptions options;
  Parameter weight;
  Dropout dropout;
  GRADUS_FIELDS(weight, dropout)
};

}  // namespace gradus::nn
