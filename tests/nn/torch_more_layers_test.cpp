// Linear, Bilinear, convolutions and pools in more configurations against PyTorch (tests/vectors/make_nn_layer_vectors.py):
// padding "same", ceil_mode, inputs without a batch.
#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;
using testing::contains;
using testing::In;
using testing::message_of;
using testing::Out;

TEST_CASE("Linear and Bilinear are PyTorch's") {
  check_layer("Linear rows", nn::Linear{3, 5});
  check_layer("Linear vector", nn::Linear{7, 2});
  check_layer("Linear axes", nn::Linear{3, 4});
  check_layer("Linear no bias", nn::Linear{6, 1, {.bias = false}});
  check_layer("Linear one feature", nn::Linear{1, 9});
  check_layer(
      "Linear no rows", nn::Linear{3, 2}, [](auto& l, const In& x) { return Out{l(x[0])}; }, false);
  check_layer("Linear wide", nn::Linear{33, 17});
  const auto both = [](nn::Bilinear& l, const In& x) { return Out{l(x[0], x[1])}; };
  check_layer("Bilinear rows", nn::Bilinear{3, 4, 5}, both);
  check_layer("Bilinear vectors", nn::Bilinear{2, 3, 4}, both);
  check_layer("Bilinear axes", nn::Bilinear{5, 2, 3}, both);
  check_layer("Bilinear no bias", nn::Bilinear{3, 3, 2, {.bias = false}}, both);
  check_layer("Bilinear one output", nn::Bilinear{4, 7, 1}, both);
  check_layer("Bilinear ones", nn::Bilinear{1, 1, 3}, both);
  nn::Bilinear l{3, 4, 5};
  CHECK(contains(message_of<ShapeError>([&] {
                   l(ones({2, 3}), ones({2, 3}));
                 }),
                 "the inputs must be [.., 3] and [.., 4], equal but for the last axis, got f32[2,3] and f32[2,3]"));
  CHECK(l.description() == "Bilinear(3, 4 -> 5)");
}

TEST_CASE("convolutions are PyTorch's: padding \"same\", and inputs without a batch") {
  check_layer("Conv2d plain", nn::Conv2d{3, 5, 3});
  check_layer("Conv2d options", nn::Conv2d{3, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 3}});
  check_layer("Conv2d dilated", nn::Conv2d{3, 2, 3, {.padding = 2, .dilation = 2, .bias = false}});
  check_layer("Conv2d unbatched", nn::Conv2d{3, 4, 3});
  check_layer("Conv2d same", nn::Conv2d{3, 4, 3, {.padding = "same"}});
  check_layer("Conv2d same even", nn::Conv2d{3, 2, {2, 4}, {.padding = "same"}});
  check_layer("Conv2d same dilated", nn::Conv2d{3, 3, {4, 3}, {.padding = "same", .dilation = {1, 2}, .groups = 3}});
  check_layer("Conv2d same unbatched", nn::Conv2d{2, 3, {2, 5}, {.padding = "same"}});
  check_layer("Conv2d one pixel", nn::Conv2d{1, 2, 1});
  check_layer("Conv1d unbatched", nn::Conv1d{4, 3, 3});
  check_layer("Conv1d same", nn::Conv1d{4, 3, 5, {.padding = "same"}});
  check_layer("Conv1d same even", nn::Conv1d{4, 2, 4, {.padding = "same", .dilation = 3}});
  check_layer("Conv1d same unbatched", nn::Conv1d{2, 2, 2, {.padding = "same"}});
  check_layer("ConvTranspose1d unbatched", nn::ConvTranspose1d{4, 3, 3, {.stride = 2}});
  check_layer("ConvTranspose1d one", nn::ConvTranspose1d{1, 1, 1});
  check_layer("ConvTranspose1d depthwise", nn::ConvTranspose1d{4, 4, 3, {.padding = 1, .groups = 4}});
  check_layer("ConvTranspose2d unbatched", nn::ConvTranspose2d{3, 2, {2, 3}, {.stride = {1, 2}}});
  check_layer("ConvTranspose2d dilated", nn::ConvTranspose2d{3, 2, 3, {.padding = 1, .dilation = {2, 1}}});
  check_layer("ConvTranspose2d depthwise", nn::ConvTranspose2d{3, 6, 2, {.stride = 2, .groups = 3}});

  CHECK(nn::Conv2d(3, 4, 3, {.padding = "same"}).description() == "Conv2d(3 -> 4, 3x3, padding same)");
  CHECK(nn::Conv1d(3, 4, 3, {.padding = "same"}).description() == "Conv1d(3 -> 4, 3, padding same)");
  CHECK(nn::Conv2d(3, 4, 3, {.padding = "valid"}).description() == "Conv2d(3 -> 4, 3x3)");
  CHECK(message_of<ShapeError>([] { nn::Conv2d(3, 4, 3, {.stride = 2, .padding = "same"}); }) ==
        "Conv2d: padding \"same\" needs a stride of 1, got 2");
  CHECK(message_of<ShapeError>([] { nn::Conv1d(3, 4, 3, {.padding = "full"}); }) ==
        "padding: must be \"same\", \"valid\" or numbers, got \"full\"");
}

