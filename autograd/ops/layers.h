// Ops that layers are made of: products, convolution, pooling, recurrent steps, normalisation, losses.
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>
#include <optional>
#include <string>
#include <vector>

namespace gradus {

// ---- products (ops/matmul.cpp, einsum.cpp, attention.cpp) ----
/// The matrix product [.., M, K] x [.., K, N] -> [.., M, N]; leading axes broadcast; 1-d operands as in NumPy.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x [.., I] times weight [O, I] transposed, plus bias [O] if given -> [.., O].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

Tensor outer(const Tensor& a, const Tensor& b);  ///< [M], [N] -> [M, N]
Tensor dot(const Tensor& a, const Tensor& b);    ///< [N], [N] -> []
/// Products with named axes: "bij,bjk->bik". Axes not in the result are summed; an axis named twice is a diagonal. "..."
/// stands for all axes of a tensor without a name; those of several tensors broadcast, from the last one on. Without an
/// arrow the result has "..." and then the axes named once, in the order of the alphabet. Errors: SpecError, ShapeError,
/// DtypeError.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& x);

// ---- decompositions (ops/decomposition.cpp), as for Arrays in core/kernels/linalg.h; the results are constants ----
struct QrTensors {
  Tensor q, r;
};
/// a [M, N] = q r. Errors: GraphError if a requires a gradient, since there is none; else as qr(Array).
QrTensors qr(const Tensor& a);
struct EigenTensors {
  Tensor values, vectors;
};
/// a [N, N] symmetric = vectors diag(values) vectors', values ascending. Errors: GraphError as qr; else as eigh(Array).
EigenTensors eigh(const Tensor& a);

struct AttentionOptions {
  Tensor mask = {};  ///< bool: true where a query may see a key; f32 or f64: added to the scores; broadcast to [.., L, S]
  double dropout_p = 0;       ///< probability of dropping a weight; in [0, 1)
  bool causal = false;        ///< query i sees the keys up to i + causal_offset
  double scale = 0;           ///< 0: 1 / sqrt(E)
  bool enable_gqa = false;    ///< axis -3 is of heads, and each head of key and value serves several of the query, in order
  int64_t causal_offset = 0;  ///< for queries that follow as many keys; S - L: the last query sees all
  std::optional<std::uint64_t> seed = {};  ///< seed of the dropout, as in dropout(); absent: default_generator() draws it
};
/// softmax(scale q k^T) v: query [.., L, E], key [.., S, E], value [.., S, D] -> [.., L, D]; leading axes broadcast. A query
/// that may see no key gives 0. Vaswani et al., 2017, equation 1. One node of the tape, which keeps two numbers for each
/// query and none of the weights. Errors: ShapeError, DtypeError, Error (dropout_p).
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options = {});

// ---- convolution and pooling (ops/conv.cpp, pool.cpp, transposed_conv.cpp, resize.cpp) ----
/// A pair of lengths for height and width; one number serves for both.
struct Pair {
  int64_t h, w;
  constexpr Pair(int64_t both) : h(both), w(both) {}
  constexpr Pair(int64_t height, int64_t width) : h(height), w(width) {}
};
struct ConvOptions {
  Pair stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
};
/// x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O] or absent -> [N, O, H', W'], H' = (H + 2 p - d (KH - 1) - 1)
/// / s + 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
struct Conv1dOptions {
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};
/// x [N, C, L], weight [O, C / groups, K], bias [O] or absent -> [N, O, L'].
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv1dOptions& options = {});
struct ConvTransposeOptions {
  Pair stride = 1, padding = 0, output_padding = 0, dilation = 1;
  int64_t groups = 1;
};
/// x [N, C, H, W], weight [C, O / groups, KH, KW], bias [O] -> [N, O, H', W'], H' = (H - 1) s - 2 p + d (KH - 1) +
/// output_padding + 1.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
struct ConvTranspose1dOptions {
  int64_t stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
};
/// x [N, C, L], weight [C, O / groups, K], bias [O] or absent -> [N, O, L'].
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose1dOptions& options = {});
struct PoolOptions {
  Pair stride = 0;         ///< 0: the kernel's size
  Pair padding = 0;        ///< at most half the kernel
  Pair dilation = 1;       ///< max_pool2d only
  bool ceil_mode = false;  ///< windows may reach over the end; elements beyond do not count
};
Tensor max_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options = {});  ///< padding counts as zeros
Tensor adaptive_avg_pool2d(const Tensor& x, Pair size);                            ///< [N, C, H, W] -> [N, C, size]
Tensor adaptive_max_pool2d(const Tensor& x, Pair size);
enum class Interpolation { nearest, bilinear, bicubic };
/// [N, C, H, W] -> [N, C, size]; align_corners puts corner pixels on corner pixels.
Tensor interpolate(const Tensor& x, Pair size, Interpolation mode = Interpolation::nearest, bool align_corners = false);

// ---- one step of a recurrent network (ops/recurrent.cpp); x [N, F], states [N, H] ----
/// w_ih [G H, F], w_hh [G H, H], biases [G H] or absent; G gates: LSTM 4 (input, forget, cell, output), GRU 3 (reset,
/// update, new).
struct CellWeights {
  Tensor w_ih, w_hh, b_ih = {}, b_hh = {};
};
struct LstmState {
  Tensor h, c;
};
LstmState lstm_cell(const Tensor& x, const LstmState& state, const CellWeights& weights);
Tensor gru_cell(const Tensor& x, const Tensor& h, const CellWeights& weights);
Tensor rnn_cell(const Tensor& x, const Tensor& h, const CellWeights& weights);  ///< tanh, one gate

// ---- normalisation, softmax, losses, randomness (ops/norm.cpp, layer_norm.cpp, softmax.cpp, loss.cpp, random.cpp) ----
Tensor softmax(const Tensor& x, Axis axis = -1);
Tensor log_softmax(const Tensor& x, Axis axis = -1);
/// Batch norm, per channel over all other axes of x [N, C, ...]: (x - mean) / sqrt(var + eps) * weight + bias, with the
/// batch's own biased statistics, which are also returned (as constants [C]; the variance unbiased, for running averages).
struct BatchNormResult {
  Tensor y;
  Array mean, variance;
};
BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);
/// Normalises over the last axes, of lengths `shape`; weight and bias [shape] may be absent.
Tensor layer_norm(const Tensor& x, const Shape& shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);
Tensor rms_norm(const Tensor& x, const Shape& shape, const Tensor& weight = {}, double eps = 1e-6);
/// Normalises the elements of each group of channels of each image of x [N, C, ...]; weight and bias [C] may be absent.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
/// Normalises each channel of each image of x [N, C, ...].
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
Tensor normalize(const Tensor& x, Axis axis = 1, double eps = 1e-12);  ///< x / max(|x|, eps) along an axis
enum class Reduction { mean, sum, none };
/// The cross-entropy of logits [N, C] (or [N, C, ...]) with labels [N] (or [N, ...]) of any integer type.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction = Reduction::mean);
/// The mean squared error; shapes must be equal.
Tensor mse_loss(const Tensor& prediction, const Tensor& target, Reduction reduction = Reduction::mean);
/// Each element is zero with probability p, else x / (1 - p). The mask is a function of (seed, element).
Tensor dropout(const Tensor& x, double p, std::uint64_t seed);
template <std::same_as<bool> Training>
Tensor dropout(const Tensor& x, double p,
               Training) = delete;  // PyTorch's flag would be taken for a seed: omit the call, or use nn::Dropout

}  // namespace gradus
