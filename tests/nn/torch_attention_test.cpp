// Attention against PyTorch (tests/vectors/make_nn_vectors.py).
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;
using testing::In;
using testing::Out;

namespace {

using Attention = nn::MultiheadAttention;

Out to_itself(Attention& a, const In& x) { return {a(x[0], x[0], x[0])}; }
Out crossed(Attention& a, const In& x) { return {a(x[0], x[1], x[2])}; }

}  // namespace

TEST_CASE("MultiheadAttention to itself and to others is PyTorch's") {
  check_layer("MultiheadAttention self", Attention{6, 2, {.batch_first = true}}, to_itself);
  check_layer("MultiheadAttention time first", Attention{6, 3}, to_itself);
  check_layer("MultiheadAttention unbatched", Attention{6, 2, {.batch_first = true}}, to_itself);
  check_layer("MultiheadAttention causal", Attention{6, 2, {.batch_first = true}},
              [](Attention& a, const In& x) { return Out{a(x[0], x[0], x[0], {.is_causal = true})}; });
  check_layer("MultiheadAttention cross", Attention{6, 2, {.batch_first = true}}, crossed);
  check_layer("MultiheadAttention no bias", Attention{6, 1, {.bias = false, .batch_first = true}}, crossed);
  check_layer("MultiheadAttention kdim vdim", Attention{6, 2, {.batch_first = true, .kdim = 5, .vdim = 4}}, crossed);
  check_layer("MultiheadAttention time first cross", Attention{6, 2}, crossed);
}

TEST_CASE("MultiheadAttention's masks mean what PyTorch's mean") {
  const nn::MultiheadAttentionOptions o{.batch_first = true};
  check_layer("MultiheadAttention padding", Attention{6, 2, o},
              [](Attention& a, const In& x) { return Out{a(x[0], x[1], x[2], {.key_padding_mask = x[3]})}; });
  const auto hidden = [](Attention& a, const In& x) { return Out{a(x[0], x[1], x[2], {.attn_mask = x[3]})}; };
  check_layer("MultiheadAttention hidden", Attention{6, 2, o}, hidden);
  check_layer("MultiheadAttention hidden for each head", Attention{6, 2, o}, hidden);
  check_layer("MultiheadAttention added", Attention{6, 3, o}, hidden);
  const auto both = [](Attention& a, const In& x) {
    return Out{a(x[0], x[1], x[2], {.key_padding_mask = x[3], .attn_mask = x[4]})};
  };
  check_layer("MultiheadAttention padding and hidden", Attention{6, 2, o}, both);
  check_layer("MultiheadAttention added padding", Attention{6, 2, o}, both);
}

TEST_CASE("MultiheadAttention returns PyTorch's weights, averaged or each head's") {
  const nn::MultiheadAttentionOptions o{.batch_first = true};
  const auto pair = [](const nn::AttentionResult& r) { return Out{r.output, r.weights}; };
  const auto plain = [&](Attention& a, const In& x) { return pair(a.with_weights(x[0], x[1], x[2])); };
  check_layer("MultiheadAttention weights", Attention{6, 2, o}, plain);
  check_layer("MultiheadAttention weights unbatched", Attention{6, 3, o}, plain);
  check_layer("MultiheadAttention weights of each head", Attention{6, 2, o}, [&](Attention& a, const In& x) {
    return pair(a.with_weights(x[0], x[1], x[2], {.key_padding_mask = x[3], .average_attn_weights = false}));
  });
}