TEST_CASE("pools are PyTorch's: ceil_mode, and inputs without a batch") {
  const auto check_pool = [](const std::string& name, auto make) {
    check_layer(name + " plain", make(2, PoolOptions{}));
    check_layer(name + " options", make({3, 2}, PoolOptions{.stride = {2, 1}, .padding = {1, 0}}));
    check_layer(name + " unbatched", make(3, PoolOptions{.stride = 2}));
    check_layer(name + " ceil", make(2, PoolOptions{.ceil_mode = true}));
    check_layer(name + " ceil padded", make(3, PoolOptions{.stride = 2, .padding = 1, .ceil_mode = true}));
    check_layer(name + " ceil not square",
                make({2, 5}, PoolOptions{.stride = {3, 4}, .padding = {0, 2}, .ceil_mode = true}));
    check_layer(name + " ceil last left out", make(2, PoolOptions{.stride = 3, .padding = 1, .ceil_mode = true}));
  };
  check_pool("MaxPool2d", [](Pair kernel, PoolOptions o) { return nn::MaxPool2d{kernel, o}; });
  check_pool("AvgPool2d", [](Pair kernel, PoolOptions o) { return nn::AvgPool2d{kernel, o}; });
  check_layer("MaxPool2d ceil dilated", nn::MaxPool2d{2, {.stride = 2, .dilation = 3, .ceil_mode = true}});
  check_layer("MaxPool1d ceil", nn::MaxPool1d{3, {.ceil_mode = true}});
  check_layer("MaxPool1d ceil padded", nn::MaxPool1d{4, {.stride = 3, .padding = 2, .ceil_mode = true}});
  check_layer("MaxPool1d ceil unbatched", nn::MaxPool1d{2, {.stride = 3, .ceil_mode = true}});
  check_layer("AvgPool1d ceil", nn::AvgPool1d{3, {.ceil_mode = true}});
  check_layer("AvgPool1d ceil padded", nn::AvgPool1d{4, {.stride = 3, .padding = 2, .ceil_mode = true}});
  check_layer("AvgPool1d ceil unbatched", nn::AvgPool1d{2, {.stride = 3, .ceil_mode = true}});
  check_layer("AdaptiveAvgPool2d unbatched", nn::AdaptiveAvgPool2d{{2, 3}});
  check_layer("AdaptiveAvgPool2d as it is", nn::AdaptiveAvgPool2d{{7, 8}});
  check_layer("AdaptiveAvgPool2d larger", nn::AdaptiveAvgPool2d{{9, 4}});
  check_layer("AdaptiveMaxPool2d unbatched", nn::AdaptiveMaxPool2d{{2, 3}});
  check_layer("AdaptiveMaxPool2d as it is", nn::AdaptiveMaxPool2d{{7, 8}});
  check_layer("AdaptiveMaxPool2d larger", nn::AdaptiveMaxPool2d{{9, 4}});
  CHECK(nn::MaxPool2d(2, {.ceil_mode = true}).description() == "MaxPool2d(2x2, ceil_mode)");
}
