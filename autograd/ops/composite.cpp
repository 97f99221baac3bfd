// Ops made of others, so that their gradients of every order are those of their parts; and amax.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/reduce.h>

#include <cmath>
#include <limits>

namespace gradus {
namespace {

struct NanToNumOp {
  static constexpr const char* name = "nan_to_num";
  static constexpr EdgeException exceptions[] = {{EdgeRule::nan, 1, "what stands for NaN is a constant, and has no slope"}};
  static Samples samples() {
    return {sample("numbers", {sample_values({3, 4})}, [](auto& x) { return nan_to_num(x[0]) * x[0]; })};
  }
};
/// The largest over axes: linear once it is known which are the largest, each of which has an equal share.
struct Amax {
  static constexpr const char* name = "amax";
  struct Saved {
    Array share;
    Shape kept;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return reshape(b.grad(), s.kept) * Tensor(s.share); });
  }
  static Samples samples() {
    return {sample("two axes", {sample_values({3, 4, 2})},
                   [](auto& x) {
                     return amax(x[0], {0, -1});
                   }),
            sample("smallest of all", {sample_values({3, 5})}, [](auto& x) { return amin(x[0]); })};
  }
};
struct Lerp {
  static constexpr const char* name = "lerp";
  static Samples samples() {
    return {sample("weights", {sample_values({3, 2}), sample_values({3, 2}, -2, 2, 2), sample_values({2}, 0, 1, 3)},
                   [](auto& x) { return lerp(x[0], x[1], x[2]); })};
  }
};
struct Addmm {
  static constexpr const char* name = "addmm";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    return {sample("a row added", {sample_values({4}), sample_values({2, 3}, -2, 2, 2), sample_values({3, 4}, -2, 2, 3)},
                   [](auto& x) { return addmm(x[0], x[1], x[2], 0.5, 2); })};
  }
};
struct LogCumSumExp {
  static constexpr const char* name = "logcumsumexp";
  static Samples samples() {
    return {sample("rows", {sample_values({3, 5})}, [](auto& x) { return logcumsumexp(x[0], 1); }),
            sample("columns", {sample_values({4, 3}, -8, 8)}, [](auto& x) { return logcumsumexp(x[0], 0); }),
            sample("empty", {sample_values({2, 0})}, [](auto& x) { return logcumsumexp(x[0], 1); })};
  }
};
struct Trace {
  static constexpr const char* name = "trace";
  static Samples samples() {
    return {sample("wide", {sample_values({3, 5})}, [](auto& x) { return trace(x[0]); }),
            sample("high", {sample_values({4, 2})}, [](auto& x) { return trace(x[0]); })};
  }
};
struct Cdist {
  static constexpr const char* name = "cdist";
  static Samples samples() {
    const std::vector<Array> in{sample_values({3, 2}), sample_values({4, 2}, 3, 5, 2)};
    return {sample("Euclidean", in, [](auto& x) { return cdist(x[0], x[1]); }),
            sample("p = 1, batches", {sample_values({2, 3, 2}), sample_values({2, 1, 2}, 3, 5, 2)},
                   [](auto& x) { return cdist(x[0], x[1], 1); })};
  }
};

[[maybe_unused]] const bool own_composites = register_composites<NanToNumOp, Lerp, Addmm, LogCumSumExp, Trace, Cdist>();

Tensor extreme_over(const char* op, const Tensor& x, const std::vector<int>& axes, bool keep, bool largest) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  const std::uint32_t mask = axes_mask(op, axes, x.shape());
  Tensor y = x.detach();
  std::vector<int> named;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (mask >> axis & 1) y = largest ? max(y, axis, true) : min(y, axis, true), named.push_back(axis);
  Array share;
  if (recorded(x) && !named.empty()) {
    const Tensor is_it = (x.detach() == y).to(x.dtype());
    share = (is_it / sum(is_it, named, true)).array();
  } else if (recorded(x)) {
    share = Array::ones({}, x.dtype());
  }
  return primitive<Amax>(
      keep ? y.array() : y.array().reshape(reduced_shape(x.shape(), mask, false)),
      [&] {
        return Amax::Saved{share, y.shape()};
      },
      x);
}

}  // namespace

Tensor nan_to_num(const Tensor& x, NanToNum numbers) {
  if (!is_real(x.dtype())) return x;
  const double most = x.dtype() == f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  const auto or_most = [most](double v) { return std::isinf(v) ? std::copysign(most, v) : v; };
  const Tensor has_no_end = isinf(x), above = x.detach() > 0.0;
  const Tensor without = where(isnan(x), full({}, or_most(numbers.nan), x.dtype()), x);
  return where(has_no_end,
               where(above, full({}, or_most(numbers.posinf), x.dtype()), full({}, or_most(numbers.neginf), x.dtype())),
               without);
}

Tensor amax(const Tensor& x, const Axes& axes, bool keep) { return extreme_over("amax", x, axes, keep, true); }
Tensor amin(const Tensor& x, const Axes& axes, bool keep) { return extreme_over("amin", x, axes, keep, false); }

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) { return start + weight * (end - start); }

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta, double alpha) {
  if (a.rank() != 2 || b.rank() != 2)
    throw ShapeError("addmm", join("the factors must be matrices, got ", describe(a), " and ", describe(b)));
  const Tensor product = matmul(a, b);
  return (beta == 1 ? x : x * beta) + (alpha == 1 ? product : product * alpha);
}

Tensor logcumsumexp(const Tensor& x, Axis along) {
  if (!is_real(x.dtype())) throw_dtype("logcumsumexp", x);
  if (x.rank() == 0) return reshape(logcumsumexp(reshape(x, {1}), along), {});
  const int axis = normal_axis("logcumsumexp", along, x.shape());
  const int64_t n = x.dim(axis);
  Tensor y = x;
  for (int64_t known = 1; known < n; known *= 2) {  // elements hold runs of `known` terms, and join two of them
    const Tensor more = logaddexp(slice(y, axis, known, n), slice(y, axis, 0, n - known));
    y = cat({slice(y, axis, 0, known), more}, axis);
  }
  return y;
}

Tensor trace(const Tensor& x) {
  if (x.rank() != 2) throw ShapeError("trace", join("takes a matrix, got ", describe(x)));
  const int64_t n = std::min(x.dim(0), x.dim(1));
  std::vector<int64_t> diagonal;
  for (int64_t i = 0; i < n; ++i) diagonal.push_back(i * (x.dim(1) + 1));
  return sum(take(x, tensor({n}, diagonal)));
}

Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  if (a.rank() < 2 || b.rank() < 2 || a.shape().back() != b.shape().back())
    throw ShapeError("cdist", join("takes rows [.., M, D] and [.., N, D], got ", describe(a), " and ", describe(b)));
  return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, {-1});
}

}  // namespace gradus
