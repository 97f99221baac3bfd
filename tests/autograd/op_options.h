// The table behind op_options_test.cpp: for every integer option of every op a call, and what comes of it at
//   -2^63   -1   0   1   2^31   2^62   2^63-1
// "no" is a typed refusal, "memory" one for want of memory, else the shape of the result.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/autograd/sample.h>
#include <gradus/core/random.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace gradus::testing {

struct OptionRow {
  const char* op;
  const char* option;
  Tensor (*call)(int64_t);
  const char* wanted;
};

/// Ops that take no integer but an index tensor, labels or a boolean.
inline constexpr const char* ops_without_options = R"(
abs acos acosh add add_bias add_number addmm affine affine_grid alias asin asinh atan atan2 atanh avg_unpool2d batch_norm
box_iou cbrt cdist ceil celu centred checkpoint cholesky clamp contiguous conv2d_input conv2d_weight cos cosh det div
div_number dot dropout einsum elu erf erfc exp exp2 expm1 floor floor_divide fmod frac gelu gelu_tanh grid_sample gru
gru_cell gru_step hardshrink hardsigmoid hardswish hardtanh hook hook_inputs hook_results hypot index_sum instance_norm
inverse leaky_relu lerp linear log log10 log1p log2 logaddexp logsigmoid lstm lstm_cell lstm_step masked_fill masked_select
matmul max_unpool2d maximum minimum mish mse_loss mul mul_number nan_to_num neg norm_p normalize_rows number_div outer pow
pow_number prelu reciprocal relu relu6 remainder resample retain_grad rms_rows rnn rnn_cell round rsqrt selu sigmoid sign
silu sin sinh softplus softshrink softsign solve sqrt square sub svd tan tanh tanhshrink threshold to trace trunc unslice
where xlogy
)";

