// Parts and repetitions of tensors: diagonals, triangles, tiles, pieces.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

/// A diagonal of two axes of a tensor of shape `from`; in the result it is the last axis.
struct Diagonal {
  Shape from;
  int64_t offset;
  int a, b;
  int64_t length() const {
    return std::max<int64_t>(0, offset >= 0 ? std::min(from[a], from[b] - offset) : std::min(from[a] + offset, from[b]));
  }
};

Array diagonal_of(const Array& x, const Diagonal& d) {
  Shape shape;
  int64_t strides[max_rank] = {};
  for (int i = 0; i < x.rank(); ++i)
    if (i != d.a && i != d.b) strides[shape.rank()] = x.stride(i), shape.push_back(x.shape()[i]);
  strides[shape.rank()] = x.stride(d.a) + x.stride(d.b);
  shape.push_back(d.length());
  const int64_t start = d.length() == 0 ? 0 : d.offset >= 0 ? d.offset * x.stride(d.b) : -d.offset * x.stride(d.a);
  return x.as_strided(shape, strides, start);
}

Tensor read_diagonal(const Tensor& x, const Diagonal& d);
Tensor write_diagonal(const Tensor& x, const Diagonal& d);

struct ReadDiagonal {
  static constexpr const char* name = "diagonal";
  struct Saved {
    Diagonal d;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return write_diagonal(b.grad(), s.d); });
  }
  static Samples samples() {
    return {sample("main", {sample_values({3, 4})}, [](auto& x) { return diagonal(x[0]); }),
            sample("above", {sample_values({3, 4})}, [](auto& x) { return diagonal(x[0], 2); }),
            sample("below", {sample_values({4, 3})}, [](auto& x) { return diagonal(x[0], -1); }),
            sample("of three axes", {sample_values({2, 3, 3})}, [](auto& x) { return diagonal(x[0], 0, 1, 2); }),
            sample("first and last axis", {sample_values({3, 2, 3})}, [](auto& x) { return diagonal(x[0], 1, -1, 0); }),
            sample("outside", {sample_values({2, 2})}, [](auto& x) { return diagonal(x[0], 5); })};
  }
};

struct WriteDiagonal {
  static constexpr const char* name = "diag_embed";
  struct Saved {
    Diagonal d;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return read_diagonal(b.grad(), s.d); });
  }
  static Samples samples() {
    return {sample("matrix", {sample_values({3})}, [](auto& x) { return diag_embed(x[0]); }),
            sample("above, in a batch", {sample_values({2, 3})}, [](auto& x) { return diag_embed(x[0], 1); }),
            sample("below", {sample_values({2})}, [](auto& x) { return diag_embed(x[0], -2); })};
  }
};

Tensor read_diagonal(const Tensor& x, const Diagonal& d) {
  return primitive<ReadDiagonal>(
      diagonal_of(x.array(), d), [&] { return ReadDiagonal::Saved{d}; }, x);
}
Tensor write_diagonal(const Tensor& x, const Diagonal& d) {
  Array y = Array::zeros(d.from, x.dtype());
  Array to = diagonal_of(y, d);
  if (to.size() > 0) to.assign(x.array(), "diag_embed");
  return primitive<WriteDiagonal>(
      y, [&] { return WriteDiagonal::Saved{d}; }, x);
}

/// 1 where column - row lies on the wanted side of `offset`.
Tensor triangle(const char* op, const Tensor& x, int64_t offset, bool lower) {
  if (x.rank() < 2) throw ShapeError(op, join("the tensor must have at least two axes, got ", describe(x)));
  const int64_t rows = x.shape()[x.rank() - 2], columns = x.shape().back();
  Array keep({rows, columns}, boolean);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      keep.uninitialized<bool>()[i * columns + j] = lower ? j - i <= offset : j - i >= offset;
  return where(Tensor(keep), x, Tensor(Array::zeros({}, x.dtype())));
}

// ---- composites -----------------------------------------------------------------------------------------------------

struct Tril {
  static constexpr const char* name = "tril";
  static Samples samples() {
    return {sample("main", {sample_values({3, 4})}, [](auto& x) { return tril(x[0]); }),
            sample("below, in a batch", {sample_values({2, 3, 3})}, [](auto& x) { return tril(x[0], -1); })};
  }
};

