#include <gradus/nn/layers/transformer.h>

#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

MultiheadAttentionOptions attention_options(const TransformerOptions& o) {
  return {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first};
}
MultiheadAttentionOptions self_attention_options(const TransformerOptions& o) {
  MultiheadAttentionOptions all = attention_options(o);
  all.num_key_value_heads = o.num_key_value_heads, all.positions = o.positions;
  return all;
}
TransformerNorm norm_of(int64_t d_model, const TransformerOptions& o) {
  if (o.rms_norm) return RMSNorm(d_model, {.eps = o.layer_norm_eps});
  return LayerNorm(d_model, {.eps = o.layer_norm_eps, .bias = o.bias});
}
std::optional<Linear> gate_of(int64_t d_model, const TransformerOptions& o) {
  if (o.activation != Activation::swiglu) return {};
  return Linear(d_model, o.dim_feedforward, {.bias = o.bias});
}

/// What is between linear1, and linear3 of swiglu, and linear2 of a layer.
template <class Layer> Tensor activated(Layer& layer, const Tensor& x) {
  const Tensor y = layer.linear1(x);
  switch (layer.options.activation) {
    case Activation::relu: return relu(y);
    case Activation::gelu: return gelu(y);
    case Activation::silu: return silu(y);
    case Activation::swiglu: break;
  }
  return silu(y) * (*layer.linear3)(x);
}

std::string transformer_layer_text(const char* type, const MultiheadAttention& attention, const TransformerOptions& o) {
  const char* activations[] = {"", ", gelu", ", silu", ", swiglu"};
  return join(type, "(", attention.embed_dim, ", ", attention.num_heads, attention.num_heads == 1 ? " head" : " heads",
              ", feedforward ", o.dim_feedforward, activations[static_cast<int>(o.activation)],
              o.rms_norm ? ", rms norm" : "", o.norm_first ? ", norm first" : "", o.batch_first ? ", batch first)" : ")");
}

/// So that the layer that is wrong is the one named: its parts would speak of a query or a last axis.
void check_model_features(const ModuleBase& layer, const char* name, const Tensor& x, int64_t features, bool batch_first) {
  if ((x.rank() == 2 || x.rank() == 3) && x.shape().back() == features) return;
  throw_input(layer, join(name, " must be ", batch_first ? "[N, length, " : "[length, N, ", features, "] or [length, ",
                          features, "], got ", describe(x)));
}

void check_caches(const ModuleBase& module, std::size_t caches, std::size_t layers) {
  if (caches != 0 && caches != layers)
    throw ShapeError(module.description(), join("there are ", caches, " caches and ", layers,
                                                layers == 1 ? " layer" : " layers", "; each has its own"));
}

template <class Layer> std::vector<Layer> copies(const char* type, const Layer& layer, int64_t count) {
  check_positive(type, "num_layers", count);
  return std::vector<Layer>(static_cast<std::size_t>(count), layer);
}

}  // namespace

TransformerNorm::TransformerNorm(const LayerNorm& norm)
    : normalized_shape(norm.normalized_shape), eps(norm.options.eps), rms(false), weight(norm.weight), bias(norm.bias) {}
TransformerNorm::TransformerNorm(const RMSNorm& norm)
    : normalized_shape(norm.normalized_shape), eps(norm.options.eps), rms(true), weight(norm.weight) {}

Tensor TransformerNorm::forward(const Tensor& x) {
  if (weight.defined()) check_dtype(*this, x, weight.dtype());
  if (!rms) return layer_norm(x, normalized_shape, weight, bias, *eps);
  return rms_norm(x, normalized_shape, weight, eps.value_or(x.dtype() == f32 ? 0x1p-23 : 0x1p-52));
}

