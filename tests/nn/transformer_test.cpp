#include <gradus/nn/nn.h>

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

#include <set>

using namespace gradus;
using testing::contains;
using testing::distance;
using testing::message_of;
using testing::same_bits;

namespace {

Tensor values(const Shape& shape, std::uint64_t seed, Dtype dtype = f64) { return normal(shape, 0, 1, {seed, 0}, dtype); }

const nn::TransformerOptions small{.dim_feedforward = 8, .dropout = 0.2, .batch_first = true};

std::vector<std::string> state_names(nn::ModuleBase& m) {
  std::vector<std::string> names;
  for (const auto& [name, array] : m.state_dict()) names.push_back(name);
  return names;
}

struct ListHolder : nn::Module<ListHolder> {
  nn::ModuleList blocks{nn::Linear{2, 3}, nn::Tanh{}};
  GRADUS_FIELDS(blocks)
  Tensor forward(const Tensor& x) { return blocks.get<nn::Tanh>(1)(blocks.get<nn::Linear>(0)(x)); }
};

}  // namespace

TEST_CASE("states of transformers list PyTorch's names in PyTorch's order") {
  nn::TransformerEncoder encoder{nn::TransformerEncoderLayer{4, 2, small}, 2, nn::LayerNorm{4}};
  const std::vector<std::string> names = state_names(encoder);
  REQUIRE(names.size() == 26);
  const std::vector<std::string> first(names.begin(), names.begin() + 13);
  CHECK(first == std::vector<std::string>{"layers.0.self_attn.in_proj_weight", "layers.0.self_attn.in_proj_bias",
                                          "layers.0.self_attn.out_proj.weight", "layers.0.self_attn.out_proj.bias",
                                          "layers.0.linear1.weight", "layers.0.linear1.bias", "layers.0.linear2.weight",
                                          "layers.0.linear2.bias", "layers.0.norm1.weight", "layers.0.norm1.bias",
                                          "layers.0.norm2.weight", "layers.0.norm2.bias",
                                          "layers.1.self_attn.in_proj_weight"});
  CHECK(names.back() == "norm.bias");
  nn::TransformerDecoderLayer decoder{4, 2, small};
  const std::vector<std::string> theirs = state_names(decoder);
  CHECK(std::count(theirs.begin(), theirs.end(), "multihead_attn.in_proj_weight") == 1);
  CHECK(std::count(theirs.begin(), theirs.end(), "norm3.bias") == 1);
  nn::TransformerOptions bare = small;
  bare.bias = false;
  nn::TransformerEncoderLayer without{4, 2, bare};
  for (const std::string& name : state_names(without)) CHECK_FALSE(contains(name, "bias"));
}

TEST_CASE("the layers of an encoder are copies, and so is a copied encoder") {
  manual_seed(1);
  const nn::TransformerEncoderLayer layer{4, 2, small};
  nn::TransformerEncoder a{layer, 3};
  CHECK(same_bits(a.layers[0].linear1.weight.array(), a.layers[2].linear1.weight.array()));
  CHECK(a.layers[0].linear1.weight.tensor().node() != a.layers[2].linear1.weight.tensor().node());
  nn::TransformerEncoder b = a;
  b.eval();
  CHECK_FALSE(b.layers[1].self_attn.training());
  CHECK(a.layers[1].self_attn.training());
  nn::init::zeros_(b.layers[0].linear1.weight);
  CHECK(max(abs(a.layers[0].linear1.weight)).item() > 0);
  CHECK_FALSE(a.norm.has_value());
  CHECK(a.description() == "TransformerEncoder(3 layers)");
  CHECK(a.layers[0].description() == "TransformerEncoderLayer(4, 2 heads, feedforward 8, batch first)");
  CHECK(contains(a.summary(Shape{2, 5, 4}), "layers.2.self_attn.out_proj"));
}

