#include <gradus/nn/layers/attention.h>

#include <gradus/core/random.h>
#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::nn {
namespace {

/// True if a and b are one result, seen in one way: then their products with a weight are one product.
bool same_tensor(const Tensor& a, const Tensor& b) {
  const Array &x = a.array(), &y = b.array();
  return a.node() == b.node() && a.slot() == b.slot() && x.bytes() == y.bytes() && x.shape() == y.shape() &&
         x.dtype() == y.dtype() && std::equal(x.strides(), x.strides() + x.rank(), y.strides());
}

/// Softmax along the last axis, where a row of nothing but -inf gives zeros, whose gradient is zero.
Tensor softmax_of_seen(const Tensor& scores) {
  const double lowest = -std::numeric_limits<double>::infinity();
  const Tensor blind = max(scores.detach(), -1, true) == Tensor(lowest);
  const bool* p = blind.array().data<bool>();
  if (std::find(p, p + blind.size(), true) == p + blind.size()) return softmax(scores, -1);
  return where(blind, Tensor(0.0), softmax(where(blind, Tensor(0.0), scores), -1));
}

/// bool [L, S]: query i sees the keys up to i.
Tensor keys_up_to(int64_t queries, int64_t keys) { return unsqueeze(arange(keys), 0) <= unsqueeze(arange(queries), 1); }

MultiheadAttentionOptions filled(int64_t embed_dim, int64_t num_heads, MultiheadAttentionOptions o) {
  if (o.kdim == 0) o.kdim = embed_dim;
  if (o.vdim == 0) o.vdim = embed_dim;
  if (o.num_key_value_heads == 0) o.num_key_value_heads = num_heads;
  return o;
}

void check_attention_options(int64_t embed_dim, int64_t num_heads, const MultiheadAttentionOptions& o) {
  const char* layer = "MultiheadAttention";
  check_positive(layer, "embed_dim", embed_dim);
  check_positive(layer, "num_heads", num_heads);
  check_positive(layer, "kdim", o.kdim);
  check_positive(layer, "vdim", o.vdim);
  check_positive(layer, "num_key_value_heads", o.num_key_value_heads);
  if (embed_dim % num_heads != 0)
    throw ShapeError(layer, join("embed_dim ", embed_dim, " does not divide into ", num_heads, " heads"));
  if (num_heads % o.num_key_value_heads != 0)
    throw ShapeError(layer, join(num_heads, " heads cannot share ", o.num_key_value_heads, " heads of keys and values"));
  if (!(o.dropout >= 0 && o.dropout < 1))
    throw Error(layer, join("the probability of dropout must lie in [0, 1), got ", text(o.dropout)));
}

}  // namespace

MultiheadAttention::MultiheadAttention(int64_t embed, int64_t heads, MultiheadAttentionOptions o)
    : embed_dim(embed),
      num_heads(heads),
      options(filled(embed, heads, o)),
      out_proj(std::max<int64_t>(embed, 1), std::max<int64_t>(embed, 1), {.bias = o.bias}) {
  check_attention_options(embed, heads, options);
  const int64_t shared = embed / heads * options.num_key_value_heads;
  if (options.kdim == embed && options.vdim == embed) {
    in_proj_weight = Parameter(zeros({embed + 2 * shared, embed}));
    init::xavier_uniform_(in_proj_weight);
  } else {
    q_proj_weight = Parameter(zeros({embed, embed}));
    k_proj_weight = Parameter(zeros({shared, options.kdim}));
    v_proj_weight = Parameter(zeros({shared, options.vdim}));
    for (const Parameter* p : {&q_proj_weight, &k_proj_weight, &v_proj_weight}) init::xavier_uniform_(*p);
  }
  if (!o.bias) return;
  in_proj_bias = Parameter(zeros({embed + 2 * shared}));
  init::zeros_(out_proj.bias);
}

