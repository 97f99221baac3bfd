// What norms, embeddings, pools, convolutions of lines and layers that move numbers refuse, and how they describe
// themselves.
#include <gradus/nn/nn.h>

#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;

TEST_CASE("norms of a sample say what does not fit, word for word") {
  nn::LayerNorm layer{8};
  CHECK(message_of<ShapeError>([&] {
          layer(ones({2, 6}));
        }) == "LayerNorm(8): the last axis of the input must be [8], got f32[2,6]\n  try: LayerNorm(6)");
  CHECK(message_of<ShapeError>([] {
          nn::LayerNorm(Shape{3, 4})(ones({2, 4, 3}));
        }) == "LayerNorm([3,4]): the last axes of the input must be [3,4], got f32[2,4,3]\n  try: LayerNorm({4, 3})");
  CHECK(message_of<ShapeError>([] {
          nn::RMSNorm(Shape{3, 4})(ones({4}));
        }) == "RMSNorm([3,4]): the last axes of the input must be [3,4], got f32[4]");
  CHECK(message_of<DtypeError>([&] {
          layer(ones({2, 8}, f64));
        }) == "LayerNorm(8): the input is f64[2,8], the layer's numbers are f32; they must agree\n  try: x.to(f32)");
  CHECK(contains(message_of<DtypeError>([] {
                   nn::LayerNorm(8, {.elementwise_affine = false})(ones({2, 8}, u8));
                 }),
                 "this layer computes in f32"));
  nn::GroupNorm group{2, 6};
  CHECK(message_of<ShapeError>([&] {
          group(ones({3, 4, 5}));
        }) ==
        "GroupNorm(2, 6): the input has 4 channels (axis 1), the layer has 6: input f32[3,4,5]\n  try: GroupNorm(2, 4)");
  CHECK_FALSE(contains(message_of<ShapeError>([&] { group(ones({3, 5})); }), "try"));
  CHECK(message_of<ShapeError>([&] { group(ones({6})); }) == "GroupNorm(2, 6): the input must be [N, C, ..], got f32[6]");
  nn::InstanceNorm2d instance{3};
  CHECK(
      message_of<ShapeError>([&] {
        instance(ones({2, 4, 5, 5}));
      }) ==
      "InstanceNorm2d(3): the input has 4 channels (axis 1), the layer has 3: input f32[2,4,5,5]\n  try: InstanceNorm2d(4)");
  CHECK(message_of<ShapeError>([&] {
          instance(ones({2, 3}));
        }) == "InstanceNorm2d(3): the input must be [N, C, H, W] or [C, H, W], got f32[2,3]");
  CHECK(message_of<ShapeError>([&] {
          nn::InstanceNorm1d{3}(ones({4, 5}));
        }) ==
        "InstanceNorm1d(3): the input has 4 channels (axis 0), the layer has 3: input f32[4,5]\n  try: InstanceNorm1d(4)");
  CHECK(message_of<Error>([] { nn::InstanceNorm1d(3, {.track_running_stats = true}); }) ==
        "InstanceNorm1d: track_running_stats is not supported: a channel's own statistics are used in eval mode, too\n"
        "  try: InstanceNorm1d(3), or BatchNorm1d");
  CHECK(message_of<ShapeError>([] { nn::GroupNorm(4, 6); }) == "GroupNorm: 6 channels do not divide into 4 groups");
  CHECK_THROWS_AS(nn::LayerNorm(0), ShapeError);
  CHECK_THROWS_AS(nn::LayerNorm(Shape{}), ShapeError);
  CHECK_THROWS_AS(nn::RMSNorm(4, {.eps = -1.0}), Error);
  CHECK_THROWS_AS(nn::LayerNorm(4, {.eps = std::nan("")}), Error);
  nn::Sequential net{nn::Linear{4, 8}, nn::LayerNorm{6}};
  CHECK(contains(message_of<ShapeError>([&] {
                   net(ones({2, 4}));
                 }),
                 "got f32[2,8]; the input came through Linear [2,8] [in module \"1\"]\n  try: LayerNorm(8)"));
}

