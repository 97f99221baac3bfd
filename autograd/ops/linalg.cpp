// Solutions, factors and determinants of square matrices, one by one in a batch, and the svd of one; kernels: lapack.cpp.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/linalg.h>
#include <gradus/core/kernels/linalg.h>

namespace gradus {
namespace {

Tensor turned(const Tensor& a) { return transpose(a, -2, -1); }

void check_matrices(const char* op, const Tensor& a) {
  if (!is_real(a.dtype())) throw_dtype(op, a);
  if (a.rank() < 2 || a.shape()[a.rank() - 2] != a.shape().back())
    throw ShapeError(op, join("takes square matrices [.., n, n], got ", describe(a)));
}

Shape batch_of(const Tensor& a) {
  Shape s = a.shape();
  return s.erase(a.rank() - 1).erase(a.rank() - 2);
}

/// Applies f(matrix, ..) to each matrix of the batch; stacks the results, each of shape `of_one`.
template <class F, class... In>
Array each_matrix(const Shape& batch, const Shape& of_one, Dtype dtype, F f, const In&... in) {
  Shape all = batch, stacked{batch.size()};
  for (int i = 0; i < of_one.rank(); ++i) all.push_back(of_one[i]), stacked.push_back(of_one[i]);
  Array y(stacked, dtype);
  const auto stack = [&](const Tensor& t) { return t.array().contiguous().reshape({batch.size(), t.dim(-2), t.dim(-1)}); };
  const auto run = [&](const auto&... stacks) {
    for (int64_t i = 0; i < batch.size(); ++i) y.select(0, i).assign(f(stacks.select(0, i)...), "linear algebra");
  };
  run(stack(in)...);
  return y.reshape(all);
}

/// A matrix for samples, far from singular, also where all rows of x agree.
Tensor regular(const Tensor& x) { return x + 6.0 * Tensor(eye(x.dim(-1), x.dtype()).array()); }

struct Solve {
  static constexpr const char* name = "solve";
  static constexpr OpKind kind = OpKind::product;
  struct Saved {
    Array a, x;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor x = b.output(s.x), for_b = solve(turned(b.input(0, s.a)), b.grad());
    b.accumulate(0, [&] { return -matmul(for_b, turned(x)); });
    b.accumulate(1, [&] { return for_b; });
  }
  static Samples samples() {
    return {sample("two right sides", {sample_values({3, 3}), sample_values({3, 2}, -2, 2, 2)},
                   [](auto& x) { return solve(regular(x[0]), x[1]); }),
            sample("batch", {sample_values({2, 2, 2}), sample_values({2, 2, 1}, -2, 2, 2)},
                   [](auto& x) { return solve(regular(x[0]), x[1]); })};
  }
};

struct Inverse {
  static constexpr const char* name = "inverse";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    return {sample("one", {sample_values({3, 3})}, [](auto& x) { return inverse(regular(x[0])); }),
            sample("batch", {sample_values({2, 2, 2})}, [](auto& x) { return inverse(regular(x[0])); })};
  }
};

[[maybe_unused]] const bool matrix_composites = register_composites<Inverse>();

/// The lower triangle with the diagonal halved.
Tensor lower_half(const Tensor& x) {
  const int64_t n = x.dim(-1);
  Array factors = Array::zeros({n, n}, x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) factors.uninitialized<T>()[i * n + j] = i == j ? T(0.5) : T(1);
  });
  return x * Tensor(factors);
}

/// The Cholesky factor. Murray, "Differentiation of the Cholesky decomposition", 2016, equation 10, made symmetric.
struct Cholesky {
  static constexpr const char* name = "cholesky";
  static constexpr OpKind kind = OpKind::product;
  struct Saved {
    Array l;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Tensor l = turned(b.output(s.l));
      const Tensor p = lower_half(matmul(l, b.grad()));
      const Tensor half = turned(solve(l, turned(solve(l, p))));
      return (half + turned(half)) * 0.5;
    });
  }
  static Samples samples() {
    const auto call = [](auto& x) { return cholesky(0.5 * regular(x[0]) + 0.5 * turned(regular(x[0]))); };
    return {sample("one", {sample_values({3, 3})}, call), sample("batch", {sample_values({2, 2, 2})}, call)};
  }
};

struct Det {
  static constexpr const char* name = "det";
  static constexpr OpKind kind = OpKind::product;
  struct Saved {
    Array a, y;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Tensor factor = b.grad() * b.output(s.y);
      return unsqueeze(unsqueeze(factor, -1), -1) * turned(inverse(b.input(0, s.a)));
    });
  }
  static Samples samples() {
    return {sample("one", {sample_values({3, 3})}, [](auto& x) { return det(regular(x[0])); }),
            sample("batch", {sample_values({2, 2, 2})}, [](auto& x) { return det(regular(x[0])); })};
  }
};

