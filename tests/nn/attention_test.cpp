#include <gradus/nn/nn.h>

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::distance;
using testing::message_of;
using testing::same_bits;

namespace {

Tensor values(const Shape& shape, std::uint64_t seed, Dtype dtype = f64) { return normal(shape, 0, 1, {seed, 0}, dtype); }

/// With biases that are not 0.
nn::MultiheadAttention attention_of(int64_t embed, int64_t heads, nn::MultiheadAttentionOptions o = {.batch_first = true}) {
  manual_seed(4);
  nn::MultiheadAttention a{embed, heads, o};
  a.to(f64);
  if (!o.bias) return a;
  nn::init::uniform_(a.in_proj_bias, -1, 1);
  nn::init::uniform_(a.out_proj.bias, -1, 1);
  return a;
}

Tensor mask_of(const Shape& shape, const std::vector<bool>& hidden) { return Tensor(Array::of<bool>(shape, hidden)); }

std::vector<std::string> names_of(nn::ModuleBase& m) {
  std::vector<std::string> names;
  for (const auto& [name, t] : m.named_parameters()) names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("parameters of MultiheadAttention have PyTorch's names, shapes and first numbers") {
  manual_seed(1);
  nn::MultiheadAttention a{8, 2};
  CHECK(names_of(a) == std::vector<std::string>{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"});
  CHECK(a.in_proj_weight.shape() == Shape{24, 8});
  CHECK(a.in_proj_bias.shape() == Shape{24});
  CHECK(max(abs(a.in_proj_bias)).item() == 0);
  CHECK(max(abs(a.out_proj.bias)).item() == 0);
  const double bound = std::sqrt(6.0 / (8 + 24));
  CHECK(max(abs(a.in_proj_weight)).item() <= bound);
  CHECK(max(abs(a.in_proj_weight)).item() > 0.8 * bound);
  nn::MultiheadAttention apart{8, 2, {.bias = false, .kdim = 3}};
  CHECK(names_of(apart) == std::vector<std::string>{"q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"});
  CHECK(apart.k_proj_weight.shape() == Shape{8, 3});
  nn::MultiheadAttention shared{8, 4, {.num_key_value_heads = 2}};
  CHECK(shared.in_proj_weight.shape() == Shape{8 + 4 + 4, 8});
  CHECK(a.description() == "MultiheadAttention(8, 2 heads)");
  CHECK(shared.description() == "MultiheadAttention(8, 4 heads on 2)");
}

TEST_CASE("a query that may see no key has weights and gradients of 0, not NaN") {
  nn::MultiheadAttention a = attention_of(6, 2);
  const Tensor x = leaf(values({2, 3, 6}, 1).array());
  const Tensor padding = mask_of({2, 3}, {true, true, true, false, false, true});
  const Tensor lowest = full({3, 3}, -std::numeric_limits<double>::infinity(), f64);
  const auto check = [&](const nn::AttentionMasks& masks, int64_t blind) {
    const auto [y, weights] = a.with_weights(x, x, x, masks);
    CHECK(distance(y, a(x, x, x, masks)) < 1e-14);
    CHECK(max(abs(select(weights, 0, blind))).item() == 0);
    CHECK(distance(select(y, 0, blind), expand(a.out_proj.bias.tensor(), {3, 6})) == 0);
    x.zero_grad(), a.zero_grad();
    (sum(square(y)) + sum(square(a(x, x, x, masks)))).backward();
    CHECK(std::isfinite(sum(abs(Tensor(x.grad()))).item()));
    CHECK(std::isfinite(sum(abs(Tensor(a.in_proj_weight.grad()))).item()));
  };
  check({.key_padding_mask = padding}, 0);
  check({.attn_mask = mask_of({3, 3}, std::vector<bool>(9, true))}, 1);
  check({.attn_mask = lowest}, 0);
  check({.key_padding_mask = padding, .attn_mask = zeros({3, 3}, f64)}, 0);
  check({.key_padding_mask = padding, .is_causal = true}, 0);
}

TEST_CASE("what is hidden does not matter: padded keys, and keys after a causal query") {
  nn::MultiheadAttention a = attention_of(4, 2);
  const Tensor x = values({1, 4, 4}, 2), other = cat({x.slice(1, 0, 2), values({1, 2, 4}, 3)}, 1);
  const Tensor padding = mask_of({1, 4}, {false, false, true, true});
  CHECK(distance(a(x, x, x, {.key_padding_mask = padding}).slice(1, 0, 2),
                 a(other, other, other, {.key_padding_mask = padding}).slice(1, 0, 2)) < 1e-14);
  CHECK(distance(a(x, x, x, {.is_causal = true}).slice(1, 0, 2),
                 a(other, other, other, {.is_causal = true}).slice(1, 0, 2)) < 1e-14);
  Array later = Array::zeros({4, 4}, boolean);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = i + 1; j < 4; ++j) later.uninitialized<bool>()[i * 4 + j] = true;
  CHECK(distance(a(x, x, x, {.is_causal = true}), a(x, x, x, {.attn_mask = Tensor(later)})) < 1e-14);
  CHECK(distance(a.with_weights(x, x, x, {.is_causal = true}).output, a(x, x, x, {.is_causal = true})) < 1e-14);
  CHECK(distance(a.with_weights(x, x, x).weights.sum({2}), ones({1, 4}, f64)) < 1e-14);
}

TEST_CASE("other views of the query's numbers are other keys, also where they begin at the same place") {
  nn::MultiheadAttention a = attention_of(4, 2);
  const Tensor x = values({3, 3, 4}, 12), turned = transpose(x, 0, 1), first = x.slice(1, 0, 1);
  const auto own = [](const Tensor& t) { return Tensor(t.array().copy()); };
  CHECK(distance(a(x, turned, turned), a(x, own(turned), own(turned))) < 1e-14);
  CHECK(distance(a(first, x, x), a(own(first), own(x), own(x))) < 1e-14);
  CHECK(distance(a(x, x, x), a(own(x), own(x), own(x))) < 1e-14);
}

TEST_CASE("heads that share keys and values are heads with the same keys and values") {
  nn::MultiheadAttention few = attention_of(8, 4, {.batch_first = true, .num_key_value_heads = 2});
  nn::MultiheadAttention all = attention_of(8, 4);
  const auto doubled = [](const Tensor& rows) {  // rows of two heads, each of two features, twice
    const Tensor first = slice(rows, 0, 0, 2), second = slice(rows, 0, 2, 4);
    return cat({first, first, second, second});
  };
  const auto spread = [&](const Tensor& p) {
    return cat({slice(p, 0, 0, 8), doubled(slice(p, 0, 8, 12)), doubled(slice(p, 0, 12, 16))}).array();
  };
  all.in_proj_weight.replace(spread(few.in_proj_weight));
  all.in_proj_bias.replace(spread(few.in_proj_bias));
  all.out_proj = few.out_proj;
  const Tensor x = values({2, 5, 8}, 5), y = values({2, 3, 8}, 6);
  CHECK(distance(few(x, x, x, {.is_causal = true}), all(x, x, x, {.is_causal = true})) < 1e-13);
  CHECK(distance(few(x, y, y), all(x, y, y)) < 1e-13);
  const GradcheckReport report = gradcheck([&] { return few(x, y, y); }, few.parameters());
  CHECK_MESSAGE(report.passed, report.message);
}

TEST_CASE("dropout takes weights away in training only, and its gradient is right") {
  nn::MultiheadAttention a = attention_of(4, 2, {.dropout = 0.4, .batch_first = true});
  const Tensor x = values({2, 5, 4}, 7);
  const auto drawn = [&](std::uint64_t seed) {
    manual_seed(seed);
    return a.with_weights(x, x, x, {.average_attn_weights = false});
  };
  const Tensor weights = drawn(1).weights;
  int64_t none = 0;
  for (int64_t i = 0; i < weights.size(); ++i) none += weights.array().element(i) == 0;
  CHECK(none > 20);
  CHECK(none < 60);  // 40 of 100, give or take four deviations
  manual_seed(1);
  const Tensor plain = a(x, x, x);
  CHECK(same_bits(plain.array(), drawn(1).output.array()));
  CHECK_FALSE(same_bits(drawn(2).output.array(), drawn(1).output.array()));
  const GradcheckReport report = gradcheck([&] { return drawn(3).output; }, a.parameters());
  CHECK_MESSAGE(report.passed, report.message);
  a.eval();
  CHECK(distance(drawn(1).weights.sum({3}), ones({2, 2, 5}, f64)) < 1e-14);
  CHECK(same_bits(a(x, x, x).array(), a(x, x, x).array()));
}

TEST_CASE("second derivatives of attention are right") {
  nn::MultiheadAttention a = attention_of(4, 2);
  const Tensor x = leaf(values({1, 3, 4}, 8).array());
  std::vector<Tensor> leaves = a.parameters();
  leaves.push_back(x);
  const GradcheckReport plain = gradgradcheck([&] { return a(x, x, x, {.is_causal = true}); }, leaves);
  CHECK_MESSAGE(plain.passed, plain.message);
  const Tensor padding = mask_of({1, 3}, {true, true, true});
  const auto blind = [&] {
    return a.with_weights(x, x, x, {.key_padding_mask = padding, .attn_mask = zeros({3, 3}, f64)}).output;
  };
  const GradcheckReport masked = gradgradcheck(blind, leaves, {.may_be_zero = true});
  CHECK_MESSAGE(masked.passed, masked.message);
}

TEST_CASE("attention and transformers have the same bits with any number of threads") {
  manual_seed(9);
  nn::TransformerEncoder encoder{
      nn::TransformerEncoderLayer{48, 4, {.dim_feedforward = 96, .dropout = 0.1, .batch_first = true}}, 2,
      nn::LayerNorm{48}};
  const Tensor x = values({8, 65, 48}, 10, f32);
  const auto run = [&](int threads) {
    set_threads(threads);
    manual_seed(11);
    encoder.zero_grad();
    const Tensor y = encoder(x, {.is_causal = true});
    sum(square(y)).backward();
    std::vector<Array> all{y.array()};
    for (const Tensor& p : encoder.parameters()) all.push_back(p.grad().array());
    return all;
  };
  const std::vector<Array> one = run(1);
  for (const int threads : {2, 3, 7}) {
    const std::vector<Array> many = run(threads);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], many[i]));
  }
  set_threads(2);
}

