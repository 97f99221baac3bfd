// Layers, on rows of their own: normalisation, attention, losses, pools, recurrences.
#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>

#include <limits>

namespace gradus::tools {
namespace {

using Row = std::span<const Jet>;
using Jets = std::vector<Jet>;
using Call = Tensor (*)(const Tensor&);

constexpr double unbounded = std::numeric_limits<double>::infinity();

EdgeForm layer(const char* op, const char* label, int length, Call call, Jets (*form)(Row), double most = unbounded) {
  return {op, label, 1, length, false, [call](const std::vector<Tensor>& x) { return call(x[0]); }, form, most};
}

Tensor as(const Tensor& x, Shape shape) { return reshape(x, shape); }

/// (x - mean) / sqrt(variance + eps).
Jets normal(Row x) {
  const Jet part(1 / static_cast<Wide>(x.size()));
  Jet sum(0), squares(0);
  for (const Jet& v : x) sum = sum + v;
  Jets y;
  for (const Jet& v : x) y.push_back(v - sum * part);
  for (const Jet& d : y) squares = squares + square(d);
  for (Jet& d : y) d = d / sqrt(squares * part + Jet(1e-5L));
  return y;
}

/// One query, two keys and values, a number each: q, k0, k1, v0, v1, of which the first `seen` may be seen.
template <int seen> Jets attention(Row x) {
  if (seen == 0) return {flat(x[0], 0)};
  if (seen == 1) return {x[3]};
  const Jet share = sigmoid(x[0] * x[2] - x[0] * x[1]);  // of the second
  return {x[3] * (Jet(1) - share) + x[4] * share};
}
template <int seen> Tensor attend(const Tensor& x) {
  const int64_t n = x.dim(0);
  const auto part = [&](int64_t from, int64_t length) { return as(slice(x, 1, from, from + length), {n, length, 1}); };
  AttentionOptions o;
  if (seen < 2) {
    o.mask = Tensor(Array::of<double>({1, 2}, {seen > 0 ? 0 : -unbounded, -unbounded}).to(x.dtype()));
  }
  return as(scaled_dot_product_attention(part(0, 1), part(1, 2), part(3, 2), o), {n, 1});
}

Tensor entropy(const Tensor& x) { return cross_entropy(x, Tensor(Array::zeros({x.dim(0)}, i64)), Reduction::none); }
/// Of infinity NaN, as PyTorch's.
Jets entropy_form(Row x) {
  if (x[0].f == static_cast<Wide>(unbounded) || x[1].f == static_cast<Wide>(unbounded)) return {Jet(NAN)};
  const Jet d = x[1] - x[0];  // log(1 + e^d)
  return {d.f > 0 ? d + log1p(exp(-d)) : log1p(exp(d))};
}

Tensor batch(const Tensor& x) {
  const int64_t n = x.dim(0);
  return transpose(batch_norm(transpose(x, 0, 1), ones({n}, x.dtype()), zeros({n}, x.dtype())).y, 0, 1);
}

}  // namespace

std::vector<EdgeForm> edge_forms_of_layers() {
  return {
      layer(
          "group_norm", "", 3,
          [](const Tensor& x) {
            return as(group_norm(as(x, {x.dim(0), 3, 1}), 1), x.shape());
          },
          normal),
      layer(
          "instance_norm", "", 3,
          [](const Tensor& x) {
            return as(instance_norm(as(x, {x.dim(0), 1, 3})), x.shape());
          },
          normal),
      layer("batch_norm", "", 3, batch, normal),
      layer("scaled_dot_product_attention", "", 5, attend<2>, attention<2>, 1e9),
      layer("scaled_dot_product_attention", "one masked", 5, attend<1>, attention<1>, 1e9),
      layer("scaled_dot_product_attention", "both masked", 5, attend<0>, attention<0>, 1e9),
      layer("cross_entropy", "", 2, entropy, entropy_form),
      layer(
          "avg_pool2d", "", 3,
          [](const Tensor& x) {
            return as(avg_pool2d(as(x, {x.dim(0), 1, 1, 3}), {1, 3}), {x.dim(0), 1});
          },
          [](Row x) { return Jets{(x[0] + x[1] + x[2]) * Jet(1 / 3.0L)}; }),
      layer(
          "linear_scan", "a1, b0, b1", 3,
          [](const Tensor& x) {
            return linear_scan(slice(pad(x, {1, 0}), 1, 0, 2), slice(x, 1, 1, 3), 1);
          },
          [](Row x) {
            return Jets{x[1], x[0] * x[1] + x[2]};
          }),
      layer(
          "matmul", "1 by 2 by 1", 4,
          [](const Tensor& x) {
            const int64_t n = x.dim(0);
            return as(matmul(as(slice(x, 1, 0, 2), {n, 1, 2}), as(slice(x, 1, 2, 4), {n, 2, 1})), {n, 1});
          },
          [](Row x) { return Jets{x[0] * x[2] + x[1] * x[3]}; }),
  };
}

}  // namespace gradus::tools
