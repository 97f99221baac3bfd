// Ops of rows: sums, norms, softmax, losses.
#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>

namespace gradus::tools {
namespace {

using Row = std::span<const Jet>;
using Jets = std::vector<Jet>;
using Call = Tensor (*)(const Tensor&);

EdgeForm row(const char* op, const char* label, int length, Call call, Jets (*form)(Row)) {
  return {op, label, 1, length, false, [call](const std::vector<Tensor>& x) { return call(x[0]); }, form};
}
EdgeForm rows(const char* op, const char* label, int length, Tensor (*call)(const Tensor&, const Tensor&),
              Jets (*form)(Row, Row)) {
  return {op,
          label,
          2,
          length,
          false,
          [call](const std::vector<Tensor>& x) { return call(x[0], x[1]); },
          [form](Row x) { return form(x.first(x.size() / 2), x.last(x.size() / 2)); }};
}

Jet sum_of(Row x) {
  Jet s(0);
  for (const Jet& v : x) s = s + v;
  return s;
}
Jet mean_of(Row x) { return sum_of(x) * Jet(1 / static_cast<Wide>(x.size())); }
Jets less_mean(Row x) {
  const Jet m = mean_of(x);
  Jets d;
  for (const Jet& v : x) d.push_back(v - m);
  return d;
}
Jet squares_of(Row x) {
  Jet s(0);
  for (const Jet& v : x) s = s + square(v);
  return s;
}
/// Slopes 0 at 0, as PyTorch's.
Jet root_or_zero(const Jet& x) { return x.f == 0 ? chain(x, 0, 0, 0) : sqrt(x); }
Jet euclidean(Row x) { return root_or_zero(squares_of(x)); }
Jets over(Row x, const Jet& d) {
  Jets y;
  for (const Jet& v : x) y.push_back(v / d);
  return y;
}
/// x / sqrt(mean square + eps), in packs of one row.
Jets scaled_row(Row x, Wide eps) { return over(x, sqrt(squares_of(x) * Jet(1 / static_cast<Wide>(x.size())) + Jet(eps))); }

template <int tenths> Jets p_norm(Row x) {
  constexpr Wide p = tenths / 10.0L;
  Jet s(0);
  Wide top = 0;
  for (const Jet& v : x) top = std::fmax(top, std::fabs(v.f));
  if (top == 0 || std::isinf(top)) {
    Jet flat(top);
    for (const Jet& v : x) flat = flat + chain(v, 0, top == 0 ? 0 : NAN, NAN);
    return {flat};
  }
  for (const Jet& v : x)  // a slope of 0 at 0, as PyTorch's
    s = s + (v.f == 0 ? chain(v, 0, 0, p < 2 ? NAN : 0) : pow(abs(v) * Jet(1 / top), p));
  Jet y = pow(s, 1 / p) * Jet(top);
  if (p < 1) y.c = NAN;   // no norm: where numbers are far apart, powers overflow on their way to it
  for (const Jet& v : x)  // and what is too far below the largest to count has the slope 0 instead of one without end
    if (p < 1 && v.f != 0 && std::fabs(v.f) < 1e-30L * top) y.a = y.b = NAN;
  return {y};
}

/// Infinite numbers share the weight: the gradient of logsumexp is softmax.
Jet log_sum_exp(Row x) {
  Wide top = -INFINITY;
  for (const Jet& v : x) top = std::fmax(top, v.f);
  Jet s(0);
  if (std::isinf(top)) {
    int many = 0;
    for (const Jet& v : x) many += v.f == top;
    Jet y(top);
    for (const Jet& v : x) y = y + chain(v, 0, v.f != top ? 0 : top > 0 && many == 1 ? 1 : NAN, NAN);
    return y;
  }
  for (const Jet& v : x) s = s + exp(v - Jet(top));
  return log(s) + Jet(top);
}
Jets soft_max(Row x) {
  Wide top = -INFINITY;
  for (const Jet& v : x) top = std::fmax(top, v.f);
  Jets e;
  for (const Jet& v : x) e.push_back(exp(v - Jet(top)));
  return over(e, sum_of(e));
}
/// Of infinity NaN, as PyTorch's.
Jets log_soft_max(Row x) {
  for (const Jet& v : x)
    if (v.f == static_cast<Wide>(INFINITY)) return Jets(x.size(), Jet(NAN));
  const Jet l = log_sum_exp(x);
  Jets y;
  for (const Jet& v : x) y.push_back(v - l);
  return y;
}
/// Products of prefixes, and their sums.
Jets prefixes(Row x, bool product) {
  Jets y;
  for (const Jet& v : x) y.push_back(y.empty() ? v : product ? y.back() * v : y.back() + v);
  return y;
}
Jet dot_of(Row a, Row b) {
  Jet s(0);
  for (std::size_t i = 0; i < a.size(); ++i) s = s + a[i] * b[i];
  return s;
}
Jet at_least(const Jet& x, Wide low) { return x.f < low ? chain(x, low, 0, 0) : x; }

Tensor var_of(const Tensor& x) { return var(x, {1}); }
Tensor std_of(const Tensor& x) { return std(x, {1}); }

}  // namespace

std::vector<EdgeForm> edge_forms_of_rows() {
  return {
      row(
          "sum", "", 3, [](const Tensor& x) { return sum(x, {1}); }, [](Row x) { return Jets{sum_of(x)}; }),
      row(
          "mean", "", 3, [](const Tensor& x) { return mean(x, {1}); }, [](Row x) { return Jets{mean_of(x)}; }),
      row(
          "prod", "", 3, [](const Tensor& x) { return prod(x, 1); }, [](Row x) { return Jets{x[0] * x[1] * x[2]}; }),
      row(
          "cumsum", "", 3, [](const Tensor& x) { return cumsum(x, 1); }, [](Row x) { return prefixes(x, false); }),
      row(
          "cumprod", "", 3, [](const Tensor& x) { return cumprod(x, 1); }, [](Row x) { return prefixes(x, true); }),
      row("var", "", 3, var_of, [](Row x) { return Jets{squares_of(less_mean(x)) * Jet(0.5L)}; }),
      row("std", "", 3, std_of, [](Row x) { return Jets{root_or_zero(squares_of(less_mean(x)) * Jet(0.5L))}; }),
      row(
          "norm", "", 3, [](const Tensor& x) { return norm(x, 2, {1}); }, [](Row x) { return Jets{euclidean(x)}; }),
      row(
          "norm", "of one", 1, [](const Tensor& x) { return norm(x, 2, {1}); }, [](Row x) { return Jets{euclidean(x)}; }),
      row(
          "norm_p", "p = 1.5", 2, [](const Tensor& x) { return norm(x, 1.5, {1}); }, p_norm<15>),
      row(
          "norm_p", "p = 3", 2, [](const Tensor& x) { return norm(x, 3, {1}); }, p_norm<30>),
      row(
          "norm_p", "p = 8", 3, [](const Tensor& x) { return norm(x, 8, {1}); }, p_norm<80>),
      row(
          "norm_p", "p = 0.5", 2, [](const Tensor& x) { return norm(x, 0.5, {1}); }, p_norm<5>),
      row(
          "logsumexp", "", 2, [](const Tensor& x) { return logsumexp(x, 1); }, [](Row x) { return Jets{log_sum_exp(x)}; }),
      row(
          "softmax", "", 3, [](const Tensor& x) { return softmax(x); }, soft_max),
      row(
          "log_softmax", "", 3, [](const Tensor& x) { return log_softmax(x); }, log_soft_max),
      row(
          "normalize", "", 3, [](const Tensor& x) { return normalize(x); },
          [](Row x) { return over(x, at_least(euclidean(x), 1e-12L)); }),
      row(
          "layer_norm", "", 3, [](const Tensor& x) { return layer_norm(x, {3}, {}, {}, 1e-5); },
          [](Row x) { return scaled_row(less_mean(x), 1e-5L); }),
      row(
          "rms_norm", "", 3, [](const Tensor& x) { return rms_norm(x, {3}, {}, 1e-6); },
          [](Row x) { return scaled_row(x, 1e-6L); }),
      rows(
          "dot", "", 1,
          [](const Tensor& a, const Tensor& b) { return select(matmul(unsqueeze(a, 1), unsqueeze(b, 2)), 1, 0); },
          [](Row a, Row b) { return Jets{dot_of(a, b)}; }),
      rows(
          "cosine_similarity", "", 2, [](const Tensor& a, const Tensor& b) { return cosine_similarity(a, b, 1, 1e-7); },
          [](Row a, Row b) {
            const Jet p = at_least(euclidean(a), 1e-7L), q = at_least(euclidean(b), 1e-7L);
            return Jets{dot_of(over(a, p), over(b, q))};
          }),
      rows(
          "mse_loss", "none", 1, [](const Tensor& a, const Tensor& b) { return mse_loss(a, b, Reduction::none); },
          [](Row a, Row b) { return Jets{square(a[0] - b[0])}; }),
  };
}

}  // namespace gradus::tools
