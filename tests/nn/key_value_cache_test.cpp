// Generating token by token with a cache against the full pass; and what positions mean there.
#include <gradus/nn/nn.h>

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::distance;
using testing::message_of;
using testing::same_bits;
using Positions = nn::AttentionPositions;

namespace {

Tensor values(const Shape& shape, std::uint64_t seed, Dtype dtype = f32) { return normal(shape, 0, 1, {seed, 0}, dtype); }

struct Gpt : nn::Module<Gpt> {
  nn::Parameter tokens{randn({29, 32})};
  nn::PositionalEmbedding positions{32, {.dropout = 0, .max_len = 256, .batch_first = true}};
  nn::TransformerEncoder blocks;
  nn::Linear head{32, 29};
  GRADUS_FIELDS(tokens, positions, blocks, head)

  explicit Gpt(const nn::TransformerOptions& o) : blocks{nn::TransformerEncoderLayer{32, 4, o}, 2, nn::LayerNorm{32}} {}
  Tensor forward(const Tensor& index, std::vector<nn::KeyValueCache>& caches) {
    const int64_t first = caches.empty() ? 0 : caches[0].length();
    const Tensor x = reshape(embedding(tokens, reshape(index, {index.size()})), {index.dim(0), index.dim(1), 32});
    return head(blocks(positions(x, first), {.is_causal = true, .caches = caches}));
  }
};

/// The token of the largest logit after the last, [N, 1].
Tensor next_of(const Tensor& logits) { return argmax(select(logits, 1, -1), 1, true); }

}  // namespace

TEST_CASE("200 tokens generated with a cache are those of the full pass, and so are their logits") {
  const NoGrad guard;
  const nn::TransformerOptions plain{.dim_feedforward = 64, .norm_first = true, .batch_first = true};
  nn::TransformerOptions llama = plain, alibi = plain;
  llama.activation = nn::Activation::swiglu, llama.rms_norm = true, llama.num_key_value_heads = 2;
  llama.positions = Positions::rotary, alibi.positions = Positions::alibi;
  for (const nn::TransformerOptions& o : {plain, llama, alibi}) {
    manual_seed(3);
    Gpt net(o);
    net.eval();
    std::vector<nn::KeyValueCache> caches(net.blocks.layers.size()), none;
    Tensor text = tensor<int64_t>({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});
    Tensor logits = net(text, caches);  // the prompt in one call
    std::vector<Tensor> steps{logits};
    for (int i = 0; i < 200; ++i) {
      const Tensor token = next_of(logits);
      text = cat({text, token}, 1);
      logits = net(token, caches);
      steps.push_back(logits);
    }
    CHECK(caches[1].length() == 205);
    const Tensor all = net(text, none), cached = cat(steps, 1);
    CHECK(distance(all, cached) <= 1e-5);
    CHECK(same_bits(argmax(all, 2).array(), argmax(cached, 2).array()));
  }
}

TEST_CASE("a decoder with caches reads memory once, and continues as the full pass does") {
  const NoGrad guard;
  manual_seed(5);
  const nn::TransformerOptions o{.dim_feedforward = 16, .batch_first = false};
  nn::TransformerDecoder decoder{nn::TransformerDecoderLayer{8, 2, o}, 2};
  decoder.eval();
  const Tensor tgt = values({7, 3, 8}, 1), memory = values({4, 3, 8}, 2);
  const Tensor padding = Tensor(Array::of<bool>({3, 4}, std::vector<bool>{0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0}));
  std::vector<nn::DecoderLayerCache> caches(2);
  std::vector<Tensor> steps;
  for (const auto& [from, to] : std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {3, 4}, {4, 7}})
    steps.push_back(decoder(slice(tgt, 0, from, to), memory,
                            {.memory_key_padding_mask = padding, .tgt_is_causal = true, .caches = caches}));
  CHECK(caches[0].self_attn.length() == 7);
  CHECK(caches[0].multihead_attn.length() == 4);
  CHECK(distance(cat(steps, 0), decoder(tgt, memory, {.memory_key_padding_mask = padding, .tgt_is_causal = true})) <= 1e-5);
}

