// Attention with several heads: Vaswani et al., "Attention is all you need", 2017; shared key and value heads: Ainslie et
// al., "GQA", 2023.
#pragma once

#include <gradus/nn/layers/linear.h>

namespace gradus::nn {

struct MultiheadAttentionOptions {
  double dropout = 0;  ///< of the weights, in training; lies in [0, 1)
  bool bias = true;
  bool batch_first = false;         ///< [N, L, E] instead of [L, N, E]
  int64_t kdim = 0, vdim = 0;       ///< features of keys and values; 0: embed_dim
  int64_t num_key_value_heads = 0;  ///< each serves num_heads / num_key_value_heads heads; 0: num_heads
};

/// What a call hides. True in a bool mask HIDES, as in PyTorch's modules (the op scaled_dot_product_attention has it the
/// other way round, as PyTorch's function has); f32 and f64 masks are added to the scores.
struct AttentionMasks {
  Tensor key_padding_mask = {};      ///< [N, S] (or [S] without a batch): keys that no query sees
  Tensor attn_mask = {};             ///< [L, S], or [N num_heads, L, S]
  bool is_causal = false;            ///< query i sees the keys up to i; needs no attn_mask
  bool average_attn_weights = true;  ///< with_weights: the mean of all heads, else each
};

struct AttentionResult {
  Tensor output, weights;
};

/// query [L, N, E], key [S, N, kdim], value [S, N, vdim] -> [L, N, E]; the batch first with {.batch_first = true}; without
/// the axis N there is none. A query that may see no key has weights of 0, not NaN: its output is out_proj.bias.
/// in_proj_weight [3 E, E] holds the rows for query, key and value (with kdim or vdim: q_proj_weight, k_proj_weight,
/// v_proj_weight) and starts as Glorot and Bengio's uniform numbers, in_proj_bias and out_proj.bias start at 0. Errors:
/// ShapeError, DtypeError naming what does not fit.
class MultiheadAttention : public Module<MultiheadAttention> {
 public:
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, MultiheadAttentionOptions options = {});
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks = {}) {
    return Module::operator()(query, key, value, masks);
  }
  /// Also the weights, after dropout: [N, L, S], or [N, num_heads, L, S] with {.average_attn_weights = false}.
  AttentionResult with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                               const AttentionMasks& masks = {}) {
    return Module::operator()(query, key, value, masks, AndWeights{});
  }
  struct AndWeights {};
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks = {});
  AttentionResult forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks,
                          AndWeights);
  std::string description() const override;

  int64_t embed_dim, num_heads;
  MultiheadAttentionOptions options;                      ///< with the numbers that a 0 stood for
  Parameter q_proj_weight, k_proj_weight, v_proj_weight;  ///< absent where in_proj_weight is
  Parameter in_proj_weight, in_proj_bias;
  Linear out_proj;
  GRADUS_FIELDS(q_proj_weight, k_proj_weight, v_proj_weight, in_proj_weight, in_proj_bias, out_proj)

 private:
  struct Heads {
    Tensor q, k, v;  // [N, heads, length, head_dim]
  };
  struct Mask {
    Tensor allowed, added;  // each broadcasts to [N, heads, L, S], or is absent
    bool causal;
  };
  void check(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Heads project(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor projected(const Tensor& x, int part, int parts) const;
  Tensor heads_of(const Tensor& x, int64_t heads) const;
  Mask combine(const AttentionMasks& masks, const Heads& heads, bool batched) const;
  Tensor weights_of(const Heads& heads, const Mask& mask) const;
  Tensor joined(const Tensor& heads, bool batched);
};

}  // namespace gradus::nn
