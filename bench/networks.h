// The networks of the workloads W3 to W6, as a user writes them; bench/peers/torch_networks.py has their twins.
#pragma once

#include <gradus/nn/nn.h>

#include <optional>

namespace gradus::bench {

/// The MNIST example of PyTorch's documentation, [N, 1, 28, 28] -> [N, 10].
struct MnistExample : nn::Module<MnistExample> {
  nn::Conv2d conv1{1, 32, 3}, conv2{32, 64, 3};
  nn::Dropout dropout1{0.25}, dropout2{0.5};
  nn::Linear fc1{9216, 128}, fc2{128, 10};
  GRADUS_FIELDS(conv1, conv2, dropout1, dropout2, fc1, fc2)
  Tensor forward(const Tensor& x) {
    const Tensor features = dropout1(max_pool2d(relu(conv2(relu(conv1(x)))), 2));
    return fc2(dropout2(relu(fc1(flatten(features, 1)))));
  }
};

/// Two 3x3 convolutions and what goes around them: He, Zhang, Ren and Sun, 2015, with a 1x1 convolution where shapes change.
struct ResidualBlock : nn::Module<ResidualBlock> {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d bn1, bn2;
  std::optional<nn::Sequential> skip;
  GRADUS_FIELDS(conv1, conv2, bn1, bn2, skip)
  ResidualBlock(int64_t in, int64_t out, int64_t stride)
      : conv1(in, out, 3, {.stride = stride, .padding = 1, .bias = false}),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        bn1(out),
        bn2(out) {
    if (stride != 1 || in != out)
      skip.emplace(nn::Conv2d(in, out, 1, {.stride = stride, .bias = false}), nn::BatchNorm2d(out));
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = bn2(conv2(relu(bn1(conv1(x)))));
    return relu(y + (skip ? (*skip)(x) : x));
  }
};

/// ResNet-20 for [N, 3, 32, 32].
struct ResNet20 : nn::Module<ResNet20> {
  nn::Conv2d conv{3, 16, 3, {.padding = 1, .bias = false}};
  nn::BatchNorm2d bn{16};
  std::vector<ResidualBlock> blocks;
  nn::Linear output{64, 10};
  GRADUS_FIELDS(conv, bn, blocks, output)
  ResNet20() {
    int64_t in = 16;
    for (const int64_t out : {16, 32, 64})
      for (int i = 0; i < 3; ++i) {
        blocks.emplace_back(in, out, out != in ? 2 : 1);
        in = out;
      }
  }
  Tensor forward(const Tensor& x) {
    Tensor y = relu(bn(conv(x)));
    for (auto& block : blocks) y = block(y);
    return output(flatten(adaptive_avg_pool2d(y, 1), 1));
  }
};

/// What follows each character: ids [N, T] -> [N T, 65].
template <class Rnn> struct CharRnn : nn::Module<CharRnn<Rnn>> {
  nn::Embedding embed{65, 64};
  Rnn rnn{64, 256, {.batch_first = true}};
  nn::Linear head{256, 65};
  GRADUS_FIELDS(embed, rnn, head)
  Tensor forward(const Tensor& ids) { return reshape(head(rnn(embed(ids)).y), {-1, 65}); }
};

/// An image read row by row, [N, 28, 28] -> [N, 10].
struct RowRnn : nn::Module<RowRnn> {
  nn::LSTM rnn{28, 64, {.batch_first = true}};
  nn::Linear head{64, 10};
  GRADUS_FIELDS(rnn, head)
  Tensor forward(const Tensor& x) { return head(select(rnn(x).y, 1, -1)); }
};

/// A small GPT: four pre-norm layers of width 128 with four heads, ids [N, T] -> [N T, 65], T up to 128.
struct Gpt : nn::Module<Gpt> {
  nn::Embedding tokens{65, 128};
  nn::Parameter positions{0.02 * randn({128, 128})};
  nn::TransformerEncoder body{nn::TransformerEncoderLayer{128,
                                                          4,
                                                          {.dim_feedforward = 512,
                                                           .dropout = 0,
                                                           .activation = nn::Activation::gelu,
                                                           .norm_first = true,
                                                           .batch_first = true}},
                              4, nn::LayerNorm{128}};
  nn::Linear head{128, 65, {.bias = false}};
  GRADUS_FIELDS(tokens, positions, body, head)
  Tensor forward(const Tensor& ids) {
    const Tensor x = tokens(ids) + slice(positions, 0, 0, ids.dim(1));
    return reshape(head(body(x, {.is_causal = true})), {-1, 65});
  }
};

}  // namespace gradus::bench
