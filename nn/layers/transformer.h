// Transformers: Vaswani et al., "Attention is all you need", 2017; with the norm first: Xiong et al., "On layer
// normalization in the transformer architecture", 2020; SwiGLU: Shazeer, "GLU variants improve transformer", 2020.
#pragma once

#include <gradus/nn/layers/activation.h>
#include <gradus/nn/layers/attention.h>
#include <gradus/nn/layers/norm.h>

#include <optional>
#include <span>

namespace gradus::nn {

/// Of the feed-forward part. swiglu: linear2(silu(linear1(x)) * linear3(x)), equation 6 of Shazeer.
enum class Activation { relu, gelu, silu, swiglu };

struct TransformerOptions {
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  double layer_norm_eps = 1e-5;
  bool norm_first = false;   ///< x + f(norm(x)) instead of norm(x + f(x))
  bool batch_first = false;  ///< [N, L, E] instead of [L, N, E]
  bool bias = true;
  bool rms_norm = false;                                    ///< RMSNorm instead of LayerNorm
  int64_t num_key_value_heads = 0;                          ///< of the self-attention, see MultiheadAttentionOptions
  AttentionPositions positions = AttentionPositions::none;  ///< of the self-attention
};

/// A LayerNorm or an RMSNorm, by whichever a layer was asked for.
class TransformerNorm : public Module<TransformerNorm> {
 public:
  TransformerNorm(const LayerNorm& norm);
  TransformerNorm(const RMSNorm& norm);
  Tensor forward(const Tensor& x);
  std::string description() const override;

  Shape normalized_shape;
  std::optional<double> eps;
  bool rms;
  Parameter weight, bias;  ///< RMSNorm has no bias
  GRADUS_FIELDS(weight, bias)
};

/// The masks of a layer of an encoder; true in a bool mask hides, see AttentionMasks.
struct EncoderLayerMasks {
  Tensor src_mask = {}, src_key_padding_mask = {};
  bool is_causal = false;
  KeyValueCache* cache = nullptr;  ///< see AttentionMasks
};

/// Self-attention and two linear layers with an activation between, each with dropout, a sum with its input and a LayerNorm.
/// src [L, N, d_model] (see batch_first), or [L, d_model] -> the same shape. Parameters are named as PyTorch's.
class TransformerEncoderLayer : public Module<TransformerEncoderLayer> {
 public:
  TransformerEncoderLayer(int64_t d_model, int64_t nhead, TransformerOptions options = {});
  Tensor operator()(const Tensor& src, const EncoderLayerMasks& masks = {}) { return Module::operator()(src, masks); }
  Tensor forward(const Tensor& src, const EncoderLayerMasks& masks = {});
  std::string description() const override;

  TransformerOptions options;
  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  TransformerNorm norm1, norm2;
  Dropout dropout1, dropout2;
  std::optional<Linear> linear3;  ///< of swiglu
  GRADUS_FIELDS(self_attn, linear1, dropout, linear2, norm1, norm2, dropout1, dropout2, linear3)

 private:
  Tensor attended(const Tensor& x, const EncoderLayerMasks& masks);
  Tensor fed_forward(const Tensor& x);
};

struct EncoderMasks {
  Tensor mask = {}, src_key_padding_mask = {};
  bool is_causal = false;
  std::span<KeyValueCache> caches = {};  ///< one for each layer: std::vector<nn::KeyValueCache> caches(net.layers.size())
};

/// Copies of a layer, one after the other, and a last LayerNorm or RMSNorm if given. Parameters:
/// "layers.0.self_attn.in_proj_weight", ..., "norm.weight". With {.is_causal = true} and caches it is a GPT: each call is
/// given the tokens that follow, and costs what they cost.
class TransformerEncoder : public Module<TransformerEncoder> {
 public:
  TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers, std::optional<TransformerNorm> norm = {});
  Tensor operator()(const Tensor& src, const EncoderMasks& masks = {}) { return Module::operator()(src, masks); }
  Tensor forward(const Tensor& src, const EncoderMasks& masks = {});
  std::string description() const override;

  std::vector<TransformerEncoderLayer> layers;
  std::optional<TransformerNorm> norm;
  GRADUS_FIELDS(layers, norm)
};

/// What a layer of a decoder has seen: of tgt, and of memory, which is read in the first call only.
struct DecoderLayerCache {
  KeyValueCache self_attn, multihead_attn;
};

/// The masks of a decoder and of its layers; true in a bool mask hides, see AttentionMasks.
struct DecoderMasks {
  Tensor tgt_mask = {}, memory_mask = {}, tgt_key_padding_mask = {}, memory_key_padding_mask = {};
  bool tgt_is_causal = false, memory_is_causal = false;
  std::span<DecoderLayerCache> caches = {};  ///< one for each layer
};

/// Self-attention, attention to `memory`, and two linear layers. tgt [L, N, d_model], memory [S, N, d_model] (see
/// batch_first), or both without N -> the shape of tgt.
class TransformerDecoderLayer : public Module<TransformerDecoderLayer> {
 public:
  TransformerDecoderLayer(int64_t d_model, int64_t nhead, TransformerOptions options = {});
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) {
    return Module::operator()(tgt, memory, masks);
  }
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {});
  std::string description() const override;

  TransformerOptions options;
  MultiheadAttention self_attn, multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  std::optional<Linear> linear3;  ///< of swiglu
  TransformerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;
  GRADUS_FIELDS(self_attn, multihead_attn, linear1, dropout, linear2, norm1, norm2, norm3, dropout1, dropout2, dropout3,
                linear3)

 private:
  Tensor attended(const Tensor& x, const DecoderMasks& masks);
  Tensor attended_to(const Tensor& memory, const Tensor& x, const DecoderMasks& masks);
  Tensor fed_forward(const Tensor& x);
};

class TransformerDecoder : public Module<TransformerDecoder> {
 public:
  TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers, std::optional<TransformerNorm> norm = {});
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) {
    return Module::operator()(tgt, memory, masks);
  }
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {});
  std::string description() const override;

  std::vector<TransformerDecoderLayer> layers;
  std::optional<TransformerNorm> norm;
  GRADUS_FIELDS(layers, norm)
};

}  // namespace gradus::nn