struct Triu {
  static constexpr const char* name = "triu";
  static Samples samples() {
    return {sample("main", {sample_values({3, 4})}, [](auto& x) { return triu(x[0]); }),
            sample("above, in a batch", {sample_values({2, 3, 3})}, [](auto& x) { return triu(x[0], 1); })};
  }
};

struct MaskedFill {
  static constexpr const char* name = "masked_fill";
  static Samples samples() {
    return {sample("where positive", {sample_values({3, 4})}, [](auto& x) { return masked_fill(x[0], x[0] > 0.0, -1.5); }),
            sample("mask broadcast", {sample_values({2, 3})}, [](auto& x) {
              return masked_fill(x[0], Tensor(Array::of<bool>({3}, {true, false, true})), 7);
            })};
  }
};

struct Repeat {
  static constexpr const char* name = "repeat";
  static Samples samples() {
    return {sample("both axes", {sample_values({2, 3})},
                   [](auto& x) {
                     return repeat(x[0], {2, 3});
                   }),
            sample("new axis", {sample_values({3})},
                   [](auto& x) {
                     return repeat(x[0], {4, 2});
                   }),
            sample("no times", {sample_values({2})}, [](auto& x) { return repeat(x[0], {0}); })};
  }
};

struct RepeatInterleave {
  static constexpr const char* name = "repeat_interleave";
  static Samples samples() {
    return {sample("rows", {sample_values({2, 3})}, [](auto& x) { return repeat_interleave(x[0], 3, 0); }),
            sample("columns", {sample_values({2, 3})}, [](auto& x) { return repeat_interleave(x[0], 2, -1); })};
  }
};

struct Unbind {
  static constexpr const char* name = "unbind";
  static Samples samples() {
    return {sample("rows", {sample_values({3, 2})}, [](auto& x) { return unbind(x[0]); }),
            sample("one column", {sample_values({3, 2})}, [](auto& x) { return unbind(x[0], 1).at(1); })};
  }
};

struct Chunk {
  static constexpr const char* name = "chunk";
  static Samples samples() {
    return {sample("even", {sample_values({4, 2})}, [](auto& x) { return chunk(x[0], 2); }),
            sample("uneven", {sample_values({2, 7})}, [](auto& x) { return chunk(x[0], 3, 1); })};
  }
};

struct MoveDim {
  static constexpr const char* name = "movedim";
  static Samples samples() {
    return {sample("to the end", {sample_values({2, 3, 4})}, [](auto& x) { return movedim(x[0], 0, -1); }),
            sample("to the front", {sample_values({2, 3, 4})}, [](auto& x) { return movedim(x[0], 2, 0); })};
  }
};

[[maybe_unused]] const bool arrange_composites =
    register_composites<Tril, Triu, MaskedFill, Repeat, RepeatInterleave, Unbind, Chunk, MoveDim>();

}  // namespace

Tensor diagonal(const Tensor& x, int64_t offset, Axis first, Axis second) {
  if (x.rank() < 2) throw ShapeError("diagonal", join("the tensor must have at least two axes, got ", describe(x)));
  const int a = normal_axis("diagonal", first, x.shape()), b = normal_axis("diagonal", second, x.shape());
  if (a == b) throw ShapeError("diagonal", join("axis ", a, " is named twice; a diagonal runs along two"));
  return read_diagonal(x, {x.shape(), offset, a, b});
}

Tensor diag_embed(const Tensor& x, int64_t offset) {
  if (x.rank() < 1) throw ShapeError("diag_embed", join("the tensor must have at least one axis, got ", describe(x)));
  int64_t n = 0;
  if (offset == std::numeric_limits<int64_t>::min() || __builtin_add_overflow(x.shape().back(), std::abs(offset), &n))
    throw ShapeError("diag_embed", join("with offset ", offset, " the matrix would be longer than 64 bits can count"));
  Shape shape = x.shape();
  shape[x.rank() - 1] = n;
  shape.push_back(n);
  return write_diagonal(x, {shape, offset, shape.rank() - 2, shape.rank() - 1});
}

