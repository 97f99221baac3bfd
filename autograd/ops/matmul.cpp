// Matrix products.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/reduce.h>

namespace gradus {
namespace {

/// The matrix of the last two axes, which gemm can read with its strides.
template <class T> GemmOperand<T> operand(const Array& a) {
  return {a.data<T>(), a.stride(a.rank() - 2), a.stride(a.rank() - 1)};
}

/// True if the layout has one stride for all leading axes taken as one batch.
bool one_batch_stride(const Array& a, int64_t& stride) {
  stride = 0;
  int64_t expected = -1;
  for (int i = a.rank() - 2; i-- > 0;) {
    if (a.shape()[i] == 1) continue;
    if (expected < 0) stride = a.stride(i);
    else if (a.stride(i) != expected) return false;
    expected = a.stride(i) * a.shape()[i];
  }
  return true;
}

/// The product of a [B..., M, K] and b [B..., K, N], leading axes equal.
Array product(Array a, Array b) {
  Shape shape = a.shape();
  const int r = a.rank();
  const int64_t m = shape[r - 2], n = b.shape()[r - 1], k = shape[r - 1];
  shape[r - 1] = n;
  Array y(shape, a.dtype());
  if (y.size() == 0) return y;
  int64_t a_stride, b_stride;
  if (!one_batch_stride(a, a_stride)) a = a.copy(), one_batch_stride(a, a_stride);
  if (!one_batch_stride(b, b_stride)) b = b.copy(), one_batch_stride(b, b_stride);
  visit_real(a.dtype(), [&]<class T>() {
    const int64_t count = y.size() / (m * n);
    if (count == 1) gemm<T>(m, n, k, operand<T>(a), operand<T>(b), y.uninitialized<T>(), n);
    else batched_gemm<T>({count, a_stride, b_stride, m * n}, m, n, k, operand<T>(a), operand<T>(b), y.uninitialized<T>(), n);
  });
  return y;
}

struct MatMul {
  static constexpr const char* name = "matmul";
  static constexpr OpKind kind = OpKind::product;
  struct Saved {
    Array a, b;
  };
  static void backward(BackwardContext& back, const Saved& s) {
    const Tensor a = back.input(0, s.a), b = back.input(1, s.b);
    back.accumulate(0, [&] { return sum_to(matmul(back.grad(), transpose(b, -1, -2)), a.shape()); });
    back.accumulate(1, [&] { return sum_to(matmul(transpose(a, -1, -2), back.grad()), b.shape()); });
  }
  static Samples samples() {
    auto call = [](auto& x) { return matmul(x[0], x[1]); };
    return {
        sample("2-d", {sample_values({3, 4}), sample_values({4, 2}, -2, 2, 2)}, call),
        sample("batched", {sample_values({2, 3, 4}), sample_values({2, 4, 2}, -2, 2, 2)}, call),
        sample("batch broadcast", {sample_values({2, 1, 3, 2}), sample_values({3, 2, 2}, -2, 2, 2)}, call),
        sample("matrix by batch", {sample_values({3, 4}), sample_values({2, 4, 2}, -2, 2, 2)}, call),
        sample("vector by matrix", {sample_values({4}), sample_values({4, 2}, -2, 2, 2)}, call),
        sample("matrix by vector", {sample_values({3, 4}), sample_values({4}, -2, 2, 2)}, call),
        sample("dot", {sample_values({4}), sample_values({4}, -2, 2, 2)}, call),
        sample("with its transpose", {sample_values({3, 4})}, [](auto& x) { return matmul(x[0], transpose(x[0], 0, 1)); }),
        sample("inner length 0", {sample_values({2, 0}), sample_values({0, 3})}, call)};
  }
};

[[noreturn]] void throw_product(const Tensor& a, const Tensor& b) {
  const int64_t inner_a = a.shape().back(), inner_b = b.shape()[b.rank() > 1 ? b.rank() - 2 : 0];
  std::string hint;
  if (b.rank() == 2 && b.shape()[1] == inner_a)
    hint = join("matmul(a, transpose(b, 0, 1)), which gives [..,", b.shape()[0], "]");
  throw ShapeError("matmul",
                   join("inner dimensions differ: a is ", describe(a), ", b is ", describe(b), "; a's last (", inner_a,
                        ") must equal b's ", b.rank() > 1 ? "second last (" : "only (", inner_b, ")"),
                   hint);
}

/// The shape [.., K] as [rows, K], also where a length is 0.
Shape as_rows(const Shape& s) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < s.rank(); ++i) rows *= s[i];
  return {rows, s.back()};
}

