// Every op, one line of meaning and one declaration each: the public index. Names and defaults are PyTorch's.
// Elementwise ops broadcast as NumPy does; a plain number takes the dtype of the tensor it meets.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

// ---- arithmetic (ops/arithmetic.cpp) ----
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(const Tensor& a, double b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(const Tensor& a, double b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(const Tensor& a, double b);
Tensor operator/(double a, const Tensor& b);
Tensor operator-(const Tensor& a);
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
Tensor pow(const Tensor& a, double exponent);
Tensor pow(const Tensor& a, const Tensor& exponent);  ///< a > 0 where the exponent's gradient is wanted
Tensor max(const Tensor& a, const Tensor& b);         ///< elementwise; at a tie the gradient goes to b
Tensor min(const Tensor& a, const Tensor& b);
Tensor abs(const Tensor& x);                          ///< gradient 0 at 0
Tensor sign(const Tensor& x);                         ///< gradient 0
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor clamp(const Tensor& x, double low, double high);  ///< gradient 0 outside [low, high]

// ---- comparison: bool constants, never recorded ----
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator!(const Tensor& a);
/// a where the bool tensor `condition` holds, else b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
inline Tensor select(const Tensor& condition, const Tensor& a, const Tensor& b) { return where(condition, a, b); }

// ---- activation (ops/activation.cpp) ----
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1);
Tensor gelu(const Tensor& x);      ///< exact: x (1 + erf(x / sqrt 2)) / 2
Tensor erf(const Tensor& x);
Tensor silu(const Tensor& x);      ///< x sigmoid(x)
Tensor softplus(const Tensor& x);  ///< log(1 + e^x)

// ---- reduction (ops/reduce.cpp); an empty list of axes means all; `keep` leaves length 1 ----
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor var(const Tensor& x, const std::vector<int>& axes = {}, int correction = 1, bool keep = false);
Tensor std(const Tensor& x, const std::vector<int>& axes = {}, int correction = 1, bool keep = false);
Tensor max(const Tensor& x, int axis, bool keep = false);  ///< NaN wins; the gradient goes to the first largest element
Tensor min(const Tensor& x, int axis, bool keep = false);
Tensor max(const Tensor& x);                               ///< over everything
Tensor min(const Tensor& x);
Tensor argmax(const Tensor& x, int axis, bool keep = false);  ///< i64 constant, the first largest
Tensor argmin(const Tensor& x, int axis, bool keep = false);
Tensor logsumexp(const Tensor& x, int axis, bool keep = false);
Tensor norm(const Tensor& x);                              ///< Euclidean, over everything
Tensor sum_to(const Tensor& x, const Shape& shape);        ///< undoes expand

// ---- views (ops/view.cpp) ----
Tensor reshape(const Tensor& x, const Shape& shape);       ///< one length may be -1
Tensor flatten(const Tensor& x, int start_axis = 0);
Tensor permute(const Tensor& x, const std::vector<int>& axes);
Tensor transpose(const Tensor& x, int a, int b);
Tensor expand(const Tensor& x, const Shape& shape);
Tensor unsqueeze(const Tensor& x, int axis);
Tensor squeeze(const Tensor& x, int axis);
Tensor slice(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step = 1);  ///< as Python's start:stop:step
Tensor select(const Tensor& x, int axis, int64_t index);   ///< x[..., index, ...], without the axis
Tensor to(const Tensor& x, Dtype dtype);
Tensor contiguous(const Tensor& x);
Tensor cat(const std::vector<Tensor>& xs, int axis = 0);
Tensor stack(const std::vector<Tensor>& xs, int axis = 0);
std::vector<Tensor> split(const Tensor& x, int64_t length, int axis = 0);  ///< pieces of `length`; the last may be shorter

// ---- indexing (ops/index.cpp); indices are i64 (or u8) constants ----
/// out[i][j] = x[index[i][j]][j] for axis 0, and so on: index has x's rank.
Tensor gather(const Tensor& x, int axis, const Tensor& index);
/// zeros of `shape`, with every x added at its index: undoes gather.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Shape& shape);
/// Rows of weight [V, D]: index of any shape S -> [S..., D].
Tensor embedding(const Tensor& weight, const Tensor& index);
/// zeros [rows, D], with every x[S..., D] added to the row that index names: undoes embedding.
Tensor embedding_add(const Tensor& x, const Tensor& index, int64_t rows);

// ---- products (ops/matmul.cpp) ----
/// [.., M, K] x [.., K, N] -> [.., M, N]; leading axes broadcast; 1-d operands as in NumPy.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x [.., I] times weight [O, I] transposed, plus bias [O] if given -> [.., O].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- convolution and pooling (ops/conv.cpp, ops/pool.cpp) ----
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
/// x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O] or absent -> [N, O, H', W'], H' = (H + 2 p - d (KH - 1) - 1) / s + 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
struct PoolOptions {
  Pair stride = 0;   ///< 0: the kernel's size
  Pair padding = 0;  ///< at most half the kernel
  Pair dilation = 1; ///< max_pool2d only
};
Tensor max_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, Pair kernel, const PoolOptions& options = {});  ///< padding counts as zeros

// ---- normalisation, softmax, losses, randomness (ops/norm.cpp, softmax.cpp, loss.cpp, random.cpp) ----
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);
/// Per channel over all other axes of x [N, C, ...]: (x - mean) / sqrt(var + eps) * weight + bias, with the batch's own biased
/// statistics, which are also returned (as constants [C]; the variance unbiased, for running averages).
struct BatchNormResult {
  Tensor y;
  Array mean, variance;
};
BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);
enum class Reduction { mean, sum, none };
/// logits [N, C] (or [N, C, ...]) against labels [N] (or [N, ...]) of any integer type.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction = Reduction::mean);
Tensor mse_loss(const Tensor& prediction, const Tensor& target, Reduction reduction = Reduction::mean);  ///< shapes must be equal
/// Each element is zero with probability p, else x / (1 - p). The mask is a function of (seed, element).
Tensor dropout(const Tensor& x, double p, std::uint64_t seed);

}  // namespace gradus
