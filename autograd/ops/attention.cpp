// Attention: Vaswani et al., "Attention is all you need", 2017.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/softmax.h>

#include <cmath>
#include <limits>

namespace gradus {
namespace {

struct Attention {
  static constexpr const char* name = "scaled_dot_product_attention";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "scores of such products are infinite in f32: NaN, as PyTorch's", 1e20},
      {EdgeRule::digits, 0, "scores of such products are infinite in f32: NaN, as PyTorch's", EdgeException::largest},
      {EdgeRule::digits, 1, "the gradient of a score is a difference, as good as what is subtracted; the forms bound it"},
      {EdgeRule::digits, 2, "scores of such products are infinite in f32", 1e20},
      {EdgeRule::digits, 2, "scores of such products are infinite in f32", EdgeException::largest}};
  static Samples samples() {
    const Array q = sample_values({2, 3, 4}), k = sample_values({2, 5, 4}, -2, 2, 2), v = sample_values({2, 5, 3}, -2, 2, 3);
    const auto with = [](AttentionOptions o) {
      return [o](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], o); };
    };
    const Array allowed = Array::of<bool>({3, 5}, {true, false, true, true, false, false, false, false, false, false,  //
                                                   true, true, true, true, true});
    return {
        sample("all seen", {q, k, v}, with({})),
        sample("causal", {q, k, v}, with({.causal = true})),
        sample("causal, four axes",
               {sample_values({1, 2, 4, 2}), sample_values({1, 2, 4, 2}, -2, 2, 2), sample_values({1, 2, 4, 2}, -2, 2, 3)},
               with({.causal = true})),
        sample("own scale", {q, k, v}, with({.scale = 0.3})),
        sample("mask; one query sees nothing", {q, k, v}, with({.mask = Tensor(allowed)})),
        sample("added mask", {q, k, v, sample_values({3, 5}, -2, 2, 4)},
               [](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.mask = x[3]}); }),
        sample("keys shared by the batch", {q, sample_values({5, 4}, -2, 2, 2), sample_values({5, 3}, -2, 2, 3)}, with({}))};
  }
};

[[maybe_unused]] const bool attention_composites = register_composites<Attention>();

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  const char* op = "scaled_dot_product_attention";
  if (!is_real(q.dtype())) throw_dtype(op, q);
  for (const Tensor* t : {&k, &v})
    if (t->dtype() != q.dtype())
      throw DtypeError(op,
                       join("the query is ", describe(q), ", the ", t == &k ? "key " : "value ", describe(*t),
                            "; they must have one dtype"),
                       join("x.to(", q.dtype(), ")"));
  const std::string all = join("query ", describe(q), ", key ", describe(k), ", value ", describe(v));
  if (q.rank() < 2 || k.rank() < 2 || v.rank() < 2) throw ShapeError(op, join("all must be [.., length, features]: ", all));
  if (q.shape().back() != k.shape().back())
    throw ShapeError(op, join("the query has ", q.shape().back(), " features, the key ", k.shape().back(),
                              "; they must be equal: ", all));
  if (k.shape()[k.rank() - 2] != v.shape()[v.rank() - 2])
    throw ShapeError(op, join("there are ", k.shape()[k.rank() - 2], " keys and ", v.shape()[v.rank() - 2],
                              " values; they must be equal: ", all));
  if (o.mask.defined() && o.mask.dtype() != boolean && o.mask.dtype() != q.dtype())
    throw DtypeError(op, join("the mask is ", describe(o.mask), "; it must be bool (true: may be seen) or ", q.dtype(),
                              " (added to the scores)"));
}

/// bool [L,S]: query i sees the keys up to i.
Array causal_mask(int64_t queries, int64_t keys) {
  Array allowed({queries, keys}, boolean);
  bool* p = allowed.uninitialized<bool>();
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j) *p++ = j <= i;
  return allowed;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionOptions& o) {
  check_attention(query, key, value, o);
  const double scale = o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(query.shape().back()));
  Tensor scores = matmul(query * scale, transpose(key, -1, -2));
  const int64_t queries = query.shape()[query.rank() - 2], keys = key.shape()[key.rank() - 2];
  Tensor allowed;
  if (o.causal) allowed = Tensor(causal_mask(queries, keys));
  if (o.mask.defined()) {
    Shape shape;
    if (!broadcasts(scores.shape(), o.mask.shape(), shape) || !(shape == scores.shape()))
      throw ShapeError("scaled_dot_product_attention", join("the mask is ", describe(o.mask), ", the scores are ",
                                                            scores.shape(), "; the mask must broadcast to them"));
    if (o.mask.dtype() != boolean) scores = scores + o.mask;
    else allowed = allowed.defined() ? allowed & o.mask : o.mask;
  }
  if (!o.causal && !o.mask.defined()) return matmul(softmax(scores, -1), value);
  // Nothing that is finite is far enough below every score, or below what a float mask holds.
  if (allowed.defined()) scores = where(allowed, scores, Tensor(-std::numeric_limits<double>::infinity()));
  return matmul(softmax_or_zeros(scores), value);
}

}  // namespace gradus
