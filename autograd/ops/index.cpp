// Gather and scatter ops with integer index tensors.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>

namespace gradus {

namespace {

/// The position of element i of a dense tensor of this shape, as "[1,2]".
std::string position(const Shape& s, int64_t i) {
  Shape at = s;
  for (int axis = s.rank(); axis-- > 0; i /= s[axis]) at[axis] = i % s[axis];
  return to_string(at);
}

}  // namespace

Array checked_indices(const char* op, const Tensor& index, int64_t n, Negative negative) {
  if (index.dtype() != i64 && index.dtype() != u8)
    throw DtypeError(op, join("indices must be i64 or u8, got ", describe(index)),
                     is_real(index.dtype()) ? "x.to(i64)" : "");
  Array out = index.dtype() == i64 ? Array(index.shape(), i64) : index.array().to(i64);
  const Array from = index.dtype() == i64 ? index.array().contiguous() : out;
  const int64_t* in = from.data<int64_t>();
  int64_t* p = out.uninitialized<int64_t>();
  const int64_t more = negative == Negative::from_the_end ? n : 0;
  const auto length = static_cast<std::uint64_t>(n);
  bool outside = false;
  for (int64_t k = 0; k < out.size(); ++k) {
    const int64_t i = in[k] < 0 ? in[k] + more : in[k];
    outside |= static_cast<std::uint64_t>(i) >= length;
    p[k] = i;
  }
  for (int64_t k = 0; outside && k < out.size(); ++k)
    if (static_cast<std::uint64_t>(p[k]) >= length)
      throw IndexError(
          op, join("index ", in[k], " at ", position(out.shape(), k), "; indices must lie in [", -more, ", ", n - 1, "]"));
  return out;
}

namespace {

void check_gather(const char* op, const Shape& x, int axis, const Shape& index) {
  bool fits = x.rank() == index.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || x[i] == index[i];
  if (!fits) throw ShapeError(op, join("index is ", index, ", the tensor ", x, "; all axes but ", axis, " must be equal"));
}

// The ops check their indices; gradients reuse the checked ones.
Tensor gather_at(const Tensor& x, int axis, const Array& at);
Tensor scatter_at(const Tensor& x, int axis, const Array& at, const Shape& shape);
Tensor rows_at(const Tensor& weight, const Array& at, EmbeddingGradient gradient = {});
Tensor add_rows_at(const Tensor& x, const Array& at, int64_t rows);

struct Gather {
  static constexpr const char* name = "gather";
  struct Saved {
    Shape from;
    int axis;
    Array index;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return scatter_at(b.grad(), s.axis, s.index, s.from); });
  }
  static Samples samples() {
    auto index = [](const Shape& s, std::vector<int64_t> v) { return Array::of(s, v); };
    return {sample("rows", {sample_values({3, 2}), index({4, 2}, {0, 2, 1, 1, 2, 0, 0, 0})},
                   [](auto& x) { return gather(x[0], 0, x[1]); }),
            sample("columns, repeated", {sample_values({2, 3}), index({2, 4}, {0, 0, 2, 1, 1, 2, 2, 2})},
                   [](auto& x) { return gather(x[0], 1, x[1]); })};
  }
};

struct ScatterAdd {
  static constexpr const char* name = "scatter_add";
  struct Saved {
    int axis;
    Array index;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return gather_at(b.grad(), s.axis, s.index); });
  }
  static Samples samples() {
    const Array index = Array::of<int64_t>({2, 4}, {0, 0, 2, 1, 1, 2, 2, 2});
    return {sample("columns, repeated", {sample_values({2, 4}), index}, [](auto& x) {
      return scatter_add(x[0], 1, x[1], {x[0].dim(0), 3});
    })};
  }
};

/// embedding with checked indices. An index of -1 gives a row of zeros without gradient.
struct Embedding {
  static constexpr const char* name = "embedding";
  struct Saved {
    int64_t rows;
    Array index;
    bool sparse;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const auto sparse = [&] {
      const TouchedRows rows = TouchedRows::only(s.rows, s.index);
      return std::pair(rows, coalesced(b.grad().array(), s.index, rows));
    };
    if (s.sparse && b.accumulate_sparse(0, sparse)) return;
    b.accumulate_rows(
        0, [&] { return TouchedRows::only(s.rows, s.index); }, [&] { return add_rows_at(b.grad(), s.index, s.rows); });
  }
  static Samples samples() {
    return {sample("repeated rows", {sample_values({4, 3}), Array::of<int64_t>({2, 3}, {0, 3, 3, 1, 0, 3})},
                   [](auto& x) { return embedding(x[0], x[1]); }),
            sample("sparse", {sample_values({4, 3}), Array::of<int64_t>({5}, {0, 3, 3, 1, 0})},
                   [](auto& x) { return embedding(x[0], x[1], {.sparse = true}); })};
  }
};

struct EmbeddingAdd {
  static constexpr const char* name = "embedding_add";
  struct Saved {
    Array index;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return rows_at(b.grad(), s.index); });
  }
  static Samples samples() {
    return {sample("repeated rows", {sample_values({5, 3}), Array::of<int64_t>({5}, {0, 3, 3, 1, 0})},
                   [](auto& x) { return embedding_add(x[0], x[1], 4); })};
  }
};

Tensor gather_at(const Tensor& x, int axis, const Array& at) {
  const Array from = x.array().contiguous();
  Array y(at.shape(), x.dtype());
  const AroundAxis to(at.shape(), axis);
  const int64_t n = x.shape()[axis];
  visit(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    const int64_t* p = at.data<int64_t>();
    for (int64_t o = 0; o < to.outer; ++o)
      for (int64_t l = 0; l < to.length; ++l)
        for (int64_t i = 0; i < to.inner; ++i) *out++ = in[(o * n + *p++) * to.inner + i];
  });
  return primitive<Gather>(
      y,
      [&] {
        return Gather::Saved{x.shape(), axis, at};
      },
      x);
}

