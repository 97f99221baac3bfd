#include <gradus/nn/layers/transformer.h>

#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

MultiheadAttentionOptions attention_options(const TransformerOptions& o) {
  return {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first};
}
LayerNormOptions norm_options(const TransformerOptions& o) { return {.eps = o.layer_norm_eps, .bias = o.bias}; }

Tensor activated(Activation activation, const Tensor& x) { return activation == Activation::relu ? relu(x) : gelu(x); }

std::string transformer_layer_text(const char* type, const MultiheadAttention& attention, const TransformerOptions& o) {
  return join(type, "(", attention.embed_dim, ", ", attention.num_heads, attention.num_heads == 1 ? " head" : " heads",
              ", feedforward ", o.dim_feedforward, o.activation == Activation::gelu ? ", gelu" : "",
              o.norm_first ? ", norm first" : "", o.batch_first ? ", batch first)" : ")");
}

/// So that the layer that is wrong is the one named: its parts would speak of a query or a last axis.
void check_model_features(const ModuleBase& layer, const char* name, const Tensor& x, int64_t features, bool batch_first) {
  if ((x.rank() == 2 || x.rank() == 3) && x.shape().back() == features) return;
  throw_input(layer, join(name, " must be ", batch_first ? "[N, length, " : "[length, N, ", features, "] or [length, ",
                          features, "], got ", describe(x)));
}

template <class Layer> std::vector<Layer> copies(const char* type, const Layer& layer, int64_t count) {
  check_positive(type, "num_layers", count);
  return std::vector<Layer>(static_cast<std::size_t>(count), layer);
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead, TransformerOptions o)
    : options(o),
      self_attn(d_model, nhead, attention_options(o)),
      linear1(d_model, o.dim_feedforward, {.bias = o.bias}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias}),
      norm1(d_model, norm_options(o)),
      norm2(d_model, norm_options(o)),
      dropout1(o.dropout),
      dropout2(o.dropout) {}

Tensor TransformerEncoderLayer::attended(const Tensor& x, const EncoderLayerMasks& masks) {
  return dropout1(self_attn(
      x, x, x, {.key_padding_mask = masks.src_key_padding_mask, .attn_mask = masks.src_mask, .is_causal = masks.is_causal}));
}

Tensor TransformerEncoderLayer::fed_forward(const Tensor& x) {
  return dropout2(linear2(dropout(activated(options.activation, linear1(x)))));
}

Tensor TransformerEncoderLayer::forward(const Tensor& src, const EncoderLayerMasks& masks) {
  check_model_features(*this, "src", src, self_attn.embed_dim, options.batch_first);
  if (!options.norm_first) {
    const Tensor x = norm1(src + attended(src, masks));
    return norm2(x + fed_forward(x));
  }
  const Tensor x = src + attended(norm1(src), masks);
  return x + fed_forward(norm2(x));
}

std::string TransformerEncoderLayer::description() const {
  return transformer_layer_text("TransformerEncoderLayer", self_attn, options);
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> last)
    : layers(copies("TransformerEncoder", layer, num_layers)), norm(std::move(last)) {}

Tensor TransformerEncoder::forward(const Tensor& src, const EncoderMasks& masks) {
  Tensor x = src;
  for (TransformerEncoderLayer& layer : layers)
    x = layer(x, {.src_mask = masks.mask, .src_key_padding_mask = masks.src_key_padding_mask, .is_causal = masks.is_causal});
  return norm ? (*norm)(x) : x;
}

std::string TransformerEncoder::description() const { return join("TransformerEncoder(", layers.size(), " layers)"); }

TransformerDecoderLayer::TransformerDecoderLayer(int64_t d_model, int64_t nhead, TransformerOptions o)
    : options(o),
      self_attn(d_model, nhead, attention_options(o)),
      multihead_attn(d_model, nhead, attention_options(o)),
      linear1(d_model, o.dim_feedforward, {.bias = o.bias}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias}),
      norm1(d_model, norm_options(o)),
      norm2(d_model, norm_options(o)),
      norm3(d_model, norm_options(o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout) {}

Tensor TransformerDecoderLayer::attended(const Tensor& x, const DecoderMasks& masks) {
  return dropout1(self_attn(
      x, x, x,
      {.key_padding_mask = masks.tgt_key_padding_mask, .attn_mask = masks.tgt_mask, .is_causal = masks.tgt_is_causal}));
}

Tensor TransformerDecoderLayer::attended_to(const Tensor& memory, const Tensor& x, const DecoderMasks& masks) {
  return dropout2(multihead_attn(x, memory, memory,
                                 {.key_padding_mask = masks.memory_key_padding_mask,
                                  .attn_mask = masks.memory_mask,
                                  .is_causal = masks.memory_is_causal}));
}

Tensor TransformerDecoderLayer::fed_forward(const Tensor& x) {
  return dropout3(linear2(dropout(activated(options.activation, linear1(x)))));
}

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  check_model_features(*this, "tgt", tgt, self_attn.embed_dim, options.batch_first);
  check_model_features(*this, "memory", memory, self_attn.embed_dim, options.batch_first);
  if (!options.norm_first) {
    Tensor x = norm1(tgt + attended(tgt, masks));
    x = norm2(x + attended_to(memory, x, masks));
    return norm3(x + fed_forward(x));
  }
  Tensor x = tgt + attended(norm1(tgt), masks);
  x = x + attended_to(memory, norm2(x), masks);
  return x + fed_forward(norm3(x));
}

std::string TransformerDecoderLayer::description() const {
  return transformer_layer_text("TransformerDecoderLayer", self_attn, options);
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> last)
    : layers(copies("TransformerDecoder", layer, num_layers)), norm(std::move(last)) {}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  Tensor x = tgt;
  for (TransformerDecoderLayer& layer : layers) x = layer(x, memory, masks);
  return norm ? (*norm)(x) : x;
}

std::string TransformerDecoder::description() const { return join("TransformerDecoder(", layers.size(), " layers)"); }

}  // namespace gradus::nn
