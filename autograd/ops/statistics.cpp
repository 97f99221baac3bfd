// Statistics and norms along axes.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

using OverAxes = std::function<Tensor(const Tensor&, const std::vector<int>&, bool)>;
Samples over_axes(const OverAxes& call) {
  return {
      sample("all", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{}, false); }),
      sample("rows", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{1}, false); }),
      sample("columns, kept", {sample_values({3, 4})}, [call](auto& x) { return call(x[0], std::vector<int>{0}, true); }),
      sample("two of three", {sample_values({3, 4, 2})},
             [call](auto& x) {
               return call(x[0], std::vector<int>{0, -1}, false);
             }),
      sample("transposed", {sample_values({3, 4})},
             [call](auto& x) { return call(transpose(x[0], 0, 1), std::vector<int>{0}, false); })};
}

struct Mean {
  static constexpr const char* name = "mean";
  static Samples samples() {
    return over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return mean(x, axes, keep); });
  }
};
struct Var {
  static constexpr const char* name = "var";
  static Samples samples() {
    Samples all = over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return var(x, axes, 1, keep); });
    all.push_back(sample("biased", {sample_values({3, 4})}, [](auto& x) { return var(x[0], {1}, 0); }));
    return all;
  }
};
struct Std {
  static constexpr const char* name = "std";
  static Samples samples() {
    Samples all = over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return std(x, axes, 1, keep); });
    all.push_back(sample("of equal numbers", {sample_values({1, 4})},
                         [](auto& x) { return std(expand(x[0], {4, x[0].dim(1)}), {0}) + std(x[0], {1}); }));
    return all;
  }
};
struct LogSumExp {
  static constexpr const char* name = "logsumexp";
  static Samples samples() {
    Samples all =
        over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return logsumexp(x, axes, keep); });
    all.push_back(sample("far from zero", {sample_values({2, 3}, 700, 704)}, [](auto& x) { return logsumexp(x[0], 1); }));
    return all;
  }
};

/// The Euclidean norm; its gradient at zero is zero, as PyTorch's.
struct Norm2 {
  static constexpr const char* name = "norm";
  struct Saved { Array x, y; };  // y with the axes kept
  static void backward(Back& b, const Saved& s) {
    const Tensor x = b.input(0, s.x), y = b.output(s.y), &g = b.grad();
    b.give(0, [&] { return x * (g / where(y == 0.0, Tensor(1.0), y)); });
  }
  static Samples samples() {
    return over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return norm(x, 2, axes, keep); });
  }
};

struct NormP {
  static constexpr const char* name = "norm_p";
  static Samples samples() {
    Samples all;
    for (const double p : {1.0, 3.0, 1.5, infinity, -infinity})
      for (Sample& s :
           over_axes([p](const Tensor&x, const std::vector<int>&axes, bool keep) { return norm(x, p, axes, keep); }))
        all.push_back({join("p = ", text(p), ", ", s.label), s.inputs, s.call});
    return all;
  }
};

struct CosineSimilarity {
  static constexpr const char* name = "cosine_similarity";
  static Samples samples() {
    const Array a = sample_values({3, 4}), b = sample_values({3, 4}, -2, 2, 2);
    return {sample("rows", {a, b}, [](auto& x) { return cosine_similarity(x[0], x[1], 1); }),
            sample("columns", {a, b}, [](auto& x) { return cosine_similarity(x[0], x[1], 0); }),
            sample("all pairs", {sample_values({3, 1, 4}), sample_values({1, 2, 4}, -2, 2, 2)},
                   [](auto& x) { return cosine_similarity(x[0], x[1], -1); })};
  }
};

[[maybe_unused]] const bool statistics_composites = enrol_composites<Mean, Var, Std, LogSumExp, NormP, CosineSimilarity>();

Tensor without(const Tensor& y, std::uint32_t axes, bool keep) {
  return keep ? y : reshape(y, reduced_shape(y.shape(), axes, false));
}

/// The largest or smallest along all masked axes, which stay.
Tensor extreme(Tensor x, std::uint32_t axes, bool largest) {
  for (int i = 0; i < x.rank(); ++i)
    if (axes >> i & 1) x = largest ? max(x, i, true) : min(x, i, true);
  return x;
}

Tensor norm2(const Tensor& x, std::uint32_t axes) {
  const Array squares = map([](auto v) { return v * v; }, x.array());
  const Array y = map([](auto v) { return sqrt(v); }, sum_axes(squares, axes));
  return primitive<Norm2>(y, [&] { return Norm2::Saved{kept(x.array()), kept(y)}; }, x);
}

}  // namespace

Tensor var(const Tensor& x, const std::vector<int>& axes, int correction, bool keep) {
  const std::uint32_t mask = axes_mask("var", axes, x.rank());
  int64_t n = 1;
  for (int i = 0; i < x.rank(); ++i)
    if (mask >> i & 1) n *= x.shape()[i];
  const auto divisor = static_cast<double>(std::max<int64_t>(n - correction, 0));  // too few: NaN or infinity, as PyTorch
  return sum(square(x - mean(x, axes, true)), axes, keep) / divisor;
}
Tensor std(const Tensor& x, const std::vector<int>& axes, int correction, bool keep) {
  const Tensor v = var(x, axes, correction, keep), none = v == 0.0;
  return where(none, Tensor(0.0), sqrt(where(none, Tensor(1.0), v)));  // its gradient at 0 is 0, as PyTorch's
}

Tensor logsumexp(const Tensor& x, const std::vector<int>& axes, bool keep) {
  if (!is_real(x.dtype())) refuse_dtype("logsumexp", x);
  const std::uint32_t mask = axes_mask("logsumexp", axes, x.rank());
  if (x.size() == 0) return log(sum(exp(x), axes, keep));  // of nothing: log 0
  const Tensor largest = extreme(x.detach(), mask, true);
  const Tensor top = where(abs(largest) == infinity, Tensor(0.0), largest);  // infinite minus infinite would be NaN
  return without(log(sum(exp(x - top), axes, true)) + top, mask, keep);
}
Tensor logsumexp(const Tensor& x, int axis, bool keep) { return logsumexp(x, std::vector<int>{axis}, keep); }

Tensor norm(const Tensor& x, double p, const std::vector<int>& axes, bool keep) {
  if (!is_real(x.dtype())) refuse_dtype("norm", x);
  if (!(p == p)) throw Error("norm", "p must be a number, got NaN");
  const std::uint32_t mask = axes_mask("norm", axes, x.rank());
  if (p == 2) return without(norm2(x, mask), mask, keep);
  if (p == infinity || p == -infinity) return without(extreme(abs(x), mask, p > 0), mask, keep);
  if (p == 0) return sum((x != 0.0).to(x.dtype()), axes, keep);
  if (p == 1) return sum(abs(x), axes, keep);
  return pow(sum(pow(abs(x), p), axes, keep), 1 / p);
}
Tensor norm(const Tensor& x) { return norm(x, 2); }

Tensor cosine_similarity(const Tensor& a, const Tensor& b, int axis, double eps) {
  const int rank = std::max(a.rank(), b.rank());
  axis = normal_axis("cosine_similarity", axis, rank);
  const int along = axis - rank;  // counted from the end, where broadcasting lines the axes up
  const Tensor least(eps);
  return sum(a * b, {along}) / (max(norm(a, 2, {along}), least) * max(norm(b, 2, {along}), least));
}

}  // namespace gradus
