// Transformers against PyTorch (tests/vectors/make_nn_vectors.py, make_nn_configuration_vectors.py).
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;
using testing::In;
using testing::nn_vectors;
using testing::norm_wise;
using testing::Out;

namespace {

/// A PyTorch-made file in f32, and what PyTorch predicted from it.
template <class Module, class Call> void check_file(const std::string& name, Module module, Call call) {
  const std::string path = std::string(GRADUS_SOURCE_DIR) + "/tests/vectors/" + name + ".safetensors";
  module.load(path);
  module.eval();
  CHECK(norm_wise(call(module, nn_vectors().list(name, "in", f32)).array().to(f64), nn_vectors()[name + "|out0"]) <= 1e-6);
  std::set<std::string> theirs, ours;
  for (const auto& [key, array] : load_safetensors(path).tensors) theirs.insert(key);
  for (const auto& [key, array] : module.state_dict()) ours.insert(key);
  CHECK(theirs == ours);
}

}  // namespace

TEST_CASE("TransformerEncoderLayer and TransformerEncoder are PyTorch's") {
  using Layer = nn::TransformerEncoderLayer;
  const nn::TransformerOptions post{.dim_feedforward = 10, .dropout = 0, .batch_first = true};
  nn::TransformerOptions pre = post, gelu = post, bare = post;
  pre.norm_first = true;
  gelu.batch_first = false, gelu.activation = nn::Activation::gelu;
  bare.bias = false, bare.layer_norm_eps = 1e-3;
  check_layer("TransformerEncoderLayer post", Layer{6, 2, post});
  check_layer("TransformerEncoderLayer pre", Layer{6, 2, pre});
  check_layer("TransformerEncoderLayer gelu", Layer{6, 3, gelu});
  check_layer("TransformerEncoderLayer no bias", Layer{6, 1, bare});
  check_layer("TransformerEncoderLayer unbatched", Layer{6, 2, pre});
  check_layer("TransformerEncoderLayer masks", Layer{6, 2, post},
              [](Layer& l, const In& x) { return Out{l(x[0], {.src_key_padding_mask = x[1], .is_causal = true})}; });
  check_layer("TransformerEncoder", nn::TransformerEncoder{Layer{6, 2, post}, 2});
  check_layer("TransformerEncoder norm", nn::TransformerEncoder{Layer{6, 2, pre}, 2, nn::LayerNorm{6}},
              [](nn::TransformerEncoder& e, const In& x) { return Out{e(x[0], {.src_key_padding_mask = x[1]})}; });
}

TEST_CASE("TransformerDecoderLayer and TransformerDecoder are PyTorch's") {
  using Layer = nn::TransformerDecoderLayer;
  const nn::TransformerOptions post{.dim_feedforward = 10, .dropout = 0, .batch_first = true};
  nn::TransformerOptions pre = post, other = post;
  pre.norm_first = true;
  other.batch_first = false, other.activation = nn::Activation::gelu, other.bias = false;
  const auto plain = [](Layer& l, const In& x) { return Out{l(x[0], x[1])}; };
  check_layer("TransformerDecoderLayer post", Layer{6, 2, post}, plain);
  check_layer("TransformerDecoderLayer pre", Layer{6, 2, pre}, plain);
  check_layer("TransformerDecoderLayer time first", Layer{6, 3, other}, plain);
  check_layer("TransformerDecoderLayer masks", Layer{6, 2, post}, [](Layer& l, const In& x) {
    return Out{l(x[0], x[1], {.memory_key_padding_mask = x[2], .tgt_is_causal = true})};
  });
  check_layer("TransformerDecoder", nn::TransformerDecoder{Layer{6, 2, post}, 2, nn::LayerNorm{6}},
              [](nn::TransformerDecoder& d, const In& x) { return Out{d(x[0], x[1])}; });
}