TEST_CASE("gradients of transformer layers are right with dropout in training, and without in eval mode") {
  manual_seed(2);
  nn::TransformerOptions first = small;
  first.norm_first = true, first.activation = nn::Activation::gelu;
  for (const nn::TransformerOptions& o : {small, first}) {
    nn::TransformerDecoderLayer layer{4, 2, o};
    layer.to(f64);
    const Tensor x = leaf(values({1, 3, 4}, 3).array()), memory = leaf(values({1, 2, 4}, 4).array());
    std::vector<Tensor> leaves = layer.parameters();
    leaves.push_back(x), leaves.push_back(memory);
    for (const bool training : {true, false}) {
      layer.train(training);
      const auto call = [&] {
        manual_seed(5);
        return layer(x, memory, {.tgt_is_causal = true});
      };
      const GradcheckReport report = gradcheck(call, leaves, {.may_be_zero = true});
      CHECK_MESSAGE(report.passed, report.message);
    }
  }
}

TEST_CASE("a transformer says which part does not fit, with its path") {
  nn::TransformerEncoder encoder{nn::TransformerEncoderLayer{4, 2, small}, 2};
  CHECK(message_of<ShapeError>([&] {
          encoder(zeros({2, 5, 6}));
        }) ==
        "TransformerEncoderLayer(4, 2 heads, feedforward 8, batch first): src must be [N, length, 4] or [length, 4], got "
        "f32[2,5,6] [in module \"layers.0\"]");
  CHECK(message_of<ShapeError>([&] {
          encoder(zeros({2, 5, 4}), {.src_key_padding_mask = zeros({5, 2}, boolean)});
        }) ==
        "MultiheadAttention(4, 2 heads, batch first): key_padding_mask must be [2,5], one for each key of each sample, got "
        "bool[5,2] [in module \"layers.0.self_attn\"]");
  nn::TransformerDecoderLayer decoder{4, 2, small};
  CHECK(message_of<ShapeError>([&] {
          decoder(zeros({2, 5, 4}), zeros({2, 3, 5}));
        }) ==
        "TransformerDecoderLayer(4, 2 heads, feedforward 8, batch first): memory must be [N, length, 4] or [length, 4], got "
        "f32[2,3,5]");
  CHECK(contains(message_of<ShapeError>([&] {
                   decoder(zeros({2, 5, 4}), zeros({3, 3, 4}));
                 }),
                 "[in module \"multihead_attn\"]"));
  CHECK(message_of<ShapeError>([] {
          nn::TransformerEncoder(nn::TransformerEncoderLayer{4, 2, small}, 0);
        }) == "TransformerEncoder: num_layers must be at least 1, got 0");
  CHECK(message_of<ShapeError>([] { nn::TransformerEncoderLayer(5, 2); }) ==
        "MultiheadAttention: embed_dim 5 does not divide into 2 heads; it does into 1, 5");
  NamedArrays state = encoder.state_dict();
  state[0].first = "layers.0.self_attn.in_proj_wieght";
  CHECK(contains(message_of<ModuleError>([&] { encoder.load_state_dict(state); }),
                 "did you mean \"layers.0.self_attn.in_proj_weight\"?"));
}

TEST_CASE("a ModuleList names what it owns, copies it, and says what is not there") {
  ListHolder h;
  CHECK(state_names(h) == std::vector<std::string>{"blocks.0.weight", "blocks.0.bias"});
  CHECK(h(ones({1, 2})).shape() == Shape{1, 3});
  ListHolder copy = h;
  nn::init::zeros_(copy.blocks.get<nn::Linear>(0).weight);
  CHECK(max(abs(h.blocks.get<nn::Linear>(0).weight)).item() > 0);
  const Node* known = copy.blocks.get<nn::Linear>(0).weight.tensor().node();
  copy = h;  // in place: an optimizer that knows the parameters still does
  CHECK(copy.blocks.get<nn::Linear>(0).weight.tensor().node() == known);
  CHECK(same_bits(copy(ones({1, 2})).array(), h(ones({1, 2})).array()));
  nn::ModuleList list;
  CHECK(list.empty());
  list.push_back(nn::LayerNorm{3});
  CHECK(list.size() == 1);
  CHECK(list[0].type_name() == "LayerNorm");
  CHECK(message_of<IndexError>([&] { list[1]; }) == "ModuleList: module 1 was asked for; there are 1, the first is 0");
  CHECK(message_of<ModuleError>([&] { list.get<nn::Linear>(0); }) ==
        "ModuleList: module 0 is LayerNorm(3), another type was asked for");
}
