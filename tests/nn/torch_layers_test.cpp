// Activations, shapes, pools, convolutions and embeddings against PyTorch (tests/vectors/make_nn_vectors.py).
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;
using testing::In;
using testing::Out;

TEST_CASE("activations are PyTorch's") {
  check_layer("ReLU6", nn::ReLU6{});
  check_layer("Hardsigmoid", nn::Hardsigmoid{});
  check_layer("Hardswish", nn::Hardswish{});
  check_layer("Mish", nn::Mish{});
  check_layer("SELU", nn::SELU{});
  check_layer("LogSigmoid", nn::LogSigmoid{});
  check_layer("Softsign", nn::Softsign{});
  check_layer("Tanhshrink", nn::Tanhshrink{});
  check_layer("CELU", nn::CELU{2});
  check_layer("Hardtanh", nn::Hardtanh{-0.7, 1.3});
  check_layer("Hardshrink", nn::Hardshrink{0.8});
  check_layer("Softshrink", nn::Softshrink{0.6});
  check_layer("Threshold", nn::Threshold{0.2, -1.5});
  check_layer("GELU", nn::GELU{});
  check_layer("GELU tanh", nn::GELU{"tanh"});
  check_layer("PReLU", nn::PReLU{});
  check_layer("PReLU channels", nn::PReLU{7});
  check_layer("PReLU images", nn::PReLU{3});
  check_layer("GLU", nn::GLU{});
  check_layer("GLU axis 1", nn::GLU{1});
}

TEST_CASE("layers that move numbers, and upsampling, are PyTorch's") {
  check_layer("Unflatten", nn::Unflatten{1, {3, -1}});
  check_layer("Unflatten last", nn::Unflatten{-1, {2, 3}});
  check_layer("PixelShuffle", nn::PixelShuffle{2});
  check_layer("PixelShuffle unbatched", nn::PixelShuffle{3});
  check_layer("PixelUnshuffle", nn::PixelUnshuffle{2});
  check_layer("Upsample nearest", nn::Upsample{{.scale_factor = 2}});
  check_layer("Upsample size", nn::Upsample{{.size = Pair{5, 9}}});
  check_layer("Upsample bilinear", nn::Upsample{{.scale_factor = 3, .mode = Interpolation::bilinear}});
  check_layer("Upsample bilinear corners",
              nn::Upsample{{.size = Pair{9, 4}, .mode = Interpolation::bilinear, .align_corners = true}});
  check_layer("Upsample bicubic", nn::Upsample{{.size = Pair{9, 8}, .mode = Interpolation::bicubic}});
}

TEST_CASE("pools of lines and pools to a size are PyTorch's") {
  check_layer("MaxPool1d", nn::MaxPool1d{3});
  check_layer("MaxPool1d options", nn::MaxPool1d{3, {.stride = 2, .padding = 1, .dilation = 2}});
  check_layer("MaxPool1d unbatched", nn::MaxPool1d{2, {.stride = 3}});
  check_layer("AvgPool1d", nn::AvgPool1d{4});
  check_layer("AvgPool1d options", nn::AvgPool1d{3, {.stride = 2, .padding = 1}});
  check_layer("AvgPool1d unbatched", nn::AvgPool1d{2, {.stride = 1}});
  check_layer("AdaptiveAvgPool1d", nn::AdaptiveAvgPool1d{4});
  check_layer("AdaptiveMaxPool1d", nn::AdaptiveMaxPool1d{5});
  check_layer("AdaptiveAvgPool2d", nn::AdaptiveAvgPool2d{{3, 2}});
  check_layer("AdaptiveAvgPool2d global", nn::AdaptiveAvgPool2d{1});
  check_layer("AdaptiveMaxPool2d", nn::AdaptiveMaxPool2d{{2, 3}});
}

TEST_CASE("Conv1d and the transposed convolutions are PyTorch's") {
  check_layer("Conv1d", nn::Conv1d{3, 5, 3});
  check_layer("Conv1d options", nn::Conv1d{4, 6, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2}});
  check_layer("Conv1d no bias", nn::Conv1d{2, 3, 1, {.bias = false}});
  check_layer("Conv1d depthwise", nn::Conv1d{3, 3, 5, {.padding = 2, .groups = 3}});
  check_layer("Conv1d one sample", nn::Conv1d{1, 1, 4, {.stride = 3}});
  check_layer("Conv1d wide", nn::Conv1d{3, 2, 7, {.padding = 3}});
  check_layer("ConvTranspose1d", nn::ConvTranspose1d{3, 5, 3});
  check_layer("ConvTranspose1d options",
              nn::ConvTranspose1d{4, 6, 3, {.stride = 3, .padding = 1, .output_padding = 2, .dilation = 2, .groups = 2}});
  check_layer("ConvTranspose1d no bias", nn::ConvTranspose1d{2, 3, 2, {.stride = 2, .bias = false}});
  check_layer("ConvTranspose2d", nn::ConvTranspose2d{3, 2, 3});
  check_layer(
      "ConvTranspose2d options",
      nn::ConvTranspose2d{4, 6, {3, 2}, {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}, .groups = 2}});
  check_layer("ConvTranspose2d no bias", nn::ConvTranspose2d{1, 2, 2, {.stride = 2, .bias = false}});
}

TEST_CASE("Embedding is PyTorch's, with a padding index too") {
  check_layer("Embedding", nn::Embedding{7, 3});
  // The gradient of the padding row is withheld on purpose: differences see it.
  const auto rows = [](nn::Embedding& e, const In& x) { return Out{e(x[0])}; };
  check_layer("Embedding padding", nn::Embedding{7, 3, {.padding_idx = 3}}, rows, false);
  check_layer("Embedding padding from the end", nn::Embedding{7, 4, {.padding_idx = -4}}, rows, false);
}
