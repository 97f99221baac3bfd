// What the ops beyond the foundation's refuse, and what they say; nothing is recorded and nothing changes.
#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cstdint>

using namespace gradus;

namespace {

Tensor index(const std::vector<int64_t>& v) { return Tensor(Array::of<int64_t>({static_cast<int64_t>(v.size())}, v)); }

#define REFUSES(Type, call, ...) CHECK(says(thrown<Type>([&] { call; }), {__VA_ARGS__}))

}  // namespace

TEST_CASE("elementwise ops refuse integers, and options out of range") {
  REFUSES(DtypeError, sin(arange(3)), "sin: computes with f32 or f64, got i64[3]", "try: x.to(f32)");
  REFUSES(DtypeError, mish(zeros({2}, u8)), "mish: ", "u8[2]", "x.to(f32) / 255");
  REFUSES(DtypeError, atan2(real({2}), real({2}, f64)), "atan2: f32[2] and f64[2] do not mix");
  REFUSES(ShapeError, hypot(real({2}), real({3})), "hypot: ", "[2]", "[3]");
  REFUSES(IndexError, hardtanh(real({2}), 1, 1), "hardtanh: low 1 must be less than high 1");
  REFUSES(IndexError, hardshrink(real({2}), -1), "hardshrink: lambda must be at least 0, got -1");
  REFUSES(IndexError, softshrink(real({2}), -1), "softshrink: ");
  REFUSES(IndexError, celu(real({2}), 0), "celu: alpha must be positive, got 0");
  REFUSES(ShapeError, prelu(real({2, 3}), real({2})), "prelu: the weight is f32[2]", "f32[2,3]", "3 channels");
  REFUSES(ShapeError, glu(real({2, 3})), "glu: axis 1 of f32[2,3] must have an even length");
  REFUSES(IndexError, glu(real({2}), 1), "glu: ");
}

TEST_CASE("scans, orders and norms: axes and ranges") {
  REFUSES(IndexError, cumsum(real({2, 3}), 2), "cumsum: ", "2");
  REFUSES(DtypeError, linear_scan(arange(3), arange(3), 0), "linear_scan: computes with f32 or f64, got i64[3]");
  REFUSES(IndexError, prod(real({2}), 1), "prod: ");
  REFUSES(ShapeError, linear_scan(real({2, 3}), real({2}), 0), "linear_scan: the factors are f32[2,3], the terms f32[2]");
  REFUSES(DtypeError, linear_scan(real({2}), real({2}, f64), 0), "linear_scan: ", "b.to(f32)");
  REFUSES(IndexError, topk(real({2, 3}), 4), "topk: k is 4", "axis 1 of f32[2,3]", "[0, 3]");
  REFUSES(IndexError, kthvalue(real({2, 3}), 0), "kthvalue: k is 0", "[1, 3]");
  REFUSES(ShapeError, median(real({2, 0})), "median: axis 1 of f32[2,0] is empty");
  REFUSES(IndexError, sort(real({2}), 1), "sort: ");
  REFUSES(DtypeError, norm(arange(3), 2), "norm: computes with f32 or f64");
  REFUSES(Error, norm(real({3}), std::nan("")), "norm: p must be a number, got NaN");
  REFUSES(ShapeError, logsumexp(real({2, 3}), {0, 0}), "logsumexp: ");
  REFUSES(IndexError, cosine_similarity(real({3}), real({3})), "cosine_similarity: ");
}