std::string TransformerNorm::description() const {
  return join(rms ? "RMSNorm(" : "LayerNorm(", normalized_shape.back(), ")");
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead, TransformerOptions o)
    : options(o),
      self_attn(d_model, nhead, self_attention_options(o)),
      linear1(d_model, o.dim_feedforward, {.bias = o.bias}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias}),
      norm1(norm_of(d_model, o)),
      norm2(norm_of(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      linear3(gate_of(d_model, o)) {}

Tensor TransformerEncoderLayer::attended(const Tensor& x, const EncoderLayerMasks& masks) {
  return dropout1(self_attn(x, x, x,
                            {.key_padding_mask = masks.src_key_padding_mask,
                             .attn_mask = masks.src_mask,
                             .is_causal = masks.is_causal,
                             .cache = masks.cache}));
}

Tensor TransformerEncoderLayer::fed_forward(const Tensor& x) { return dropout2(linear2(dropout(activated(*this, x)))); }

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
                                       std::optional<TransformerNorm> last)
    : layers(copies("TransformerEncoder", layer, num_layers)), norm(std::move(last)) {}

Tensor TransformerEncoder::forward(const Tensor& src, const EncoderMasks& masks) {
  check_caches(*this, masks.caches.size(), layers.size());
  Tensor x = src;
  for (std::size_t i = 0; i < layers.size(); ++i)
    x = layers[i](x, {.src_mask = masks.mask,
                      .src_key_padding_mask = masks.src_key_padding_mask,
                      .is_causal = masks.is_causal,
                      .cache = masks.caches.empty() ? nullptr : &masks.caches[i]});
  return norm ? (*norm)(x) : x;
}

std::string TransformerEncoder::description() const { return join("TransformerEncoder(", layers.size(), " layers)"); }

TransformerDecoderLayer::TransformerDecoderLayer(int64_t d_model, int64_t nhead, TransformerOptions o)
    : options(o),
      self_attn(d_model, nhead, self_attention_options(o)),
      multihead_attn(d_model, nhead, attention_options(o)),
      linear1(d_model, o.dim_feedforward, {.bias = o.bias}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias}),
      linear3(gate_of(d_model, o)),
      norm1(norm_of(d_model, o)),
      norm2(norm_of(d_model, o)),
      norm3(norm_of(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout) {}

Tensor TransformerDecoderLayer::attended(const Tensor& x, const DecoderMasks& masks) {
  return dropout1(self_attn(x, x, x,
                            {.key_padding_mask = masks.tgt_key_padding_mask,
                             .attn_mask = masks.tgt_mask,
                             .is_causal = masks.tgt_is_causal,
                             .cache = masks.caches.empty() ? nullptr : &masks.caches[0].self_attn}));
}

Tensor TransformerDecoderLayer::attended_to(const Tensor& memory, const Tensor& x, const DecoderMasks& masks) {
  KeyValueCache* const cache = masks.caches.empty() ? nullptr : &masks.caches[0].multihead_attn;
  const Tensor seen = cache && cache->length() > 0 ? Tensor() : memory;
  return dropout2(multihead_attn(x, seen, seen,
                                 {.key_padding_mask = masks.memory_key_padding_mask,
                                  .attn_mask = masks.memory_mask,
                                  .is_causal = masks.memory_is_causal,
                                  .cache = cache}));
}

Tensor TransformerDecoderLayer::fed_forward(const Tensor& x) { return dropout3(linear2(dropout(activated(*this, x)))); }

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  check_model_features(*this, "tgt", tgt, self_attn.embed_dim, options.batch_first);
  check_model_features(*this, "memory", memory, self_attn.embed_dim, options.batch_first);
  check_caches(*this, masks.caches.size(), 1);
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
                                       std::optional<TransformerNorm> last)
    : layers(copies("TransformerDecoder", layer, num_layers)), norm(std::move(last)) {}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  check_caches(*this, masks.caches.size(), layers.size());
  Tensor x = tgt;
  DecoderMasks each = masks;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!masks.caches.empty()) each.caches = masks.caches.subspan(i, 1);
    x = layers[i](x, memory, each);
  }
  return norm ? (*norm)(x) : x;
}

std::string TransformerDecoder::description() const { return join("TransformerDecoder(", layers.size(), " layers)"); }

}  // namespace gradus::nn