Tensor tril(const Tensor& x, int64_t offset) { return triangle("tril", x, offset, true); }
Tensor triu(const Tensor& x, int64_t offset) { return triangle("triu", x, offset, false); }

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  if (mask.dtype() != boolean)
    throw DtypeError("masked_fill", join("the mask must be bool, got ", describe(mask)), "compare it, e.g. x > 0");
  if (value.rank() > 0)
    throw ShapeError("masked_fill", join("the value is ", describe(value), "; it must be a single number"),
                     "where(mask, value, x)");
  if (!is_real(x.dtype()) && is_real(value.dtype()))
    throw DtypeError("masked_fill", join("the value is real, the tensor ", describe(x), ", and so is the result"),
                     "where(mask, value, x)");
  Shape shape;
  if (!broadcasts(x.shape(), mask.shape(), shape) || !(shape == x.shape()))
    throw ShapeError("masked_fill", join("the mask is ", describe(mask), ", the tensor ", describe(x),
                                         "; the mask must broadcast to the tensor"));
  return where(mask, is_real(x.dtype()) ? value : as_operand("masked_fill", value, x.dtype()), x);
}

Tensor repeat(const Tensor& x, const std::vector<int64_t>& counts) {
  const int extra = static_cast<int>(counts.size()) - x.rank();
  if (extra < 0)
    throw ShapeError("repeat", join("got ", counts.size(), " counts for ", describe(x), "; there must be at least ",
                                    x.rank(), ", one for each axis"));
  for (int64_t n : counts) check_option("repeat", "number of copies", n, 0, most_elements);
  Shape shape;
  for (int i = 0; i < extra; ++i) shape.push_back(1);
  for (int i = 0; i < x.rank(); ++i) shape.push_back(x.shape()[i]);
  Tensor y = reshape(x, shape);
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t n = shape[i], count = counts[static_cast<std::size_t>(i)];
    if (count == 1) continue;
    int64_t outer = 1, inner = 1;
    for (int k = 0; k < i; ++k) outer *= y.shape()[k];
    for (int k = i + 1; k < y.rank(); ++k) inner *= y.shape()[k];
    Shape next = y.shape();
    next[i] = product("repeat", n, count);
    y = reshape(expand(reshape(y, {outer, 1, n * inner}), {outer, count, n * inner}), next);
  }
  return y;
}

Tensor repeat_interleave(const Tensor& x, int64_t count, Axis along) {
  if (x.rank() == 0) return repeat_interleave(reshape(x, {1}), count, along);
  const int axis = normal_axis("repeat_interleave", along, x.shape());
  check_option("repeat_interleave", "number of copies", count, 0, most_elements);
  const AroundAxis a(x.shape(), axis);
  Shape shape = x.shape();
  shape[axis] = product("repeat_interleave", shape[axis], count);
  return reshape(expand(reshape(x, {a.outer * a.length, 1, a.inner}), {a.outer * a.length, count, a.inner}), shape);
}

std::vector<Tensor> unbind(const Tensor& x, Axis along) {
  const int axis = normal_axis("unbind", along, x.shape());
  std::vector<Tensor> pieces;
  if (x.shape()[axis] == 0) return pieces;
  for (const Tensor& piece : split(x, 1, axis)) pieces.push_back(squeeze(piece, axis));
  return pieces;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t count, Axis along) {
  const int axis = normal_axis("chunk", along, x.shape());
  check_option("chunk", "number of pieces", count, 1, most_elements);
  const int64_t n = x.shape()[axis];
  return split(x, std::max<int64_t>(1, n / count + (n % count > 0)), axis);
}

Tensor movedim(const Tensor& x, Axis source, Axis target) {
  if (x.rank() == 0) return reshape(movedim(reshape(x, {1}), source, target), {});
  const int from = normal_axis("movedim", source, x.shape()), to = normal_axis("movedim", target, x.shape());
  std::vector<int> axes;
  for (int i = 0; i < x.rank(); ++i)
    if (i != from) axes.push_back(i);
  axes.insert(axes.begin() + to, from);
  return permute(x, axes);
}

Tensor one_hot(const Tensor& index, int64_t classes, Dtype dtype) {
  check_option("one_hot", "number of classes", classes, 1, most_elements);
  const Array at = checked_indices("one_hot", index, classes);
  Shape shape = index.shape();
  shape.push_back(classes);
  Array y = Array::zeros(shape, dtype);
  visit(dtype, [&]<class T>() {
    for (int64_t k = 0; k < at.size(); ++k) y.uninitialized<T>()[k * classes + at.data<int64_t>()[k]] = T(1);
  });
  return Tensor(y);
}

}  // namespace gradus