TEST_CASE("parts and repetitions: shapes and ranges") {
  REFUSES(ShapeError, pad(real({2, 3}), {1}), "pad: got 1 widths for f32[2,3]", "pairs");
  REFUSES(ShapeError, pad(real({2, 3}), {-2, -2}), "pad: ", "axis 1 of f32[2,3]", "at most 3 can be cut off");
  REFUSES(ShapeError, pad(real({2, 3}), {3, 0}, Padding::reflect), "pad: widths 3 and 0 with mode reflect",
          "must not exceed 2");
  REFUSES(ShapeError, pad(real({2, 3}), {4, 0}, Padding::circular), "must not exceed 3");
  REFUSES(ShapeError, pad(real({2, 0}), {1, 0}, Padding::replicate), "an empty axis has nothing to repeat");
  REFUSES(ShapeError, pad(real({2, 3}), {-1, 0}, Padding::replicate), "must not be negative");
  constexpr int64_t most = INT64_MAX, side = int64_t(1) << 32;  // side * side is 0 in 64 bits
  REFUSES(ShapeError, pad(real({2}), {most, most}), "pad: ", "longer than 64 bits can count");
  REFUSES(ShapeError, diag_embed(real({2}), most), "diag_embed: with offset 9223372036854775807");
  REFUSES(ShapeError, diag_embed(real({2}), INT64_MIN), "diag_embed: ");
  REFUSES(ResourceError, interpolate(real({1, 1, 2, 2}), Pair(side)), "interpolate: ", "4294967296 by 4294967296",
          "at most");
  REFUSES(ResourceError, adaptive_avg_pool2d(real({1, 1, 2, 2}), Pair(1, side)), "adaptive_avg_pool2d: ");
  REFUSES(ResourceError, adaptive_max_pool2d(real({1, 1, 2, 2}), Pair(side)), "adaptive_max_pool2d: ");
  REFUSES(ShapeError, flip(real({2, 3}), {0, -2}), "flip: axis 0 is named twice");
  REFUSES(ShapeError, roll(real({2, 3}), {1}, {0, 1}), "roll: got 1 shifts for 2 axes");
  REFUSES(IndexError, roll(real({2, 3}), {1}, {2}), "roll: ");
  REFUSES(ShapeError, repeat(real({2, 3}), {2}), "repeat: got 1 counts for f32[2,3]");
  REFUSES(ShapeError, repeat(real({2}), {-1}), "repeat: the number of copies must be at least 0, got -1");
  REFUSES(ShapeError, repeat_interleave(real({2}), -1, 0), "repeat_interleave: the number of copies must be at least 0");
  REFUSES(ShapeError, tril(real({3})), "tril: the tensor must have at least two axes, got f32[3]");
  REFUSES(ShapeError, diagonal(real({3})), "diagonal: ", "f32[3]");
  REFUSES(ShapeError, diagonal(real({3, 3}), 0, 1, -1), "diagonal: axis 1 is named twice");
  REFUSES(ShapeError, diag_embed(real({})), "diag_embed: ");
  REFUSES(ShapeError, chunk(real({3}), 0), "chunk: the number of pieces must be at least 1, got 0");
  REFUSES(IndexError, unbind(real({3}), 1), "unbind: ");
  REFUSES(IndexError, movedim(real({3}), 0, 1), "movedim: ");
}

TEST_CASE("indices and masks") {
  REFUSES(ShapeError, index_select(real({3, 2}), 0, Tensor(Array::zeros({1, 1}, i64))),
          "index_select: the index must have one axis", "take_along_dim");
  REFUSES(IndexError, index_select(real({3, 2}), 0, index({0, 3})), "index_select: index 3 at [1]", "[0, 2]");
  REFUSES(DtypeError, index_select(real({3}), 0, real({2})), "index_select: indices must be i64 or u8, got f32[2]");
  REFUSES(ShapeError, index_add(real({3, 2}), 0, index({0, 1}), real({3, 2})), "index_add: the tensor is f32[3,2]",
          "source f32[3,2]");
  REFUSES(IndexError, take(real({2, 2}), index({4})), "take: index 4", "[-4, 3]");
  REFUSES(ShapeError, take_along_dim(real({2, 2}), index({0}), 0), "take_along_dim: ", "as many axes");
  REFUSES(ShapeError, take_along_dim(real({2, 3}), Tensor(Array::zeros({4, 1}, i64)), 1), "take_along_dim: ");
  REFUSES(DtypeError, masked_fill(real({2}), real({2}), 0), "masked_fill: the mask must be bool, got f32[2]", "x > 0");
  REFUSES(ShapeError, masked_fill(real({2}), real({3, 2}) > 0.0, 0), "masked_fill: the mask is bool[3,2]");
  REFUSES(DtypeError, masked_select(real({2}), real({2})), "masked_select: ");
  REFUSES(ShapeError, one_hot(index({0}), 0), "one_hot: the number of classes must be at least 1, got 0");
  REFUSES(IndexError, one_hot(index({0, 5}), 3), "one_hot: index 5 at [1]", "[0, 2]");
}