void MultiheadAttention::check(const Tensor& query, const Tensor& key, const Tensor& value) const {
  const Tensor* tensors[] = {&query, &key, &value};
  const int64_t features[] = {embed_dim, options.kdim, options.vdim};
  const char* names[] = {"query", "key", "value"};
  const char* axes = query.rank() == 2 ? "[length, " : options.batch_first ? "[N, length, " : "[length, N, ";
  const std::string all = join(": query ", describe(query), ", key ", describe(key), ", value ", describe(value));
  for (int i = 0; i < 3; ++i) check_dtype(*this, *tensors[i], out_proj.weight.dtype());
  for (int i = 0; i < 3; ++i) {
    const Tensor& t = *tensors[i];
    const bool rank_fits = (t.rank() == 2 || t.rank() == 3) && t.rank() == query.rank();
    if (!rank_fits || t.shape().back() != features[i])
      throw_input(*this, join("the ", names[i], " must be ", axes, features[i], "], got ", describe(t), all));
  }
  const int batch = options.batch_first ? 0 : 1, length = query.rank() == 2 ? 0 : 1 - batch;
  if (query.rank() == 3 && (query.dim(batch) != key.dim(batch) || query.dim(batch) != value.dim(batch)))
    throw_input(*this, join("the batch sizes (axis ", batch, ") must be equal, got ", query.dim(batch), ", ", key.dim(batch),
                            " and ", value.dim(batch), all));
  if (key.dim(length) != value.dim(length))
    throw_input(*this,
                join("there are ", key.dim(length), " keys and ", value.dim(length), " values; they must be equal", all));
}

/// x times the rows for part 0 (query), 1 (key) or 2 (value) and those up to `parts` - 1 behind it.
Tensor MultiheadAttention::projected(const Tensor& x, int part, int parts) const {
  const int64_t shared = embed_dim / num_heads * options.num_key_value_heads;
  const int64_t starts[] = {0, embed_dim, embed_dim + shared, embed_dim + 2 * shared};
  const int64_t begin = starts[part], end = starts[part + parts];
  const Tensor bias = in_proj_bias.defined() ? slice(in_proj_bias, 0, begin, end) : Tensor();
  if (in_proj_weight.defined()) return linear(x, slice(in_proj_weight, 0, begin, end), bias);
  const Parameter* weights[] = {&q_proj_weight, &k_proj_weight, &v_proj_weight};
  return linear(x, *weights[part], bias);
}

/// [N, L, heads D] -> [N, num_heads, L, D].
Tensor MultiheadAttention::heads_of(const Tensor& x, int64_t heads) const {
  const Tensor apart = transpose(reshape(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads}), 1, 2);
  return heads == num_heads ? apart : repeat_interleave(apart, num_heads / heads, 1);
}

MultiheadAttention::Heads MultiheadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value) const {
  const auto batch_first = [&](const Tensor& t) {
    return t.rank() == 2 ? unsqueeze(t, 0) : options.batch_first ? t : transpose(t, 0, 1);
  };
  const int64_t few = options.num_key_value_heads, shared = embed_dim / num_heads * few;
  if (in_proj_weight.defined() && same_tensor(query, key) && same_tensor(key, value)) {
    const Tensor all = projected(batch_first(query), 0, 3);
    return {heads_of(slice(all, 2, 0, embed_dim), num_heads), heads_of(slice(all, 2, embed_dim, embed_dim + shared), few),
            heads_of(slice(all, 2, embed_dim + shared, embed_dim + 2 * shared), few)};
  }
  return {heads_of(projected(batch_first(query), 0, 1), num_heads), heads_of(projected(batch_first(key), 1, 1), few),
          heads_of(projected(batch_first(value), 2, 1), few)};
}