TEST_CASE("a copy of a cache is another continuation; masks count what is held; clear() forgets it") {
  const NoGrad guard;
  manual_seed(6);
  nn::MultiheadAttention a{8, 2, {.batch_first = true, .add_bias_kv = true}};
  const Tensor x = values({1, 6, 8}, 3), other = values({1, 1, 8}, 4);
  const auto at = [&](int64_t i) { return slice(x, 1, i, i + 1); };
  nn::KeyValueCache one;
  const auto call = [&](nn::KeyValueCache& c, const Tensor& t, const Tensor& padding = {}) {
    return a(t, t, t, {.key_padding_mask = padding, .is_causal = true, .cache = &c});
  };
  call(one, slice(x, 1, 0, 3));
  nn::KeyValueCache two = one;
  const Tensor away = call(two, other), first = call(one, at(3)), second = call(one, at(4));
  CHECK(two.length() == 4);
  CHECK(one.length() == 5);
  CHECK(distance(cat({first, second}, 1), slice(a(x, x, x, {.is_causal = true}), 1, 3, 5)) <= 1e-6);
  const Tensor with = cat({slice(x, 1, 0, 3), other}, 1);
  CHECK(distance(away, slice(a(with, with, with, {.is_causal = true}), 1, 3, 4)) <= 1e-6);
  const Tensor hidden = Tensor(Array::of<bool>({1, 6}, std::vector<bool>{true, true, false, false, false, false}));
  const Tensor late = slice(x, 1, 2, 6);
  CHECK(distance(call(one, at(5), hidden), slice(a(x, x, x, {.key_padding_mask = hidden, .is_causal = true}), 1, 5, 6)) <=
        1e-6);
  one.clear();
  CHECK(one.length() == 0);
  CHECK(distance(call(one, late), a(late, late, late, {.is_causal = true})) <= 1e-6);
}

TEST_CASE("a wrong cache is refused word for word, and holds what it held") {
  nn::MultiheadAttention a{8, 2, {.batch_first = true}}, rotary{8, 2, {.batch_first = true, .positions = Positions::rotary}};
  const std::string is = "MultiheadAttention(8, 2 heads, batch first): ";
  nn::KeyValueCache cache;
  const Tensor x = values({2, 3, 8}, 1), y = values({1, 3, 8}, 2);
  const auto call = [&](nn::MultiheadAttention& m, const Tensor& t, const nn::AttentionMasks& o) { m(t, t, t, o); };
  CHECK(message_of<GraphError>([&] { call(a, x, {.cache = &cache}); }) ==
        is + "a cache holds constants, and this call is recorded: its gradients would be wrong\n  try: NoGrad guard;");
  const NoGrad guard;
  CHECK(message_of<ShapeError>([&] { a(x, {}, {}, {.cache = &cache}); }) ==
        is + "key and value are absent, and the cache holds none");
  CHECK(message_of<ShapeError>([&] { a(x, {}, {}); }) ==
        is + "the key must be [N, length, 8], got absent: query f32[2,3,8], key absent, value absent");
  call(a, x, {.cache = &cache});
  CHECK(
      message_of<ShapeError>([&] { call(a, y, {.cache = &cache}); }) ==
      is + "the cache holds keys f32 [2,2,length,4], batch, heads, length and features; this call's are f32 [1,2,length,4]\n"
           "  try: cache.clear()");
  CHECK(message_of<ShapeError>([&] {
          call(a, x, {.key_padding_mask = zeros({2, 3}, boolean), .cache = &cache});
        }) == is + "key_padding_mask must be [2,6], one for each key of each sample, got bool[2,3]");
  CHECK(message_of<ShapeError>([&] {
          call(a, x, {.attn_mask = zeros({3, 3}, boolean), .cache = &cache});
        }) == is + "attn_mask must be [3,6] or [4,3,6], got bool[3,3]");
  CHECK(
      message_of<ShapeError>([&] { rotary(x, {}, {}, {.cache = &cache}); }) ==
      "MultiheadAttention(8, 2 heads, rotary, batch first): key and value are absent, so the positions of the queries among "
      "them are not known");
  CHECK(cache.length() == 3);
  nn::TransformerEncoder encoder{nn::TransformerEncoderLayer{8, 2, {.dim_feedforward = 4, .batch_first = true}}, 2};
  std::vector<nn::KeyValueCache> three(3);
  CHECK(message_of<ShapeError>([&] { encoder(x, {.caches = three}); }) ==
        "TransformerEncoder(2 layers): there are 3 caches and 2 layers; each has its own");
  CHECK(message_of<ShapeError>([] { nn::MultiheadAttention(6, 2, {.positions = Positions::rotary}); }) ==
        "MultiheadAttention: rotary positions turn pairs of features; 6 in 2 heads are 3 for each, an odd number");
  CHECK(message_of<Error>([] { nn::MultiheadAttention(8, 2, {.rotary_base = 0}); }) ==
        "MultiheadAttention: rotary_base must be positive, got 0");
}