TEST_CASE("products with names, attention, cells") {
  REFUSES(ShapeError, outer(real({2, 2}), real({2})), "outer: ", "f32[2,2]");
  REFUSES(ShapeError, dot(real({2}), real({3})), "dot: ", "f32[2] and f32[3]");
  REFUSES(SpecError, einsum("ij,jk->ik", {real({2, 2})}), "einsum: ", "names 2 tensors, 1 were given");
  REFUSES(SpecError, einsum("i.->i", {real({2})}), "has the character '.'");
  REFUSES(SpecError, einsum("i->j", {real({2})}), "axis 'j' in the result, but in no tensor");
  REFUSES(SpecError, einsum("i->ii", {real({2})}), "axis 'i' twice in the result");
  REFUSES(SpecError, einsum("", {}), "was given no tensors");
  REFUSES(ShapeError, einsum("ij->i", {real({2})}), "tensor 0 is f32[2]", "\"ij\" names 2 axes");
  REFUSES(ShapeError, einsum("ij,jk->ik", {real({2, 3}), real({2, 3})}), "axis 'j' has length 3", "length 2");
  REFUSES(DtypeError, einsum("i,i->", {real({2}), real({2}, f64)}), "do not mix");
  const Tensor q = real({2, 3, 4}), k = real({2, 5, 4});
  REFUSES(ShapeError, scaled_dot_product_attention(q, real({2, 5, 3}), k), "the query has 4 features, the key 3");
  REFUSES(ShapeError, scaled_dot_product_attention(q, k, q), "5 keys and 3 values");
  REFUSES(ShapeError, scaled_dot_product_attention(q, k, k, {.mask = real({4, 5}) > 0.0}),
          "the mask is bool[4,5], the scores are [2,3,5]");
  REFUSES(DtypeError, scaled_dot_product_attention(q, k, k, {.mask = arange(5)}), "the mask is i64[5]");
  REFUSES(DtypeError, scaled_dot_product_attention(q, real({2, 5, 4}, f64), k), "key f64[2,5,4]");
  const CellWeights w{real({12, 4}), real({12, 3})};
  REFUSES(ShapeError, lstm_cell(real({4}), {real({2, 3}), real({2, 3})}, w), "lstm_cell: the input must be [N, features]");
  REFUSES(ShapeError, lstm_cell(real({2, 4}), {real({1, 3}), real({2, 3})}, w),
          "lstm_cell: the h is f32[1,3]; it must be [2,3]");
  REFUSES(ShapeError, lstm_cell(real({2, 5}), {real({2, 3}), real({2, 3})}, w), "w_ih is f32[12,4]; it must be [12,5]");
  REFUSES(ShapeError, gru_cell(real({2, 4}), real({2, 3}), w), "gru_cell: the w_ih is f32[12,4]; it must be [9,4]");
  REFUSES(DtypeError, rnn_cell(real({2, 4}), real({2, 3}, f64), w), "rnn_cell: ", "h.to(f32)");
}

