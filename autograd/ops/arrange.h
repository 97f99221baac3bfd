// Ops that rearrange elements: views, slices, concatenation, repetition and indexing.
#pragma once

#include <gradus/autograd/tensor.h>

#include <optional>
#include <vector>

namespace gradus {

// ---- views (ops/view.cpp) ----
Tensor reshape(const Tensor& x, const Shape& shape);  ///< one length may be -1
Tensor flatten(const Tensor& x, Axis start_axis = 0);
Tensor permute(const Tensor& x, const std::vector<int>& axes);
Tensor transpose(const Tensor& x, Axis a, Axis b);
Tensor expand(const Tensor& x, const Shape& shape);
Tensor unsqueeze(const Tensor& x, Axis axis);
Tensor squeeze(const Tensor& x, Axis axis);
Tensor slice(const Tensor& x, Axis axis, int64_t start, int64_t stop, int64_t step = 1);  ///< as Python's start:stop:step
Tensor select(const Tensor& x, Axis axis, int64_t index);  ///< x[..., index, ...], without the axis
Tensor to(const Tensor& x, Dtype dtype);
Tensor contiguous(const Tensor& x);
Tensor cat(const std::vector<Tensor>& xs, Axis axis = 0);
Tensor stack(const std::vector<Tensor>& xs, Axis axis = 0);
std::vector<Tensor> split(const Tensor& x, int64_t length, Axis axis = 0);  ///< pieces of `length`; the last may be shorter

// ---- parts and repetitions (ops/arrange.cpp, select.cpp, pad.cpp) ----
/// At most `count` pieces of one length, the last possibly shorter.
std::vector<Tensor> chunk(const Tensor& x, int64_t count, Axis axis = 0);
std::vector<Tensor> unbind(const Tensor& x, Axis axis = 0);  ///< every x[.., i, ..], without the axis
Tensor movedim(const Tensor& x, Axis from, Axis to);
Tensor flip(const Tensor& x, const std::vector<int>& axes);  ///< reverses the axes
/// Elements shifted beyond the last position come back at the first.
Tensor roll(const Tensor& x, const std::vector<int64_t>& shifts, const std::vector<int>& axes);
/// The whole tensor, counts[i] times along axis i; new axes in front.
Tensor repeat(const Tensor& x, const std::vector<int64_t>& counts);
inline Tensor tile(const Tensor& x, const std::vector<int64_t>& counts) { return repeat(x, counts); }
Tensor repeat_interleave(const Tensor& x, int64_t count, Axis axis);  ///< every slice, `count` times in a row
Tensor tril(const Tensor& x, int64_t offset = 0);                     ///< zero above the diagonal of the last two axes
Tensor triu(const Tensor& x, int64_t offset = 0);                     ///< zero below it
/// A view of x[i, i + offset], as the last axis.
Tensor diagonal(const Tensor& x, int64_t offset = 0, Axis a = 0, Axis b = 1);
/// A matrix of zeros with the last axis of x on its diagonal.
Tensor diag_embed(const Tensor& x, int64_t offset = 0);
/// x with `value` where the bool tensor `mask` holds; mask broadcasts to x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
enum class Padding { constant, reflect, replicate, circular };
/// x with borders. `widths`: before and after the last axis, before and after the one before it, and so on. Negative ones
/// cut off (constant only).
Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, Padding mode = Padding::constant, double value = 0);

// ---- indexing (ops/index.cpp, select.cpp); indices are i64 (or u8) constants in [0, n): -1 is an IndexError ----
/// out[i][j] = x[index[i][j]][j] for axis 0, and so on: index has x's rank.
Tensor gather(const Tensor& x, Axis axis, const Tensor& index);
/// Zeros of `shape`, with every x added at its index: the transpose of gather.
Tensor scatter_add(const Tensor& x, Axis axis, const Tensor& index, const Shape& shape);
/// Rows of weight [V, D]: index of any shape S -> [S..., D].
Tensor embedding(const Tensor& weight, const Tensor& index);
struct EmbeddingGradient {
  std::optional<int64_t> padding_idx = {};  ///< this row gets no gradient; in 0 .. V-1
  bool sparse = false;  ///< backward() leaves weight, if it is a leaf, a sparse gradient (Tensor::sparse_grad)
};
/// As embedding(), with options for the gradient of weight. Errors: IndexError for a padding_idx outside.
Tensor embedding(const Tensor& weight, const Tensor& index, EmbeddingGradient gradient);
/// Zeros [rows, D], with every x[S..., D] added to the row at its index: the transpose of embedding.
Tensor embedding_add(const Tensor& x, const Tensor& index, int64_t rows);
Tensor index_select(const Tensor& x, Axis axis, const Tensor& index);  ///< the slices of an axis at index [K]
/// X plus each slice of source at its index.
Tensor index_add(const Tensor& x, Axis axis, const Tensor& index, const Tensor& source);
/// Elements by row-major index; here alone, as in PyTorch, -1 is the last.
Tensor take(const Tensor& x, const Tensor& index);
/// gather, where x and index broadcast along the other axes.
Tensor take_along_dim(const Tensor& x, const Tensor& index, Axis axis);
Tensor masked_select(const Tensor& x, const Tensor& mask);                ///< the elements where the mask holds, 1-d
Tensor one_hot(const Tensor& index, int64_t classes, Dtype dtype = f32);  ///< a constant: [S...] -> [S..., classes]

}  // namespace gradus
