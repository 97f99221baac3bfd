// The forms in which somebody who knows PyTorch writes recurrent layers, attention, transformers and losses.
#include <doctest/doctest.h>

#include <gradus/gradus.h>

using namespace gradus;

TEST_CASE("layers and losses are called as PyTorch's, with options by name") {
  manual_seed(1);
  const Tensor x = randn({3, 5, 10});
  nn::LSTM lstm{10, 20, {.num_layers = 2, .bidirectional = true, .batch_first = true}};
  auto [y, state] = lstm(x);
  CHECK(y.shape() == Shape{3, 5, 40});
  CHECK(state.h.shape() == Shape{4, 3, 20});
  CHECK(state.c.shape() == Shape{4, 3, 20});
  const Tensor lengths(Array::of<int64_t>({3}, {5, 2, 4}));
  auto [y2, next] = lstm(x, state, {.lengths = lengths});
  CHECK(sum(abs(slice(select(y2, 0, 1), 0, 2, 5))).item() == 0);

  nn::GRU gru{10, 20, {.batch_first = true}};
  auto [z, h] = gru(x);
  CHECK(z.shape() == Shape{3, 5, 20});
  CHECK(h.shape() == Shape{1, 3, 20});
  nn::RNN rnn{10, 20, {.nonlinearity = "relu", .batch_first = true}};
  CHECK(rnn(x).y.shape() == Shape{3, 5, 20});

  nn::MultiheadAttention attention{64, 8, {.dropout = 0.1, .batch_first = true}};
  const Tensor q = randn({2, 5, 64}),
               mask(Array::of<bool>({2, 5}, {false, false, false, false, true, false, false, false, true, true}));
  const Tensor seen = attention(q, q, q, {.key_padding_mask = mask, .is_causal = true});
  CHECK(seen.shape() == q.shape());
  CHECK(attention.with_weights(q, q, q).weights.shape() == Shape{2, 5, 5});

  nn::TransformerEncoderLayer layer{64, 8, {.dim_feedforward = 128, .norm_first = true, .batch_first = true}};
  nn::TransformerEncoder encoder{layer, 3};
  CHECK(encoder(q).shape() == q.shape());
  CHECK(encoder.named_parameters()[0].first == "layers.0.self_attn.in_proj_weight");
  nn::LayerNorm norm{64};
  CHECK(norm(q).shape() == q.shape());

  const Tensor log_probs = log_softmax(randn({6, 2, 4}), 2);
  const Tensor loss =
      ctc_loss(log_probs, Tensor(Array::of<int64_t>({2, 2}, {1, 2, 3, 3})), Tensor(Array::of<int64_t>({2}, {6, 5})),
               Tensor(Array::of<int64_t>({2}, {2, 2})), {.blank = 0, .zero_infinity = true});
  CHECK(loss.item() > 0);
  const Tensor logits = randn({4, 3}), labels(Array::of<int64_t>({4}, {0, 2, -100, 1})), w = ones({3});
  CHECK(cross_entropy(logits, labels, {.weight = w, .ignore_index = -100, .label_smoothing = 0.1}).item() > 0);
}