TEST_CASE("the eps of RMSNorm is what its dtype can add to 1") {
  nn::RMSNorm norm{2};
  const Tensor small = full({1, 2}, 1e-5, f32);
  CHECK(norm(small).array().element(0) == doctest::Approx(1e-5 / std::sqrt(1e-10 + 0x1p-23)).epsilon(1e-6));
  norm.to(f64);
  CHECK(norm(small.to(f64)).array().element(0) == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("an Embedding's padding row is 0 at first, and is left alone") {
  nn::Embedding e{5, 3, {.padding_idx = -2}};
  CHECK(e.options.padding_idx == 3);
  CHECK(e.description() == "Embedding(5, 3, padding_idx 3)");
  CHECK(max(abs(select(e.weight, 0, 3))).item() == 0);
  CHECK(max(abs(select(e.weight, 0, 2))).item() > 0);
  const Tensor y = e(tensor<std::uint8_t>({2, 2}, {3, 1, 1, 3}));
  CHECK(y.shape() == Shape{2, 2, 3});
  y.sum().backward();
  const Array g = e.weight.grad().array();
  CHECK(same_bits(g, Array::of<float>({5, 3}, {0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
  CHECK(message_of<IndexError>([] { nn::Embedding(5, 3, {.padding_idx = 5}); }) ==
        "Embedding: padding_idx must lie in [-5, 4], got 5");
  const NoGrad unrecorded;
  CHECK(e(tensor<int64_t>({1}, {3})).shape() == Shape{1, 3});
}

TEST_CASE("Dropout2d drops whole channels") {
  manual_seed(2);
  nn::Dropout2d drop{0.4};
  const Tensor y = drop(ones({40, 25, 3, 2}));
  int64_t dropped = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    const double first = y.array().element(i * 6);
    for (int64_t k = 1; k < 6; ++k) CHECK(y.array().element(i * 6 + k) == first);
    CHECK((first == 0 || first == doctest::Approx(1 / 0.6)));
    dropped += first == 0;
  }
  CHECK(std::abs(dropped - 400) < 70);
  CHECK(drop(ones({3, 2, 2})).shape() == Shape{3, 2, 2});
  drop.eval();
  const Tensor x = ones({1, 2, 2, 2});
  CHECK(drop(x).array().shares_storage(x.array()));
  CHECK(message_of<ShapeError>([&] {
          drop(ones({4, 5}));
        }) == "Dropout2d(0.4): the input must be [N, C, H, W] or [C, H, W], got f32[4,5]");
  CHECK_THROWS_AS(nn::Dropout2d(1.1), Error);
}

TEST_CASE("layers that move numbers, pools and convolutions say what does not fit") {
  CHECK(message_of<ShapeError>([] {
          nn::Unflatten(1, {3, 5})(ones({2, 12}));
        }) == "Unflatten(axis 1 to {3, 5}): axis 1 of length 12 cannot become {3, 5}: input f32[2,12]");
  CHECK(contains(message_of<ShapeError>([] { nn::Unflatten(1, {-1, -1})(ones({2, 12})); }), "cannot become {-1, -1}"));
  CHECK(contains(message_of<ShapeError>([] { nn::Unflatten(1, {-1, 0})(ones({2, 12})); }), "cannot become {-1, 0}"));
  CHECK_THROWS_AS(nn::Unflatten(3, {2, 2})(ones({2, 4})), IndexError);
  CHECK(message_of<ShapeError>([] {
          nn::PixelShuffle{2}(ones({1, 6, 3, 3}));
        }) == "PixelShuffle(2): the channels must divide into groups of 4, got 6: input f32[1,6,3,3]");
  CHECK(message_of<ShapeError>([] {
          nn::PixelUnshuffle{2}(ones({1, 6, 3, 4}));
        }) == "PixelUnshuffle(2): height and width must be multiples of 2, got 3 by 4: input f32[1,6,3,4]");
  CHECK(message_of<ShapeError>([] { nn::Upsample{{}}; }) ==
        "Upsample: one of size and scale_factor must be given, and only one");
  CHECK(message_of<ShapeError>([] {
          nn::Upsample{{.scale_factor = 2}}(ones({3, 3}));
        }) == "Upsample(2 times, nearest): the input must be [N, C, H, W], got f32[3,3]");
  CHECK(message_of<ShapeError>([] { nn::MaxPool1d{3}(ones({4})); }) ==
        "MaxPool1d(3): the input must be [N, C, L] or [C, L], got f32[4]");
  CHECK(contains(message_of<ShapeError>([] {
                   nn::AvgPool1d(3, {.padding = 2})(ones({1, 1, 9}));
                 }),
                 "AvgPool1d(3, padding 2): the padding is 0 by 2"));
  CHECK(nn::MaxPool1d(3, {.stride = 2, .dilation = 2}).description() == "MaxPool1d(3, stride 2, dilation 2)");
  CHECK_THROWS_AS(nn::MaxPool1d(0), ShapeError);
  CHECK_THROWS_AS(nn::AdaptiveAvgPool2d({2, 0}), ShapeError);
  CHECK(contains(message_of<ShapeError>([] { nn::AdaptiveAvgPool2d{2}(ones({3, 3})); }), "AdaptiveAvgPool2d(2x2): "));
  nn::Conv1d conv{4, 6, 3, {.padding = 1, .groups = 2}};
  CHECK(conv.description() == "Conv1d(4 -> 6, 3, padding 1, groups 2)");
  CHECK(contains(message_of<ShapeError>([&] {
                   conv(ones({1, 3, 9}));
                 }),
                 "Conv1d(4 -> 6, 3, padding 1, groups 2): the input has 3 channels (axis 1), the weight wants 4"));
  CHECK(message_of<ShapeError>([] { nn::Conv1d(3, 4, 3, {.groups = 2}); }) ==
        "Conv1d: 3 input and 4 output channels do not divide into 2 groups");
  CHECK(contains(message_of<ShapeError>([] {
                   nn::ConvTranspose2d(2, 3, 2)(ones({1, 3, 4, 4}));
                 }),
                 "ConvTranspose2d(2 -> 3, 2x2): the input has 3 channels (axis 1), the weight wants 2"));
  CHECK(contains(message_of<DtypeError>([&] { conv(ones({1, 4, 9}, f64)); }), "the layer's numbers are f32"));
  CHECK(message_of<ShapeError>([] { nn::PReLU{3}(ones({2, 4})); }).ends_with("try: PReLU(4)"));
  CHECK(message_of<Error>([] { nn::GELU{"tan"}; }) == "GELU: approximate must be \"none\" or \"tanh\", got \"tan\"");
  const Tensor x = ones({2});
  CHECK(nn::Identity{}(x).array().shares_storage(x.array()));
}