// Differences check the layers; a stack of them is compared only.
TEST_CASE("encoders and decoders are PyTorch's with every mask, option and odd shape") {
  using EncoderLayer = nn::TransformerEncoderLayer;
  using DecoderLayer = nn::TransformerDecoderLayer;
  using Encoder = nn::TransformerEncoder;
  using Decoder = nn::TransformerDecoder;
  const nn::TransformerOptions time{.dim_feedforward = 7, .dropout = 0};
  nn::TransformerOptions gelu = time, post = time;
  gelu.activation = nn::Activation::gelu, post.batch_first = true;
  nn::TransformerOptions pre = post, bare = post, pre_bare = post, eps = post;
  pre.norm_first = true, bare.bias = false, pre_bare.norm_first = true, pre_bare.bias = false, eps.layer_norm_eps = 0.1;
  const auto encode = [](Encoder& e, const In& x) { return Out{e(x[0])}; };
  check_layer("TransformerEncoder time first", Encoder{EncoderLayer{6, 3, gelu}, 2}, encode, false);
  check_layer("TransformerEncoder one layer, no bias", Encoder{EncoderLayer{5, 1, pre_bare}, 1});
  check_layer("TransformerEncoder unbatched", Encoder{EncoderLayer{4, 2, post}, 3, nn::LayerNorm{4, {.eps = 0.2}}}, encode,
              false);
  Array hidden({5, 5}, boolean);  // hides key i + 1 from query i
  for (int64_t i = 0; i < 25; ++i) hidden.uninitialized<bool>()[i] = i % 5 == (i / 5 + 1) % 5;
  check_layer("TransformerEncoder masks", Encoder{EncoderLayer{6, 2, pre}, 2},
              [&](Encoder& e, const In& x) { return Out{e(x[0], {.mask = Tensor(hidden), .src_key_padding_mask = x[1]})}; });
  check_layer(
      "TransformerEncoder causal", Encoder{EncoderLayer{6, 2, time}, 2, nn::LayerNorm{6, {.bias = false}}},
      [](Encoder& e, const In& x) { return Out{e(x[0], {.is_causal = true})}; }, false);

  const auto layer = [](DecoderLayer& l, const In& x) { return Out{l(x[0], x[1])}; };
  check_layer("TransformerDecoderLayer unbatched", DecoderLayer{6, 2, pre}, layer);
  check_layer("TransformerDecoderLayer eps", DecoderLayer{5, 1, eps}, layer);
  check_layer("TransformerDecoderLayer padding", DecoderLayer{6, 3, time},
              [](DecoderLayer& l, const In& x) { return Out{l(x[0], x[1], {.tgt_key_padding_mask = x[2]})}; });
  check_layer("TransformerDecoderLayer added", DecoderLayer{6, 2, pre_bare},
              [](DecoderLayer& l, const In& x) { return Out{l(x[0], x[1], {.memory_mask = x[2]})}; });

  const auto plain = [](Decoder& d, const In& x) { return Out{d(x[0], x[1])}; };
  check_layer("TransformerDecoder time first", Decoder{DecoderLayer{6, 3, gelu}, 2}, plain, false);
  check_layer("TransformerDecoder unbatched", Decoder{DecoderLayer{4, 2, pre}, 3, nn::LayerNorm{4}}, plain, false);
  check_layer("TransformerDecoder one layer, no bias", Decoder{DecoderLayer{5, 1, bare}, 1}, plain);
  check_layer(
      "TransformerDecoder causal", Decoder{DecoderLayer{6, 2, pre}, 2},
      [](Decoder& d, const In& x) { return Out{d(x[0], x[1], {.tgt_is_causal = true})}; }, false);
  check_layer(
      "TransformerDecoder masks", Decoder{DecoderLayer{6, 2, post}, 2},
      [](Decoder& d, const In& x) { return Out{d(x[0], x[1], {.memory_mask = x[2], .memory_key_padding_mask = x[3]})}; },
      false);
}

TEST_CASE("a PyTorch-made file of an encoder or a decoder layer loads and predicts the same") {
  using Encoder = nn::TransformerEncoder;
  const nn::TransformerOptions post{.dim_feedforward = 24, .batch_first = true};
  const nn::TransformerOptions pre{
      .dim_feedforward = 24, .activation = nn::Activation::gelu, .norm_first = true, .batch_first = true};
  const auto encode = [](Encoder& e, const In& x) { return e(x[0]); };
  check_file("nn_encoder_post", Encoder{nn::TransformerEncoderLayer{16, 4, post}, 2}, encode);
  check_file("nn_encoder_pre", Encoder{nn::TransformerEncoderLayer{16, 4, pre}, 2, nn::LayerNorm{16}}, encode);
  check_file("nn_decoder_layer", nn::TransformerDecoderLayer{16, 4, post},
             [](nn::TransformerDecoderLayer& d, const In& x) { return d(x[0], x[1]); });
}