TEST_CASE("positions are added where a token stands, learned ones learn, and too many are refused") {
  nn::PositionalEncoding sinusoids{6, {.dropout = 0, .max_len = 9, .batch_first = true}};
  sinusoids.eval();
  const Tensor added = sinusoids(zeros({1, 9, 6}, f64));
  for (int64_t at = 0; at < 9; ++at)
    for (int64_t i = 0; i < 6; ++i) {
      const double angle = static_cast<double>(at) / std::pow(10000.0, static_cast<double>(i / 2 * 2) / 6);
      CHECK(added.array().at({0, at, i}) == doctest::Approx(i % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  CHECK(distance(sinusoids(zeros({2, 6}, f64), 4), reshape(slice(added, 1, 4, 6), {2, 6})) == 0);
  CHECK(sinusoids.state_dict().empty());
  for (const bool batch_first : {false, true}) {
    nn::PositionalEmbedding learned{4, {.dropout = 0.3, .max_len = 5, .batch_first = batch_first}};
    learned.to(f64);
    CHECK(max(abs(learned.weight)).item() < 0.2);
    const Tensor x = leaf(values({3, 3, 4}, 7, f64).array());
    for (const bool training : {true, false}) {
      learned.train(training);
      const GradcheckReport report = gradcheck(
          [&] {
            manual_seed(8);
            return learned(x, 1);
          },
          {x, learned.weight}, {.may_be_zero = true});
      CHECK_MESSAGE(report.passed, report.message);
    }
    CHECK(distance(select(learned(zeros({3, 3, 4}, f64), 1), batch_first ? 0 : 1, 2), slice(learned.weight, 0, 1, 4)) == 0);
  }
  CHECK(message_of<ShapeError>([&] {
          sinusoids(zeros({2, 7, 6}), 3);
        }) ==
        "PositionalEncoding(6, max_len 9, batch first): the input f32[2,7,6] begins at position 3; its 7 tokens must lie in "
        "[0, 9)");
  CHECK(message_of<ShapeError>([&] {
          sinusoids(zeros({2, 7, 5}));
        }) ==
        "PositionalEncoding(6, max_len 9, batch first): the input must be [N, length, 6] or [length, 6], got f32[2,7,5]");
  CHECK(message_of<ShapeError>([] { nn::PositionalEmbedding(0); }) ==
        "PositionalEmbedding: d_model must be at least 1, got 0");
}

TEST_CASE("scaled_dot_product_attention: dropout, heads that cannot be shared, the same bits with any number of threads") {
  const Tensor q = leaf(values({2, 4, 70, 6}, 1).array()), k = leaf(values({2, 2, 90, 6}, 2).array()),
               v = leaf(values({2, 2, 90, 5}, 3).array());
  const AttentionOptions o{.dropout_p = 0.25, .causal = true, .enable_gqa = true, .causal_offset = 20, .seed = 9};
  const auto run = [&](int threads) {
    set_threads(threads);
    for (const Tensor* t : {&q, &k, &v}) t->zero_grad();
    const Tensor y = scaled_dot_product_attention(q, k, v, o);
    sum(square(y)).backward();
    return std::vector<Array>{y.array().contiguous(), q.grad().array(), k.grad().array(), v.grad().array()};
  };
  const std::vector<Array> one = run(1);
  for (const int threads : {2, 3, 7}) {
    const std::vector<Array> many = run(threads);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], many[i]));
  }
  set_threads(2);
  // dropout()'s mask: each weight of a row is 1 / 90 before it
  const Tensor even = scaled_dot_product_attention(zeros({1, 90, 1}), zeros({1, 90, 1}), reshape(eye(90), {1, 90, 90}),
                                                   {.dropout_p = 0.25, .seed = 9});
  CHECK(distance(even, dropout(full({1, 90, 90}, 1 / 90.0), 0.25, 9)) < 1e-8);
  manual_seed(1);
  const Tensor drawn = scaled_dot_product_attention(q, q, q, {.dropout_p = 0.5});
  CHECK_FALSE(same_bits(drawn.array(), scaled_dot_product_attention(q, q, q, {.dropout_p = 0.5}).array()));
  manual_seed(1);
  CHECK(same_bits(drawn.array(), scaled_dot_product_attention(q, q, q, {.dropout_p = 0.5}).array()));
  CHECK(message_of<ShapeError>([&] { scaled_dot_product_attention(q, slice(v, 1, 0, 1), v, {.enable_gqa = true}); }) !=
        "nothing was thrown");
  CHECK(message_of<ShapeError>([&] {
          scaled_dot_product_attention(zeros({3, 2, 4}), zeros({2, 2, 4}), zeros({2, 2, 4}), {.enable_gqa = true});
        }) ==
        "scaled_dot_product_attention: 3 heads of the query cannot share 2 of the key and 2 of the value: query f32[3,2,4], "
        "key "
        "f32[2,2,4], value f32[2,2,4]");
  CHECK(message_of<Error>([&] { scaled_dot_product_attention(q, q, q, {.dropout_p = 1}); }) ==
        "scaled_dot_product_attention: the probability of dropout must lie in [0, 1), got 1");
}
