// Shared heads, fixed keys, positions and the newer transformer layers against PyTorch
// (tests/vectors/make_attention_vectors.py, make_nn_configuration_vectors.py).
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_case;
using testing::check_layer;
using testing::In;
using testing::Out;

namespace {

using Attention = nn::MultiheadAttention;
using Positions = nn::AttentionPositions;

Out itself(Attention& a, const In& x) { return {a(x[0], x[0], x[0])}; }
Out causal(Attention& a, const In& x) { return {a(x[0], x[0], x[0], {.is_causal = true})}; }
Out crossed(Attention& a, const In& x) { return {a(x[0], x[1], x[1])}; }
Out padded(Attention& a, const In& x) { return {a(x[0], x[0], x[0], {.key_padding_mask = x[1]})}; }

void check_function(const std::string& name, const AttentionOptions& o) {
  check_case("sdpa " + name, nullptr, [o](const In& x) -> Out {
    AttentionOptions with = o;
    if (x.size() > 3) with.mask = x[3];
    return {scaled_dot_product_attention(x[0], x[1], x[2], with)};
  });
}

}  // namespace

TEST_CASE("scaled_dot_product_attention with shared heads, offsets, blocks and broadcast axes is PyTorch's") {
  check_function("gqa", {.enable_gqa = true});
  check_function("gqa masked", {.enable_gqa = true});
  check_function("gqa one head", {.enable_gqa = true});
  check_function("lower right", {.causal = true, .causal_offset = 4});
  check_function("more queries than keys", {.causal = true});
  check_function("several blocks", {.causal = true});
  check_function("added for each sample", {});
  check_function("scale", {.scale = 0.7});
  check_function("shared keys", {});
}

TEST_CASE("MultiheadAttention with learned and zero keys behind the others is PyTorch's") {
  const auto with = [](nn::MultiheadAttentionOptions o) {
    o.batch_first = true;
    return o;
  };
  const auto three = [](Attention& a, const In& x) { return Out{a(x[0], x[1], x[2])}; };
  check_layer("MultiheadAttention bias_kv", Attention{6, 2, with({.add_bias_kv = true})}, three);
  check_layer("MultiheadAttention zero_attn", Attention{6, 2, with({.add_zero_attn = true})}, three);
  check_layer("MultiheadAttention bias_kv and zero_attn, weights",
              Attention{6, 2, with({.add_bias_kv = true, .add_zero_attn = true})}, [](Attention& a, const In& x) {
                const nn::AttentionResult r = a.with_weights(x[0], x[1], x[2], {.key_padding_mask = x[3]});
                return Out{r.output, r.weights};
              });
  check_layer("MultiheadAttention bias_kv time first", Attention{6, 3, {.add_bias_kv = true}}, three);
  check_layer("MultiheadAttention bias_kv causal", Attention{6, 2, with({.add_bias_kv = true})},
              [](Attention& a, const In& x) { return Out{a(x[0], x[1], x[2], {.is_causal = true})}; });
  check_layer("MultiheadAttention bias_kv added, kdim", Attention{6, 2, with({.kdim = 5, .add_bias_kv = true})},
              [](Attention& a, const In& x) { return Out{a(x[0], x[1], x[2], {.attn_mask = x[3]})}; });
}

