// The small models whose files are exchanged with Python: tests/vectors/make_file_vectors.py has the same.
#pragma once

#include <gradus/nn/nn.h>

namespace gradus::testing {

struct FileCnn : nn::Module<FileCnn> {
  nn::Conv2d conv1{1, 4, 3, {.padding = 1}};
  nn::BatchNorm2d norm{4};
  nn::Conv2d conv2{4, 6, 3, {.stride = 2, .groups = 2}};
  nn::Linear head{18, 5};
  GRADUS_FIELDS(conv1, norm, conv2, head)
  Tensor forward(const Tensor& x) { return head(flatten(relu(conv2(max_pool2d(relu(norm(conv1(x))), 2))), 1)); }
};

inline nn::LSTM file_lstm() { return nn::LSTM{5, 6, {.num_layers = 2, .bidirectional = true, .batch_first = true}}; }
inline nn::GRU file_gru() { return nn::GRU{5, 6, {.num_layers = 2}}; }

inline const nn::TransformerOptions file_post_norm{.dim_feedforward = 24, .batch_first = true};
inline const nn::TransformerOptions file_pre_norm{
    .dim_feedforward = 24, .activation = nn::Activation::gelu, .norm_first = true, .batch_first = true};
inline nn::TransformerEncoder file_encoder(bool pre_norm) {
  if (!pre_norm) return {nn::TransformerEncoderLayer{16, 4, file_post_norm}, 2};
  return {nn::TransformerEncoderLayer{16, 4, file_pre_norm}, 2, nn::LayerNorm{16}};
}
inline nn::TransformerDecoderLayer file_decoder_layer() { return {16, 4, file_post_norm}; }

}  // namespace gradus::testing