// Inputs; gradients go back to them.
inline Tensor leaf_of(const Shape& s) { return leaf(sample_values(s).to(f32)); }
inline Tensor row() { return leaf_of({3}); }
inline Tensor matrix() { return leaf_of({2, 3}); }
inline Tensor image() { return leaf_of({1, 2, 4, 4}); }
inline Tensor line() { return leaf_of({1, 2, 4}); }
inline Tensor kernel() { return leaf_of({2, 2, 2, 2}); }
inline Tensor edge() { return leaf_of({2, 2, 2}); }
inline Tensor at(const std::vector<int64_t>& index) { return tensor<int64_t>({static_cast<int64_t>(index.size())}, index); }
inline Tensor at22() { return tensor<int64_t>({2, 3}, {0, 1, 0, 1, 1, 0}); }
/// Lists of axes are of int, and the compiler refuses to narrow to it.
inline int narrow(int64_t v) {
  return static_cast<int>(std::clamp<int64_t>(v, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
}
inline constexpr int64_t values_min = std::numeric_limits<int64_t>::min(), values_max = std::numeric_limits<int64_t>::max();
inline Tensor first(const std::vector<Tensor>& all) { return all.at(0); }

inline const std::vector<OptionRow>& option_rows() {
  using V = int64_t;
  static const std::vector<OptionRow> rows = {
      // ---- axes ----
      {"sum", "axes", [](V v) { return sum(matrix(), {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"mean", "axes", [](V v) { return mean(matrix(), {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"var", "axes", [](V v) { return var(matrix(), {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"var", "correction", [](V v) { return var(matrix(), {0}, narrow(v)); }, "[3] [3] [3] [3] [3] [3] [3]"},
      {"std", "axes", [](V v) { return std(matrix(), {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"std", "correction", [](V v) { return std(matrix(), {0}, narrow(v)); }, "[3] [3] [3] [3] [3] [3] [3]"},
      {"extremum", "max axis", [](V v) { return max(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"extremum", "min axis", [](V v) { return min(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"amax", "axes", [](V v) { return amax(matrix(), {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"extremum", "argmax axis", [](V v) { return argmax(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"extremum", "argmin axis", [](V v) { return argmin(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"logsumexp", "axis", [](V v) { return logsumexp(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"logsumexp", "axes", [](V v) { return logsumexp(matrix(), std::vector<int>{narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"norm", "axes", [](V v) { return norm(matrix(), 2, {narrow(v)}); }, "no [2] [3] [2] no no no"},
      {"prod", "axis", [](V v) { return prod(matrix(), v); }, "no [2] [3] [2] no no no"},
      {"cosine_similarity", "axis", [](V v) { return cosine_similarity(matrix(), matrix(), v); }, "no [2] [3] [2] no no no"},
      {"cumsum", "axis", [](V v) { return cumsum(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"logcumsumexp", "axis", [](V v) { return logcumsumexp(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"cumprod", "axis", [](V v) { return cumprod(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"linear_scan", "axis", [](V v) { return linear_scan(matrix(), matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"sort", "axis", [](V v) { return sort(matrix(), v).values; }, "no [2,3] [2,3] [2,3] no no no"},
      {"sort", "argsort axis", [](V v) { return argsort(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"topk", "axis", [](V v) { return topk(matrix(), 1, v).values; }, "no [2,1] [1,3] [2,1] no no no"},
      {"topk", "k", [](V v) { return topk(matrix(), v).values; }, "no no [2,0] [2,1] no no no"},
      {"kthvalue", "axis", [](V v) { return kthvalue(matrix(), 1, v).values; }, "no [2] [3] [2] no no no"},
      {"kthvalue", "k", [](V v) { return kthvalue(matrix(), v).values; }, "no no no [2] no no no"},
      {"median", "axis", [](V v) { return median(matrix(), v).values; }, "no [2] [3] [2] no no no"},
      {"softmax", "axis", [](V v) { return softmax(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"log_softmax", "axis", [](V v) { return log_softmax(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"normalize", "axis", [](V v) { return normalize(matrix(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"glu", "axis", [](V v) { return glu(leaf_of({2, 4}), v); }, "no [2,2] [1,4] [2,2] no no no"},
      {"sum_to", "shape", [](V v) { return sum_to(matrix(), {v, 3}); }, "no [2,3] no [1,3] no no no"},
      // ---- views ----
      {"reshape", "shape", [](V v) { return reshape(matrix(), {6, v}); }, "no [6,1] no [6,1] no no no"},
      {"reshape", "two lengths", [](V v) { return reshape(matrix(), {v, v}); }, "no no no no no no no"},
      {"reshape", "of nothing", [](V v) { return reshape(leaf_of({0, 2}), {0, v}); },
       "no no [0,0] [0,1] [0,2147483648] memory memory"},
      {"reshape", "flatten start", [](V v) { return flatten(matrix(), v); }, "no [2,3] [6] [2,3] no no no"},
      {"reshape", "unsqueeze axis", [](V v) { return unsqueeze(row(), v); }, "no [3,1] [1,3] [3,1] no no no"},
      {"reshape", "squeeze axis", [](V v) { return squeeze(leaf_of({1, 1, 3}), v); }, "no no [1,3] [1,3] no no no"},
      {"permute", "axes", [](V v) { return permute(matrix(), {0, narrow(v)}); }, "no [2,3] no [2,3] no no no"},
      {"permute", "transpose", [](V v) { return transpose(matrix(), 0, v); }, "no [3,2] [2,3] [3,2] no no no"},
      {"expand", "shape", [](V v) { return expand(leaf_of({1}), {v}).detach(); },
       "no no [0] [1] [2147483648] memory memory"},
      {"expand", "two lengths", [](V v) { return expand(leaf_of({1}), {v, v}).detach(); },
       "no no [0,0] [1,1] memory memory memory"},
      {"expand", "summed", [](V v) { return sum(expand(leaf_of({1}), {std::min(v, v >> 8)})); },
       "no no [] [] [] memory memory"},
      {"slice", "axis", [](V v) { return slice(matrix(), v, 0, 1); }, "no [2,1] [1,3] [2,1] no no no"},
      {"slice", "start", [](V v) { return slice(matrix(), 1, v, 3); }, "[2,3] [2,1] [2,3] [2,2] [2,0] [2,0] [2,0]"},
      {"slice", "stop", [](V v) { return slice(matrix(), 1, 0, v); }, "[2,0] [2,2] [2,0] [2,1] [2,3] [2,3] [2,3]"},
      {"slice", "step", [](V v) { return slice(matrix(), 1, 0, 3, v); }, "no no no [2,3] [2,1] [2,1] [2,1]"},
      {"slice", "start and stop", [](V v) { return slice(matrix(), 1, v, v); }, "[2,0] [2,0] [2,0] [2,0] [2,0] [2,0] [2,0]"},
      {"slice", "select axis", [](V v) { return select(matrix(), v, 0); }, "no [2] [3] [2] no no no"},
      {"slice", "select index", [](V v) { return select(matrix(), 1, v); }, "no [2] [2] [2] no no no"},
      {"cat", "axis", [](V v) { return cat({matrix(), matrix()}, v); }, "no [2,6] [4,3] [2,6] no no no"},
      {"cat", "stack axis", [](V v) { return stack({matrix(), matrix()}, v); }, "no [2,3,2] [2,2,3] [2,2,3] no no no"},
      {"split", "length", [](V v) { return first(split(matrix(), v, 1)); }, "no no no [2,1] [2,3] [2,3] [2,3]"},
      {"split", "axis", [](V v) { return first(split(matrix(), 1, v)); }, "no [2,1] [1,3] [2,1] no no no"},
      {"split", "of a long view", [](V v) { return first(split(expand(leaf_of({1}), {int64_t(1) << 40}).detach(), v)); },
       "no no no memory [2147483648] [1099511627776] [1099511627776]"},
      {"chunk", "count", [](V v) { return first(chunk(matrix(), v, 1)); }, "no no no [2,3] [2,1] [2,1] [2,1]"},
      {"chunk", "axis", [](V v) { return first(chunk(matrix(), 2, v)); }, "no [2,2] [1,3] [2,2] no no no"},
      {"unbind", "axis", [](V v) { return first(unbind(matrix(), v)); }, "no [2] [3] [2] no no no"},
      {"movedim", "from", [](V v) { return movedim(matrix(), v, 0); }, "no [3,2] [2,3] [3,2] no no no"},
      {"movedim", "to", [](V v) { return movedim(matrix(), 0, v); }, "no [3,2] [2,3] [3,2] no no no"},
      // ---- parts and repetitions ----
      {"flip", "axes", [](V v) { return flip(matrix(), {narrow(v)}); }, "no [2,3] [2,3] [2,3] no no no"},
      {"roll", "shifts", [](V v) { return roll(matrix(), {v}, {1}); }, "[2,3] [2,3] [2,3] [2,3] [2,3] [2,3] [2,3]"},
      {"roll", "axes", [](V v) { return roll(matrix(), {1}, {narrow(v)}); }, "no [2,3] [2,3] [2,3] no no no"},
      {"repeat", "counts", [](V v) { return repeat(matrix(), {1, v}); }, "no no [2,0] [2,3] memory memory memory"},
      {"repeat", "two counts", [](V v) { return repeat(matrix(), {v, v}); }, "no no [0,0] [2,3] memory memory memory"},
      {"repeat", "of nothing", [](V v) { return repeat(leaf_of({0}), {v}); }, "no no [0] [0] [0] memory memory"},
      {"repeat_interleave", "count", [](V v) { return repeat_interleave(matrix(), v, 0); },
       "no no [0,3] [2,3] memory memory memory"},
      {"repeat_interleave", "axis", [](V v) { return repeat_interleave(matrix(), 2, v); }, "no [2,6] [4,3] [2,6] no no no"},
      {"scaled_dot_product_attention", "causal_offset",
       [](V v) {
         return scaled_dot_product_attention(matrix(), matrix(), matrix(), {.causal = true, .causal_offset = v});
       },
       "[2,3] [2,3] [2,3] [2,3] [2,3] [2,3] [2,3]"},
      {"rotary_embedding", "first",
       [](V v) {
         return rotary_embedding(reshape(row(), {3, 1, 1}).slice(0, 0, 2).reshape({1, 1, 2}), v);
       },
       "[1,1,2] [1,1,2] [1,1,2] [1,1,2] [1,1,2] [1,1,2] [1,1,2]"},
      {"tril", "offset", [](V v) { return tril(matrix(), v); }, "[2,3] [2,3] [2,3] [2,3] [2,3] [2,3] [2,3]"},
      {"triu", "offset", [](V v) { return triu(matrix(), v); }, "[2,3] [2,3] [2,3] [2,3] [2,3] [2,3] [2,3]"},
      {"diagonal", "offset", [](V v) { return diagonal(matrix(), v); }, "[0] [1] [2] [2] [0] [0] [0]"},
      {"diagonal", "first axis", [](V v) { return diagonal(matrix(), 0, v, 0); }, "no [2] no [2] no no no"},
      {"diagonal", "second axis", [](V v) { return diagonal(matrix(), 0, 0, v); }, "no [2] no [2] no no no"},
      {"diag_embed", "offset", [](V v) { return diag_embed(row(), v); }, "no [4,4] [3,3] [4,4] memory memory no"},
      {"pad", "before", [](V v) { return pad(matrix(), {v, 0}); }, "no [2,2] [2,3] [2,4] memory memory no"},
      {"pad", "both", [](V v) { return pad(matrix(), {v, v}); }, "no [2,1] [2,3] [2,5] memory no no"},
      {"pad", "before and minus after", [](V v) { return pad(matrix(), {v, v == values_min ? 0 : -v}); },
       "no [2,3] [2,3] [2,3] no no no"},
      {"pad_mirrored", "reflect", [](V v) { return pad(matrix(), {v, v}, Padding::reflect); }, "no no [2,3] [2,5] no no no"},
      {"pad_mirrored", "replicate", [](V v) { return pad(matrix(), {v, 0}, Padding::replicate); },
       "no no [2,3] [2,4] memory memory no"},
      {"pad_mirrored", "circular", [](V v) { return pad(matrix(), {0, v}, Padding::circular); },
       "no no [2,3] [2,4] no no no"},
      // ---- indices, and the axes they run along ----
      {"gather", "axis", [](V v) { return gather(matrix(), v, at22()); }, "no [2,3] [2,3] [2,3] no no no"},
      {"gather", "index", [](V v) { return gather(row(), 0, at({0, v})); }, "no no [2] [2] no no no"},
      {"scatter_add", "axis", [](V v) { return scatter_add(matrix(), v, at22(), {2, 3}); }, "no [2,3] [2,3] [2,3] no no no"},
      {"scatter_add", "shape", [](V v) { return scatter_add(row(), 0, at({0, 0, 0}), {v}); },
       "no no no [1] memory memory memory"},
      {"scatter_add", "index", [](V v) { return scatter_add(row(), 0, at({0, 1, v}), {2}); }, "no no [2] [2] no no no"},
      {"embedding", "index", [](V v) { return embedding(matrix(), at({0, v})); }, "no no [2,3] [2,3] no no no"},
      {"embedding", "padding_idx", [](V v) { return embedding(matrix(), at({0, 1}), {.padding_idx = v}); },
       "no no [2,3] [2,3] no no no"},
      {"embedding_add", "rows", [](V v) { return embedding_add(matrix(), at({0, 0}), v); },
       "no no no [1,3] memory memory memory"},
      {"embedding_add", "index", [](V v) { return embedding_add(matrix(), at({0, v}), 2); }, "no no [2,3] [2,3] no no no"},
      {"index_select", "axis", [](V v) { return index_select(matrix(), v, at({0, 0})); }, "no [2,2] [2,3] [2,2] no no no"},
      {"index_select", "index", [](V v) { return index_select(matrix(), 1, at({v})); }, "no no [2,1] [2,1] no no no"},
      {"index_add", "axis", [](V v) { return index_add(matrix(), v, at({0, 1, 1}), matrix()); },
       "no [2,3] no [2,3] no no no"},
      {"index_add", "index", [](V v) { return index_add(matrix(), 0, at({v, 0}), matrix()); }, "no no [2,3] [2,3] no no no"},
      {"take", "index", [](V v) { return take(matrix(), at({v})); }, "no [1] [1] [1] no no no"},
      {"take_along_dim", "axis", [](V v) { return take_along_dim(matrix(), at22(), v); }, "no [2,3] [2,3] [2,3] no no no"},
      {"take_along_dim", "index", [](V v) { return take_along_dim(row(), at({v}), 0); }, "no no [1] [1] no no no"},
      {"one_hot", "classes", [](V v) { return one_hot(at({0, 0}), v); }, "no no no [2,1] memory memory memory"},
      {"one_hot", "index", [](V v) { return one_hot(at({0, v}), 2); }, "no no [2,2] [2,2] no no no"},
      {"cross_entropy", "label", [](V v) { return cross_entropy(matrix(), at({0, v})); }, "no no [] [] no no no"},
      // ---- windows ----
      {"conv2d", "stride", [](V v) { return conv2d(image(), kernel(), {}, {.stride = v}); }, "no no no [1,2,3,3] no no no"},
      {"conv2d", "padding", [](V v) { return conv2d(image(), kernel(), {}, {.padding = v}); },
       "no no [1,2,3,3] [1,2,5,5] no no no"},
      {"conv2d", "stride and padding",
       [](V v) { return conv2d(image(), kernel(), {}, {.stride = v, .padding = v - (v > 2)}); },
       "no no no [1,2,5,5] no no no"},
      {"conv2d", "dilation", [](V v) { return conv2d(image(), kernel(), {}, {.dilation = v}); },
       "no no no [1,2,3,3] no no no"},
      {"conv2d", "dilation and padding",
       [](V v) { return conv2d(image(), kernel(), {}, {.padding = v >> 1, .dilation = v}); },
       "no no no [1,2,3,3] no no no"},
      {"conv2d", "groups", [](V v) { return conv2d(image(), kernel(), {}, {.groups = v}); }, "no no no [1,2,3,3] no no no"},
      {"conv1d", "stride", [](V v) { return conv1d(line(), edge(), {}, {.stride = v}); }, "no no no [1,2,3] no no no"},
      {"conv1d", "padding", [](V v) { return conv1d(line(), edge(), {}, {.padding = v}); },
       "no no [1,2,3] [1,2,5] no no no"},
      {"conv1d", "dilation", [](V v) { return conv1d(line(), edge(), {}, {.dilation = v}); }, "no no no [1,2,3] no no no"},
      {"conv1d", "groups", [](V v) { return conv1d(line(), edge(), {}, {.groups = v}); }, "no no no [1,2,3] no no no"},
      {"conv_transpose2d", "stride", [](V v) { return conv_transpose2d(image(), kernel(), {}, {.stride = v}); },
       "no no no [1,2,5,5] no no no"},
      {"conv_transpose2d", "padding", [](V v) { return conv_transpose2d(image(), kernel(), {}, {.padding = v}); },
       "no no [1,2,5,5] [1,2,3,3] no no no"},
      {"conv_transpose2d", "output_padding",
       [](V v) { return conv_transpose2d(image(), kernel(), {}, {.stride = 2, .output_padding = v}); },
       "no no [1,2,8,8] [1,2,9,9] no no no"},
      {"conv_transpose2d", "dilation", [](V v) { return conv_transpose2d(image(), kernel(), {}, {.dilation = v}); },
       "no no no [1,2,5,5] no no no"},
      {"conv_transpose2d", "groups", [](V v) { return conv_transpose2d(image(), kernel(), {}, {.groups = v}); },
       "no no no [1,2,5,5] no no no"},
      {"conv_transpose1d", "stride", [](V v) { return conv_transpose1d(line(), edge(), {}, {.stride = v}); },
       "no no no [1,2,5] no no no"},
      {"conv_transpose1d", "padding", [](V v) { return conv_transpose1d(line(), edge(), {}, {.padding = v}); },
       "no no [1,2,5] [1,2,3] no no no"},
      {"conv_transpose1d", "output_padding and dilation",
       [](V v) { return conv_transpose1d(line(), edge(), {}, {.output_padding = v, .dilation = std::max<V>(v, v + (v < values_max))}); },
       "no no [1,2,5] [1,2,7] no no no"},
      {"conv_transpose1d", "dilation", [](V v) { return conv_transpose1d(line(), edge(), {}, {.dilation = v}); },
       "no no no [1,2,5] no no no"},
      {"conv_transpose1d", "groups", [](V v) { return conv_transpose1d(line(), edge(), {}, {.groups = v}); },
       "no no no [1,2,5] no no no"},
      {"max_pool2d", "kernel", [](V v) { return max_pool2d(image(), v); }, "no no no [1,2,4,4] no no no"},
      {"max_pool2d", "kernel and padding",
       [](V v) { return max_pool2d(image(), v - (v > 2), {.stride = 1, .padding = (v - (v > 2)) >> 1}); },
       "no no no [1,2,4,4] [1,2,4,4] no no"},
      {"max_pool2d", "stride", [](V v) { return max_pool2d(image(), 2, {.stride = v}); },
       "no no [1,2,2,2] [1,2,3,3] no no no"},
      {"max_pool2d", "padding", [](V v) { return max_pool2d(image(), 2, {.padding = v}); },
       "no no [1,2,2,2] [1,2,3,3] no no no"},
      {"max_pool2d", "dilation", [](V v) { return max_pool2d(image(), 2, {.dilation = v}); }, "no no no [1,2,2,2] no no no"},
      {"avg_pool2d", "kernel", [](V v) { return avg_pool2d(image(), v); }, "no no no [1,2,4,4] no no no"},
      {"avg_pool2d", "kernel and padding",
       [](V v) { return avg_pool2d(image(), v - (v > 2), {.stride = 1, .padding = (v - (v > 2)) >> 1}); },
       "no no no [1,2,4,4] [1,2,4,4] no no"},
      {"avg_pool2d", "stride", [](V v) { return avg_pool2d(image(), 2, {.stride = v}); },
       "no no [1,2,2,2] [1,2,3,3] no no no"},
      {"avg_pool2d", "padding", [](V v) { return avg_pool2d(image(), 2, {.padding = v}); },
       "no no [1,2,2,2] [1,2,3,3] no no no"},
      {"avg_pool2d", "dilation", [](V v) { return avg_pool2d(image(), 2, {.dilation = v}); }, "no no no [1,2,2,2] no no no"},
      {"adaptive_avg_pool2d", "size", [](V v) { return adaptive_avg_pool2d(image(), {1, v}); },
       "no no no [1,2,1,1] memory memory memory"},
      {"adaptive_max_pool2d", "size", [](V v) { return adaptive_max_pool2d(image(), {v, 1}); },
       "no no no [1,2,1,1] memory memory memory"},
      {"unfold", "kernel", [](V v) { return unfold(image(), v); }, "no no no [1,2,16] no no no"},
      {"unfold", "stride", [](V v) { return unfold(image(), 2, {.stride = v}); }, "no no no [1,8,9] no no no"},
      {"unfold", "padding", [](V v) { return unfold(image(), 2, {.padding = v}); }, "no no [1,8,9] [1,8,25] no no no"},
      {"unfold", "dilation", [](V v) { return unfold(image(), 2, {.dilation = v}); }, "no no no [1,8,9] no no no"},
      {"fold", "size", [](V v) { return fold(leaf_of({1, 2, 1}), v, 1); }, "no no no [1,2,1,1] no no no"},
      {"fold", "kernel", [](V v) { return fold(leaf_of({1, 2, 16}), 4, v); }, "no no no [1,2,4,4] no no no"},
      {"fold", "stride", [](V v) { return fold(leaf_of({1, 2, 16}), 4, 1, {.stride = v}); },
       "no no no [1,2,4,4] no no no"},
      {"fold", "padding", [](V v) { return fold(leaf_of({1, 8, 9}), 4, 2, {.padding = v}); },
       "no no [1,2,4,4] no no no no"},
      {"fold", "dilation", [](V v) { return fold(leaf_of({1, 8, 9}), 4, 2, {.dilation = v}); },
       "no no no [1,2,4,4] no no no"},
      {"roi_align", "size", [](V v) { return roi_align(image(), tensor<float>({1, 5}, {0, 0, 0, 2, 2}), {v, 1}); },
       "no no no [1,2,1,1] no no no"},
      {"roi_align", "sampling_ratio",
       [](V v) { return roi_align(image(), tensor<float>({1, 5}, {0, 0, 0, 2, 2}), 1, {.sampling_ratio = v}); },
       "no [1,2,1,1] [1,2,1,1] [1,2,1,1] no no no"},
      {"interpolate", "size", [](V v) { return interpolate(image(), {v, 2}, Interpolation::bilinear); },
       "no no no [1,2,1,2] memory memory memory"},
      // ---- normalisation ----
      {"group_norm", "groups", [](V v) { return group_norm(leaf_of({2, 4, 3}), v); }, "no no no [2,4,3] no no no"},
      {"layer_norm", "shape", [](V v) { return layer_norm(matrix(), {v}); }, "no no no no no no no"},
      {"rms_norm", "shape", [](V v) { return rms_norm(matrix(), {v}); }, "no no no no no no no"},
      // ---- constants ----
      {"zeros", "shape", [](V v) { return zeros({v}); }, "no no [0] [1] memory memory memory"},
      {"zeros", "two lengths", [](V v) { return zeros({v, v}, f64); }, "no no [0,0] [1,1] memory memory memory"},
      {"zeros", "of nothing", [](V v) { return zeros({0, v}); }, "no no [0,0] [0,1] [0,2147483648] memory memory"},
      {"arange", "n", [](V v) { return arange(v); }, "no no [0] [1] memory memory memory"},
      {"permutation", "n", [](V v) { return zeros({static_cast<V>(permutation(v, 1).size())}); },
       "no no [0] [1] memory memory memory"},
      {"dim", "axis", [](V v) { return zeros({matrix().dim(v)}); }, "no [3] [2] [3] no no no"},
  };
  return rows;
}

}  // namespace gradus::testing
