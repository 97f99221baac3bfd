// Attention with several heads: Vaswani et al., "Attention is all you need", 2017; shared key and value heads: Ainslie et
// al., "GQA", 2023; rotary positions: Su et al., "RoFormer", 2021; ALiBi: Press, Smith and Lewis, "Train short, test long",
// 2022.
#pragma once

#include <gradus/nn/layers/key_value_cache.h>
#include <gradus/nn/layers/linear.h>

namespace gradus::nn {

enum class AttentionPositions {
  none,
  rotary,  ///< queries and keys are turned by their positions, see rotary_embedding(); head_dim must be even
  alibi    ///< -slope * |distance| is added to the scores, the slopes of 8 heads being 1/2, 1/4, ... 1/256
};

struct MultiheadAttentionOptions {
  double dropout = 0;  ///< of the weights, in training; lies in [0, 1)
  bool bias = true;
  bool batch_first = false;         ///< [N, L, E] instead of [L, N, E]
  int64_t kdim = 0, vdim = 0;       ///< features of keys and values; 0: embed_dim
  int64_t num_key_value_heads = 0;  ///< each serves num_heads / num_key_value_heads heads; 0: num_heads
  bool add_bias_kv = false;         ///< a learned key and value (bias_k, bias_v) behind the others, seen by all
  bool add_zero_attn = false;       ///< a key and value of zeros behind those
  AttentionPositions positions = AttentionPositions::none;
  double rotary_base = 10000;
};

/// What a call hides. True in a bool mask HIDES, as in PyTorch's modules (the op scaled_dot_product_attention has it the
/// other way round, as PyTorch's function has); f32 and f64 masks are added to the scores. S counts what a cache holds.
struct AttentionMasks {
  Tensor key_padding_mask = {};      ///< [N, S] (or [S] without a batch): keys that no query sees
  Tensor attn_mask = {};             ///< [L, S], or [N num_heads, L, S]
  bool is_causal = false;            ///< query i sees the keys up to i; needs no attn_mask
  bool average_attn_weights = true;  ///< with_weights: the mean of all heads, else each
  /// Keys and values are appended to it, and all it holds are seen; is_causal counts from there. key and value absent: only
  /// what it holds. GraphError if the call is recorded.
  KeyValueCache* cache = nullptr;
};

struct AttentionResult {
  Tensor output, weights;
};

/// query [L, N, E], key [S, N, kdim], value [S, N, vdim] -> [L, N, E]; the batch first with {.batch_first = true}; without
/// the axis N there is none. A query that may see no key has weights of 0, not NaN: its output is out_proj.bias.
/// in_proj_weight [3 E, E] holds the rows for query, key and value (with kdim or vdim: q_proj_weight, k_proj_weight,
/// v_proj_weight) and starts as Glorot and Bengio's uniform numbers, bias_k and bias_v as their normal ones, in_proj_bias
/// and out_proj.bias at 0. Errors: ShapeError, DtypeError naming what does not fit.
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
  Parameter bias_k, bias_v;  ///< [1, 1, E] with add_bias_kv
  Linear out_proj;
  GRADUS_FIELDS(q_proj_weight, k_proj_weight, v_proj_weight, in_proj_weight, in_proj_bias, bias_k, bias_v, out_proj)

 private:
  using Heads = KeyValueCache::Heads;
  /// A call: its heads, what is hidden, and where its first query stands.
  struct Call {
    Tensor q;               // [N, num_heads, L, head_dim]
    Heads kv;               // [N, num_key_value_heads, S, head_dim]
    Tensor allowed, added;  // each broadcasts to [N, num_heads, L, S], or is absent
    bool causal;
    int64_t first;
  };
  void check(const Tensor& query, const Tensor& key, const Tensor& value, const KeyValueCache* cache) const;
  void check_cache(const Call& call, const KeyValueCache& cache) const;
  Call prepared(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks) const;
  Tensor projected(const Tensor& x, int part, int parts) const;
  Tensor turned(const Tensor& heads, int64_t first) const;
  void project(Call& call, const Tensor& query, const Tensor& key, const Tensor& value) const;
  void combine(Call& call, const AttentionMasks& masks, int64_t keys, bool batched) const;
  void append_fixed(Call& call) const;
  std::uint64_t dropout_seed() const;
  Tensor weights_of(const Call& call, std::uint64_t seed) const;
  Tensor attended(const Call& call, std::uint64_t seed) const;
  Tensor joined(const Tensor& heads, bool batched);
};

}  // namespace gradus::nn