/// The svd. Townsend, "Differentiating the singular value decomposition", 2016, equations 13 to 17.
struct SvdFactors {
  static constexpr const char* name = "svd";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "a small value beside a large one is lost in f32, or their squares overflow on their way"},
      {EdgeRule::digits, 2, "a small value beside a large one is lost in f32, or their squares overflow on their way"},
      {EdgeRule::finite, 1, "where values agree u and vh may turn, and have no slope"}};
  struct Saved {
    Array u, s, vh;
  };
  /// The part of the middle factor by the gradient g of a factor with orthonormal columns x: f (x'g - g'x).
  static Tensor turn(const Tensor& x, const Tensor& g, const Tensor& f) {
    const Tensor w = matmul(turned(x), g);
    return f * (w - turned(w));
  }
  /// The part of g orthogonal to the columns of x, over s.
  static Tensor leaving(const Tensor& x, const Tensor& g, const Tensor& s) {
    return (g - matmul(x, matmul(turned(x), g))) / unsqueeze(s, 0);
  }
  static void backward(BackwardContext& b, const Saved& saved) {
    b.accumulate(0, [&] {
      const Tensor u = b.output(saved.u, 0), s = b.output(saved.s, 1), v = turned(b.output(saved.vh, 2));
      const Tensor diagonal(eye(s.dim(0), s.dtype()).array());
      const Tensor gaps = unsqueeze(square(s), 0) - unsqueeze(square(s), 1);
      const Tensor f = (1.0 - diagonal) / (gaps + diagonal);
      Tensor middle = zeros({s.dim(0), s.dim(0)}, s.dtype()), beside;
      if (b.grad(1).defined()) middle = middle + diagonal * unsqueeze(b.grad(1), 0);
      if (const Tensor& g = b.grad(0); g.defined()) {
        middle = middle + turn(u, g, f) * unsqueeze(s, 0);
        if (u.dim(0) > u.dim(1)) beside = matmul(leaving(u, g, s), turned(v));
      }
      if (b.grad(2).defined()) {
        const Tensor g = turned(b.grad(2));
        middle = middle + unsqueeze(s, 1) * turn(v, g, f);
        if (v.dim(0) > v.dim(1)) {
          const Tensor more = matmul(u, turned(leaving(v, g, s)));
          beside = beside.defined() ? beside + more : more;
        }
      }
      const Tensor inside = matmul(u, matmul(middle, turned(v)));
      return beside.defined() ? inside + beside : inside;
    });
  }
  static Samples samples() {
    const auto call = [](auto& x) {  // plus constants that keep values apart; LAPACK chooses the sign of a column
      const Tensor apart(sample_values(x[0].shape(), -3, 3, 5).to(f32).to(x[0].dtype()));
      const auto [u, s, vh] = svd(x[0] + apart);
      return std::vector<Tensor>{square(u), s, square(vh)};
    };
    return {sample("high", {sample_values({4, 2})}, call), sample("wide", {sample_values({2, 3})}, call)};
  }
};

}  // namespace

SvdTensors svd(const Tensor& a) {
  Svd made = svd(a.array());
  const auto all = primitive_many<SvdFactors>({made.u, made.s, made.vh},
                                              [&] {
                                                return SvdFactors::Saved{kept(made.u), kept(made.s), kept(made.vh)};
                                              },
                                              {a});
  return {all[0], all[1], all[2]};
}

Tensor solve(const Tensor& a, const Tensor& b) {
  check_matrices("solve", a);
  if (b.rank() != a.rank() || b.dtype() != a.dtype() || !(batch_of(a) == batch_of(b)) || b.dim(-2) != a.dim(-1))
    throw ShapeError(
        "solve",
        join("a must be [.., n, n] and b [.., n, k] with the same batch and dtype, got ", describe(a), " and ", describe(b)),
        b.rank() == a.rank() - 1 ? "b.unsqueeze(-1)" : "");
  const Array x = each_matrix(
      batch_of(a), {b.dim(-2), b.dim(-1)}, a.dtype(), [](const Array& m, const Array& r) { return solve(m, r); }, a, b);
  return primitive<Solve>(
      x,
      [&] {
        return Solve::Saved{kept(a.array()), kept(x)};
      },
      a, b);
}

Tensor inverse(const Tensor& a) {
  check_matrices("inverse", a);
  return solve(a, expand(eye(a.dim(-1), a.dtype()), a.shape()));
}

Tensor cholesky(const Tensor& a) {
  check_matrices("cholesky", a);
  const Array l = each_matrix(
      batch_of(a), {a.dim(-1), a.dim(-1)}, a.dtype(), [](const Array& m) { return cholesky(m); }, a);
  return primitive<Cholesky>(
      l, [&] { return Cholesky::Saved{kept(l)}; }, a);
}

Tensor det(const Tensor& a) {
  check_matrices("det", a);
  const Array y = each_matrix(
      batch_of(a), {}, a.dtype(), [](const Array& m) { return det(m); }, a);
  return primitive<Det>(
      y,
      [&] {
        return Det::Saved{kept(a.array()), kept(y)};
      },
      a);
}

}  // namespace gradus