/// x times weight transposed plus bias, the bias added while the product is still in cache.
struct Linear {
  static constexpr const char* name = "linear";
  static constexpr OpKind kind = OpKind::product;
  struct Saved {
    Array x, weight;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor x = b.input(0, s.x), weight = b.input(1, s.weight), &g = b.grad();
    b.accumulate(0, [&] { return matmul(g, weight); });
    b.accumulate(1, [&] { return matmul(transpose(reshape(g, as_rows(g.shape())), 0, 1), reshape(x, as_rows(x.shape()))); });
    if (b.inputs() > 2) b.accumulate(2, [&] { return sum_to(g, {g.shape().back()}); });
  }
  static Samples samples() {
    const Array w = sample_values({5, 4}, -2, 2, 2), bias = sample_values({5}, -2, 2, 3);
    return {sample("with bias", {sample_values({3, 4}), w, bias}, [](auto& x) { return linear(x[0], x[1], x[2]); }),
            sample("without bias", {sample_values({3, 4}), w}, [](auto& x) { return linear(x[0], x[1]); }),
            sample("three axes", {sample_values({2, 3, 4}), w, bias}, [](auto& x) { return linear(x[0], x[1], x[2]); }),
            sample("no features", {sample_values({2, 0}), sample_values({3, 0}), sample_values({3})},
                   [](auto& x) { return linear(x[0], x[1], x[2]); })};
  }
};

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!is_real(x.dtype())) throw_dtype("linear", x);
  if (weight.rank() != 2 || x.rank() < 1 || x.shape().back() != weight.shape()[1]) {
    std::string hint;
    if (weight.rank() == 2 && x.rank() > 2 && x.size() == x.shape()[0] * weight.shape()[1])
      hint = join("x.flatten(1), which gives [", x.shape()[0], ",", weight.shape()[1], "]");
    throw ShapeError("linear",
                     join("the input is ", describe(x), ", the weight ", describe(weight),
                          "; the input's last length must equal the weight's last"),
                     hint);
  }
  if (x.dtype() != weight.dtype() || (bias.defined() && bias.dtype() != x.dtype()))
    throw DtypeError("linear",
                     join("the input is ", describe(x), ", the weight ", describe(weight), "; they must have one dtype"),
                     join("x.to(", weight.dtype(), ")"));
  if (bias.defined() && !(bias.shape() == Shape{weight.shape()[0]}))
    throw ShapeError("linear", join("the bias is ", describe(bias), ", it must be [", weight.shape()[0], "]"));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (!is_real(a.dtype())) throw_dtype("matmul", a);
  if (a.dtype() != b.dtype())
    throw DtypeError("matmul", join(describe(a), " and ", describe(b), " do not mix"), join("b.to(", a.dtype(), ")"));
  if (a.rank() == 0 || b.rank() == 0)
    throw ShapeError("matmul", join("0-d operands have no axis to multiply along: ", describe(a), ", ", describe(b)),
                     "a * b");
  if (a.rank() == 1 && b.rank() == 1) return reshape(matmul(unsqueeze(a, 0), unsqueeze(b, 1)), {});
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (a.shape().back() != b.shape()[b.rank() - 2]) throw_product(a, b);
  Array left = a.array(), right = b.array();
  if (a.rank() > 2 || b.rank() > 2) {
    auto leading = [](const Shape& s) { return Shape(s.begin(), s.rank() - 2); };
    Shape batch = broadcast("matmul", leading(a.shape()), leading(b.shape()));
    auto spread = [&](const Array& x) {
      Shape s = batch;
      s.push_back(x.shape()[x.rank() - 2]);
      s.push_back(x.shape().back());
      return x.expand(s);
    };
    left = spread(left), right = spread(right);
  }
  return primitive<MatMul>(
      product(left, right),
      [&] {
        return MatMul::Saved{kept(a.array()), kept(b.array())};
      },
      a, b);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear(x, weight, bias);
  const Array flat = x.rank() == 2 ? x.array() : x.array().reshape(as_rows(x.shape()));
  const int64_t m = flat.shape()[0], n = weight.shape()[0], k = weight.shape()[1];
  Array y({m, n}, x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    GemmExtras<T> extras;
    Array dense_bias;
    if (bias.defined()) dense_bias = bias.array().contiguous(), extras.column_bias = dense_bias.data<T>();
    if (y.size() > 0)
      gemm<T>(m, n, k, operand<T>(flat), {weight.array().data<T>(), weight.array().stride(1), weight.array().stride(0)},
              y.uninitialized<T>(), n, extras);
  });
  if (x.rank() != 2) {
    Shape shape = x.shape();
    shape[x.rank() - 1] = n;
    y = y.reshape(shape);
  }
  auto saved = [&] { return Linear::Saved{kept(x.array()), kept(weight.array())}; };
  return bias.defined() ? primitive<Linear>(y, saved, x, weight, bias) : primitive<Linear>(y, saved, x, weight);
}

}  // namespace gradus