TEST_CASE("rotary and ALiBi positions are those of their papers") {
  const auto attention = [](int64_t heads, Positions p, int64_t few = 0, bool bias = true, double base = 10000) {
    return Attention{
        12, heads, {.bias = bias, .batch_first = true, .num_key_value_heads = few, .positions = p, .rotary_base = base}};
  };
  check_case("rotary_embedding", nullptr, [](const In& x) { return Out{rotary_embedding(x[0], 3, 100)}; });
  check_layer("rotary", attention(2, Positions::rotary), itself);
  check_layer("rotary time first", Attention{12, 3, {.positions = Positions::rotary}}, itself);
  check_layer("rotary cross", attention(6, Positions::rotary), crossed);
  check_layer("rotary shared", attention(3, Positions::rotary, 1, false), causal);
  check_layer("rotary base", attention(2, Positions::rotary, 0, true, 50), padded);
  check_layer("rotary unbatched", attention(1, Positions::rotary), itself);
  check_layer("alibi", attention(4, Positions::alibi), causal);
  check_layer("alibi of three heads", attention(3, Positions::alibi), itself);
  check_layer("alibi of six heads", attention(6, Positions::alibi, 2), causal);
  check_layer("alibi cross", attention(2, Positions::alibi), crossed);
  check_layer("alibi padding", attention(2, Positions::alibi), padded);
  check_layer("alibi one head", attention(1, Positions::alibi, 0, false), itself);
}

TEST_CASE("transformer layers with SwiGLU, SiLU, RMSNorm and positions are those that PyTorch's functions make") {
  using Encoder = nn::TransformerEncoderLayer;
  using Decoder = nn::TransformerDecoderLayer;
  using nn::Activation;
  const auto options = [](int64_t hidden, Activation a, nn::TransformerOptions o = {}) {
    o.dim_feedforward = hidden, o.dropout = 0, o.activation = a, o.batch_first = true;
    return o;
  };
  const nn::TransformerOptions pre{.norm_first = true}, bare{.norm_first = true, .bias = false}, rms{.rms_norm = true};
  nn::TransformerOptions llama{.norm_first = true, .bias = false, .rms_norm = true, .positions = Positions::rotary};
  const auto causally = [](Encoder& e, const In& x) { return Out{e(x[0], {.is_causal = true})}; };
  llama.num_key_value_heads = 2;
  check_layer("encoder llama", Encoder{8, 4, options(5, Activation::swiglu, llama)}, causally);
  check_layer("encoder swiglu post", Encoder{8, 2, options(5, Activation::swiglu)});
  check_layer("encoder silu", Encoder{8, 2, options(7, Activation::silu, pre)});
  check_layer("encoder rms post", Encoder{8, 1, options(3, Activation::gelu, rms)});
  check_layer("encoder alibi",
              Encoder{8, 2, options(5, Activation::relu, {.norm_first = true, .positions = Positions::alibi})}, causally);
  check_layer("encoder swiglu no bias", Encoder{8, 2, options(1, Activation::swiglu, bare)});
  const auto plain = [](Decoder& d, const In& x) { return Out{d(x[0], x[1])}; };
  check_layer("decoder swiglu", Decoder{8, 2, options(5, Activation::swiglu, pre)}, plain);
  llama.num_key_value_heads = 1;
  check_layer("decoder llama", Decoder{8, 4, options(5, Activation::swiglu, llama)},
              [](Decoder& d, const In& x) { return Out{d(x[0], x[1], {.tgt_is_causal = true})}; });
  check_layer("decoder rms post", Decoder{8, 2, options(5, Activation::silu, rms)}, plain);
}

TEST_CASE("PositionalEncoding and PositionalEmbedding are those of their papers, from a position on") {
  const std::pair<const char*, std::pair<int64_t, int64_t>> cases[] = {{" batch", {6, 0}},     {" one", {2, 0}},
                                                                       {" unbatched", {4, 0}}, {" later", {6, 8}},
                                                                       {" last", {4, 6}},      {" no rows", {4, 1}}};
  const nn::PositionalEncodingOptions o{.dropout = 0, .max_len = 11, .batch_first = true};
  for (const auto& [label, sizes] : cases) {
    const auto& [features, first] = sizes;
    const auto from = [at = first](auto& l, const In& x) { return Out{l(x[0], at)}; };
    const bool elements = std::string(label) != " no rows";
    check_layer(std::string("PositionalEncoding") + label, nn::PositionalEncoding{features, o}, from, elements);
    check_layer(std::string("PositionalEmbedding") + label, nn::PositionalEmbedding{features, o}, from, elements);
  }
}