Tensor scatter_at(const Tensor& x, int axis, const Array& at, const Shape& shape) {
  const Array from = x.array().contiguous();
  Array y = Array::zeros(shape, x.dtype());
  const AroundAxis to(at.shape(), axis);
  visit_real(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    T* out = y.uninitialized<T>();
    const int64_t* p = at.data<int64_t>();
    for (int64_t o = 0; o < to.outer; ++o)
      for (int64_t l = 0; l < to.length; ++l)
        for (int64_t i = 0; i < to.inner; ++i) out[(o * shape[axis] + *p++) * to.inner + i] += *in++;
  });
  return primitive<ScatterAdd>(
      y,
      [&] {
        return ScatterAdd::Saved{axis, at};
      },
      x);
}

/// A copy of the indices with -1 in place of `row`.
Array without(const Array& at, int64_t row) {
  Array out(at.shape(), i64);
  const int64_t* p = at.data<int64_t>();
  std::replace_copy(p, p + at.size(), out.uninitialized<int64_t>(), row, int64_t{-1});
  return out;
}

Tensor rows_at(const Tensor& weight, const Array& at, EmbeddingGradient gradient) {
  const int64_t rows = weight.shape()[0], d = weight.shape()[1];
  const Array from = weight.array().contiguous();
  Shape shape = at.shape();
  shape.push_back(d);
  Array y(shape, weight.dtype());
  visit(weight.dtype(), [&]<class T>() {
    for (int64_t k = 0; k < at.size(); ++k) {
      T* to = y.uninitialized<T>() + k * d;
      if (const int64_t row = at.data<int64_t>()[k]; row >= 0) std::copy_n(from.data<T>() + row * d, d, to);
      else std::fill_n(to, d, T(0));
    }
  });
  return primitive<Embedding>(
      y,
      [&] {
        const Array& named = gradient.padding_idx ? without(at, *gradient.padding_idx) : at;
        return Embedding::Saved{rows, named, gradient.sparse};
      },
      weight);
}

Tensor add_rows_at(const Tensor& x, const Array& at, int64_t rows) {
  const int64_t d = x.shape().back();
  const Array from = x.array().contiguous();
  Array y = Array::zeros({rows, d}, x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    for (int64_t k = 0; k < at.size(); ++k) {
      if (at.data<int64_t>()[k] < 0) continue;
      T* row = y.uninitialized<T>() + at.data<int64_t>()[k] * d;
      const T* in = from.data<T>() + k * d;
      for (int64_t j = 0; j < d; ++j) row[j] += in[j];
    }
  });
  return primitive<EmbeddingAdd>(
      y, [&] { return EmbeddingAdd::Saved{at}; }, x);
}

}  // namespace

Tensor gather(const Tensor& x, Axis along, const Tensor& index) {
  if (x.rank() == 0 && index.rank() == 0) return reshape(gather(reshape(x, {1}), along, reshape(index, {1})), {});
  const int axis = normal_axis("gather", along, x.shape());
  check_gather("gather", x.shape(), axis, index.shape());
  return gather_at(x, axis, checked_indices("gather", index, x.shape()[axis]));
}

Tensor scatter_add(const Tensor& x, Axis along, const Tensor& index, const Shape& shape) {
  if (x.rank() == 0 && index.rank() == 0 && shape.rank() == 0)
    return reshape(scatter_add(reshape(x, {1}), along, reshape(index, {1}), {1}), {});
  const int axis = normal_axis("scatter_add", along, shape);
  check_gather("scatter_add", shape, axis, index.shape());
  check_option("scatter_add", "length of the result", shape[axis], 0, most_elements);
  if (!(x.shape() == index.shape()))
    throw ShapeError("scatter_add", join("the tensor is ", describe(x), ", index ", index.shape(), "; they must agree"));
  if (!is_real(x.dtype())) throw_dtype("scatter_add", x);
  return scatter_at(x, axis, checked_indices("scatter_add", index, shape[axis]), shape);
}

Tensor embedding(const Tensor& weight, const Tensor& index) { return embedding(weight, index, {}); }

Tensor embedding(const Tensor& weight, const Tensor& index, EmbeddingGradient gradient) {
  if (weight.rank() != 2) throw ShapeError("embedding", join("the weight must be [rows, features], got ", describe(weight)));
  const int64_t rows = weight.shape()[0];
  if (gradient.padding_idx && (*gradient.padding_idx < 0 || *gradient.padding_idx >= rows))
    throw IndexError("embedding", join("padding_idx must lie in [0, ", rows - 1, "], got ", *gradient.padding_idx));
  return rows_at(weight, checked_indices("embedding", index, rows), gradient);
}

Tensor embedding_add(const Tensor& x, const Tensor& index, int64_t rows) {
  Shape expected = index.shape();
  if (x.rank() == 0) throw ShapeError("embedding_add", join("the tensor must be [index.., features], got ", describe(x)));
  expected.push_back(x.shape().back());
  if (!(x.shape() == expected))
    throw ShapeError("embedding_add", join("the tensor is ", describe(x), ", index ", index.shape(),
                                           "; all axes but the last must be equal"));
  check_option("embedding_add", "number of rows", rows, 0, most_elements);
  if (!is_real(x.dtype())) throw_dtype("embedding_add", x);
  return add_rows_at(x, checked_indices("embedding_add", index, rows), rows);
}

}  // namespace gradus