TEST_CASE("images and norms") {
  REFUSES(ShapeError, conv1d(real({2, 3}), real({4, 3, 2})), "conv1d: the input must be [N,C,L], got f32[2,3]",
          "x.reshape({1, 2, 3})");
  REFUSES(ShapeError, conv1d(real({2, 9, 3}), real({4, 3, 2})), "9 channels (axis 1), the weight wants 3",
          "transpose(x, 1, 2)");
  REFUSES(ShapeError, conv1d(real({1, 3, 2}), real({4, 3, 5})), "kernel is longer than the padded input", ".padding = 2");
  REFUSES(ShapeError, conv1d(real({1, 3, 9}), real({4, 3, 2}), real({3})), "conv1d: the bias is f32[3], it must be [4]");
  REFUSES(ShapeError, conv1d(real({1, 3, 9}), real({4, 3, 2}), {}, {.stride = 0}), "stride must be at least 1, got 0");
  REFUSES(DtypeError, conv1d(real({1, 3, 9}), real({4, 3, 2}, f64)), "conv1d: ", "weight.to(f32)");
  REFUSES(ShapeError, conv_transpose2d(real({3, 4, 4}), real({3, 2, 2, 2})),
          "conv_transpose2d: the input must be [N,C,H,W]");
  REFUSES(ShapeError, conv_transpose2d(real({1, 2, 4, 4}), real({3, 2, 2, 2})), "2 channels (axis 1), the weight wants 3");
  REFUSES(ShapeError, conv_transpose2d(real({1, 3, 4, 4}), real({3, 2, 2, 2}), {}, {.output_padding = 1}),
          "output_padding is 1 by 1", "smaller than the stride");
  REFUSES(ShapeError, conv_transpose2d(real({1, 3, 1, 1}), real({3, 2, 2, 2}), {}, {.padding = 3}),
          "the padding leaves nothing");
  REFUSES(ShapeError, conv_transpose1d(real({1, 3, 4}), real({2, 3})),
          "conv_transpose1d: the weight must be [C,O/groups,K]");
  REFUSES(ShapeError, interpolate(real({2, 3, 3}), 2), "interpolate: the input must be [N,C,H,W]",
          "x.reshape({1, 2, 3, 3})");
  REFUSES(ShapeError, interpolate(real({1, 1, 3, 3}), {0, 2}),
          "interpolate: the result must be at least 1 by 1, got 0 by 2");
  REFUSES(Error, interpolate(real({1, 1, 3, 3}), 2, Interpolation::nearest, true),
          "align_corners has no meaning for nearest");
  REFUSES(ShapeError, adaptive_avg_pool2d(real({1, 1, 0, 3}), 2),
          "adaptive_avg_pool2d: the images of f32[1,1,0,3] are empty");
  REFUSES(DtypeError, adaptive_max_pool2d(Tensor(Array::zeros({1, 1, 2, 2}, i64)), 2), "adaptive_max_pool2d: computes with");
  REFUSES(ShapeError, layer_norm(real({2, 3}), {2}), "layer_norm: the input is f32[2,3], the shape to normalise [2]");
  REFUSES(ShapeError, layer_norm(real({2, 3}), {3}, real({2})), "the weight is f32[2]", "must be [3]");
  REFUSES(DtypeError, rms_norm(real({2, 3}), {3}, real({3}, f64)), "rms_norm: ", "x.to(f64)");
  REFUSES(Error, rms_norm(real({2, 3}), {3}, {}, -1), "rms_norm: eps must be at least 0, got -1");
  REFUSES(ShapeError, group_norm(real({2, 4}), 3),
          "group_norm: 4 channels (axis 1 of f32[2,4]) cannot be shared out among 3 groups");
  REFUSES(ShapeError, instance_norm(real({2, 4})), "instance_norm: the input must be [N,C,L] or [N,C,H,W]");
  REFUSES(IndexError, normalize(real({2})), "normalize: ");
}

TEST_CASE("what is refused records nothing and changes nothing") {
  Tensor x = leaf(real({2, 3}).array());
  const auto before = x.array().version();
  const auto held = x.node()->references();
  CHECK_THROWS_AS(pad(x, {5, 5}, Padding::reflect), ShapeError);
  CHECK_THROWS_AS(topk(x, 9), IndexError);
  CHECK_THROWS_AS(einsum("ij,jk->ik", {x, x}), ShapeError);
  CHECK_THROWS_AS(layer_norm(x, {2}), ShapeError);
  CHECK_THROWS_AS(index_select(x, 0, index({7})), IndexError);
  CHECK_THROWS_AS(cumsum(x, 5), IndexError);
  CHECK_THROWS_AS(glu(x), ShapeError);
  CHECK_THROWS_AS(scaled_dot_product_attention(x, x, real({4, 3})), ShapeError);
  CHECK(x.array().version() == before);
  CHECK(x.node()->references() == held);
}