MultiheadAttention::Mask MultiheadAttention::combine(const AttentionMasks& masks, const Heads& heads, bool batched) const {
  const int64_t n = heads.q.dim(0), queries = heads.q.dim(2), keys = heads.k.dim(2);
  Mask mask{{}, {}, masks.is_causal};
  const auto take = [&](const char* name, const Tensor& t, const Shape& as) {
    if (t.dtype() != boolean && t.dtype() != heads.q.dtype())
      throw DtypeError(description(), join(name, " is ", describe(t), "; it must be bool (true: hidden) or ",
                                           heads.q.dtype(), " (added to the scores)"));
    const Tensor m = reshape(t, as);
    if (t.dtype() != boolean) mask.added = mask.added.defined() ? mask.added + m : m;
    else mask.allowed = mask.allowed.defined() ? mask.allowed & !m : !m;
  };
  if (const Tensor& t = masks.key_padding_mask; t.defined()) {
    const Shape wanted = batched ? Shape{n, keys} : Shape{keys};
    if (!(t.shape() == wanted))
      throw_input(*this, join("key_padding_mask must be ", wanted, ", one for each key", batched ? " of each sample" : "",
                              ", got ", describe(t)));
    take("key_padding_mask", t, {n, 1, 1, keys});
  }
  if (const Tensor& t = masks.attn_mask; t.defined()) {
    const Shape for_all{queries, keys}, for_each{n * num_heads, queries, keys};
    if (!(t.shape() == for_all) && !(t.shape() == for_each))
      throw_input(*this, join("attn_mask must be ", for_all, " or ", for_each, ", got ", describe(t)));
    take("attn_mask", t, t.rank() == 2 ? for_all : Shape{n, num_heads, queries, keys});
  }
  return mask;
}

/// [N, num_heads, L, S], after dropout.
Tensor MultiheadAttention::weights_of(const Heads& heads, const Mask& mask) const {
  const double scale = 1 / std::sqrt(static_cast<double>(heads.q.dim(3)));
  Tensor scores = matmul(heads.q * scale, transpose(heads.k, -1, -2)), allowed = mask.allowed;
  if (mask.added.defined()) scores = scores + mask.added;
  if (mask.causal) {
    const Tensor past = keys_up_to(heads.q.dim(2), heads.k.dim(2));
    allowed = allowed.defined() ? allowed & past : past;
  }
  if (allowed.defined()) scores = where(allowed, scores, Tensor(-std::numeric_limits<double>::infinity()));
  const Tensor weights = allowed.defined() || mask.added.defined() ? softmax_of_seen(scores) : softmax(scores, -1);
  if (!training() || options.dropout == 0) return weights;
  return dropout(weights, options.dropout, default_generator().next_stream().bits(0));
}

/// [N, num_heads, L, D] -> the layout of the query.
Tensor MultiheadAttention::joined(const Tensor& heads, bool batched) {
  const Tensor y = out_proj(reshape(transpose(heads, 1, 2), {heads.dim(0), heads.dim(2), embed_dim}));
  return !batched ? squeeze(y, 0) : options.batch_first ? y : transpose(y, 0, 1);
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks) {
  check(query, key, value);
  const bool batched = query.rank() == 3;
  const Heads heads = project(query, key, value);
  const Mask mask = combine(masks, heads, batched);
  if (training() && options.dropout > 0) return joined(matmul(weights_of(heads, mask), heads.v), batched);
  Tensor one = mask.added.defined() ? mask.added : mask.allowed;
  if (mask.added.defined() && mask.allowed.defined())
    one = where(mask.allowed, mask.added, Tensor(-std::numeric_limits<double>::infinity()));
  return joined(scaled_dot_product_attention(heads.q, heads.k, heads.v, {.mask = one, .causal = mask.causal}), batched);
}

AttentionResult MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                            const AttentionMasks& masks, AndWeights) {
  check(query, key, value);
  const bool batched = query.rank() == 3;
  const Heads heads = project(query, key, value);
  const Tensor each = weights_of(heads, combine(masks, heads, batched));
  const Tensor weights = masks.average_attn_weights ? mean(each, {1}) : each;
  return {joined(matmul(each, heads.v), batched), batched ? weights : squeeze(weights, 0)};
}

std::string MultiheadAttention::description() const {
  const int64_t few = options.num_key_value_heads;
  return join("MultiheadAttention(", embed_dim, ", ", num_heads, num_heads == 1 ? " head" : " heads",
              few == num_heads ? "" : join(" on ", few), options.batch_first ? ", batch first" : "",
              options.kdim == embed_dim ? "" : join(", kdim ", options.kdim),
              options.vdim == embed_dim ? "" : join(", vdim ", options.vdim), in_proj_bias.defined() ? ")" : ", no bias)");
}

}  // namespace gradus::nn