TEST_CASE("MultiheadAttention says what does not fit, word for word") {
  nn::MultiheadAttention a{8, 2, {.batch_first = true}};
  const std::string is = "MultiheadAttention(8, 2 heads, batch first): ";
  const Tensor q = zeros({2, 3, 8}), k = zeros({2, 5, 8});
  const auto shape_error = [&](const Tensor& x, const Tensor& y, const Tensor& z, const nn::AttentionMasks& m = {}) {
    return message_of<ShapeError>([&] { a(x, y, z, m); });
  };
  CHECK(shape_error(zeros({2, 3, 6}), k, k) ==
        is + "the query must be [N, length, 8], got f32[2,3,6]: query f32[2,3,6], key f32[2,5,8], value f32[2,5,8]");
  CHECK(shape_error(q, k, zeros({5, 8})) ==
        is + "the value must be [N, length, 8], got f32[5,8]: query f32[2,3,8], key f32[2,5,8], value f32[5,8]");
  CHECK(shape_error(q, zeros({4, 5, 8}), zeros({4, 5, 8})) ==
        is + "the batch sizes (axis 0) must be equal, got 2, 4 and 4: query f32[2,3,8], key f32[4,5,8], value f32[4,5,8]");
  CHECK(shape_error(q, k, zeros({2, 4, 8})) ==
        is + "there are 5 keys and 4 values; they must be equal: query f32[2,3,8], key f32[2,5,8], value f32[2,4,8]");
  CHECK(shape_error(q, k, k, {.key_padding_mask = zeros({2, 3}, boolean)}) ==
        is + "key_padding_mask must be [2,5], one for each key of each sample, got bool[2,3]");
  CHECK(shape_error(q, k, k, {.attn_mask = zeros({5, 3}, boolean)}) ==
        is + "attn_mask must be [3,5] or [4,3,5], got bool[5,3]");
  CHECK(message_of<DtypeError>([&] {
          a(q, k, k, {.attn_mask = zeros({3, 5}, i64)});
        }) == is + "attn_mask is i64[3,5]; it must be bool (true: hidden) or f32 (added to the scores)");
  CHECK(message_of<DtypeError>([&] {
          a(q, k, k, {.key_padding_mask = zeros({2, 5}, f64)});
        }) == is + "key_padding_mask is f64[2,5]; it must be bool (true: hidden) or f32 (added to the scores)");
  CHECK(message_of<DtypeError>([&] { a(q.to(f64), k, k); }) ==
        is + "the input is f64[2,3,8], the layer's numbers are f32; they must agree\n  try: x.to(f32)");
  CHECK(message_of<ShapeError>([&] { a.with_weights(q, k, zeros({2, 4, 8})); }) == shape_error(q, k, zeros({2, 4, 8})));
  CHECK(message_of<ShapeError>([] { nn::MultiheadAttention(10, 4); }) ==
        "MultiheadAttention: embed_dim 10 does not divide into 4 heads; it does into 1, 2, 5, 10");
  CHECK(message_of<ShapeError>([] { nn::MultiheadAttention(8, 4, {.num_key_value_heads = 3}); }) ==
        "MultiheadAttention: 4 heads cannot share 3 heads of keys and values");
  CHECK(message_of<Error>([] { nn::MultiheadAttention(8, 4, {.dropout = 1}); }) ==
        "MultiheadAttention: the probability of dropout must lie in [0, 1), got 1");
  CHECK_THROWS_AS(nn::MultiheadAttention(0, 1), ShapeError);
  CHECK_THROWS_AS(nn::MultiheadAttention(8, -2), ShapeError);
  nn::MultiheadAttention later{8, 2};
  CHECK(contains(message_of<ShapeError>([&] { later(q, zeros({3, 5, 8}), zeros({2, 3, 8})); }), "the batch sizes (axis 1)"));
}
