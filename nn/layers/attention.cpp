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

/// bool [L, S]: query i, which stands at first + i, sees the keys up to there.
Tensor keys_up_to(int64_t queries, int64_t keys, int64_t first) {
  return unsqueeze(arange(keys), 0) <= unsqueeze(arange(queries) + first, 1);
}

/// Press, Smith and Lewis: a geometric row from 2^(-8/n); where n is no power of 2, that of the next lower one, and then
/// every second of the next higher.
std::vector<double> alibi_slopes(int64_t heads) {
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> slopes;
  for (int64_t i = 1; i <= power; ++i)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(power)));
  for (int64_t i = 1; static_cast<int64_t>(slopes.size()) < heads; i += 2)
    slopes.push_back(std::exp2(-4.0 * static_cast<double>(i) / static_cast<double>(power)));
  return slopes;
}

/// [heads, L, S]: -slope |distance|.
Tensor alibi_bias(int64_t heads, int64_t queries, int64_t keys, int64_t first, Dtype dtype) {
  const Tensor distance = abs(unsqueeze(arange(keys), 0) - unsqueeze(arange(queries) + first, 1)).to(dtype);
  return distance * -Tensor(Array::of<double>({heads, 1, 1}, alibi_slopes(heads)).to(dtype));
}

/// What is behind the keys is hidden from nobody.
Tensor with_columns_seen(const Tensor& mask, double value, int64_t count) {
  if (!mask.defined()) return mask;
  Shape shape = mask.shape();
  shape[mask.rank() - 1] = count;
  return cat({mask, Tensor(Array::full(shape, value, mask.dtype()))}, -1);
}

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
  if (embed_dim % num_heads != 0) {
    std::string heads;
    for (int64_t n = 1; n <= std::min<int64_t>(embed_dim, 64); ++n)
      if (embed_dim % n == 0) heads += join(n == 1 ? "" : ", ", n);
    throw ShapeError(layer,
                     join("embed_dim ", embed_dim, " does not divide into ", num_heads, " heads; it does into ", heads));
  }
  if (num_heads % o.num_key_value_heads != 0)
    throw ShapeError(layer, join(num_heads, " heads cannot share ", o.num_key_value_heads, " heads of keys and values"));
  if (o.positions == AttentionPositions::rotary && embed_dim / num_heads % 2 != 0)
    throw ShapeError(layer, join("rotary positions turn pairs of features; ", embed_dim, " in ", num_heads, " heads are ",
                                 embed_dim / num_heads, " for each, an odd number"));
  if (!(o.rotary_base > 0)) throw Error(layer, join("rotary_base must be positive, got ", text(o.rotary_base)));
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
  if (o.add_bias_kv)
    for (Parameter* p : {&bias_k, &bias_v}) *p = Parameter(zeros({1, 1, shared})), init::xavier_normal_(*p);
  if (!o.bias) return;
  in_proj_bias = Parameter(zeros({embed + 2 * shared}));
  init::zeros_(out_proj.bias);
}

void MultiheadAttention::check(const Tensor& query, const Tensor& key, const Tensor& value,
                               const KeyValueCache* cache) const {
  const bool alone = cache && !key.defined() && !value.defined();
  const Tensor* tensors[] = {&query, &key, &value};
  const int64_t features[] = {embed_dim, options.kdim, options.vdim};
  const char* names[] = {"query", "key", "value"};
  const char* axes = query.rank() == 2 ? "[length, " : options.batch_first ? "[N, length, " : "[length, N, ";
  const auto text = [](const Tensor& t) { return t.defined() ? describe(t) : "absent"; };
  const std::string all = join(": query ", text(query), ", key ", text(key), ", value ", text(value));
  for (int i = 0; i < (alone ? 1 : 3); ++i) {
    const Tensor& t = *tensors[i];
    if (t.defined()) check_dtype(*this, t, out_proj.weight.dtype());
    const bool rank_fits = t.defined() && (t.rank() == 2 || t.rank() == 3) && t.rank() == query.rank();
    if (!rank_fits || t.shape().back() != features[i])
      throw_input(*this, join("the ", names[i], " must be ", axes, features[i], "], got ", text(t), all));
  }
  if (alone) return;
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

/// heads [N, L, heads, D], the first of them at position `first`.
Tensor MultiheadAttention::turned(const Tensor& heads, int64_t first) const {
  return options.positions == AttentionPositions::rotary ? rotary_embedding(heads, first, options.rotary_base) : heads;
}

/// Fills q and, of keys and values that are given, kv. Heads are views of the products.
void MultiheadAttention::project(Call& call, const Tensor& query, const Tensor& key, const Tensor& value) const {
  const int64_t d = embed_dim / num_heads, few = options.num_key_value_heads, many = num_heads;
  const auto apart = [&](const Tensor& x, int part, int parts) {  // [N, L, heads, D]
    const Tensor y = projected(x.rank() == 2 ? unsqueeze(x, 0) : x, part, parts);
    const Tensor heads = reshape(y, {y.dim(0), y.dim(1), y.dim(2) / d, d});
    return x.rank() == 3 && !options.batch_first ? transpose(heads, 0, 1) : heads;
  };
  const auto head_first = [](const Tensor& x) { return transpose(x, 1, 2); };
  if (in_proj_weight.defined() && same_tensor(query, key) && same_tensor(key, value)) {
    const Tensor all = apart(query, 0, 3), keyed = turned(slice(all, 2, 0, many + few), call.first);
    call.q = head_first(slice(keyed, 2, 0, many));
    call.kv = {head_first(slice(keyed, 2, many, many + few)), head_first(slice(all, 2, many + few, many + 2 * few))};
    return;
  }
  call.q = head_first(turned(apart(query, 0, 1), call.first));
  if (key.defined()) call.kv = {head_first(turned(apart(key, 1, 1), call.first)), head_first(apart(value, 2, 1))};
}

void MultiheadAttention::combine(Call& call, const AttentionMasks& masks, int64_t keys, bool batched) const {
  const int64_t n = call.q.dim(0), queries = call.q.dim(2);
  const auto take = [&](const char* name, const Tensor& t, const Shape& as) {
    if (t.dtype() != boolean && t.dtype() != call.q.dtype())
      throw DtypeError(description(), join(name, " is ", describe(t), "; it must be bool (true: hidden) or ", call.q.dtype(),
                                           " (added to the scores)"));
    const Tensor m = reshape(t, as);
    if (t.dtype() != boolean) call.added = call.added.defined() ? call.added + m : m;
    else call.allowed = call.allowed.defined() ? call.allowed & !m : !m;
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
  if (options.positions == AttentionPositions::alibi) {
    const Tensor bias = alibi_bias(num_heads, queries, keys, call.first, call.q.dtype());
    call.added = call.added.defined() ? call.added + bias : bias;
  }
}

/// The keys and values that every query sees, behind the others: bias_k and bias_v, zeros.
void MultiheadAttention::append_fixed(Call& call) const {
  const int64_t count = (bias_k.defined() ? 1 : 0) + (options.add_zero_attn ? 1 : 0);
  if (count == 0) return;
  const int64_t n = call.q.dim(0), few = options.num_key_value_heads, d = embed_dim / num_heads;
  if (call.causal) {
    const Tensor past = keys_up_to(call.q.dim(2), call.kv.k.dim(2), call.first);
    call.allowed = call.allowed.defined() ? call.allowed & past : past;
    call.causal = false;
  }
  for (Tensor* t : {&call.kv.k, &call.kv.v}) {
    const Parameter& fixed = t == &call.kv.k ? bias_k : bias_v;
    std::vector<Tensor> all{*t};
    if (fixed.defined()) all.push_back(expand(reshape(fixed, {1, few, 1, d}), {n, few, 1, d}));
    if (options.add_zero_attn) all.push_back(zeros({n, few, 1, d}, t->dtype()));
    *t = cat(all, 2);
  }
  call.allowed = with_columns_seen(call.allowed, 1, count), call.added = with_columns_seen(call.added, 0, count);
}

/// Before anything is written into it.
void MultiheadAttention::check_cache(const Call& call, const KeyValueCache& cache) const {
  for (const Tensor* t : {&call.q, &call.kv.k, &call.kv.v})
    if (t->requires_grad())
      throw GraphError(description(), "a cache holds constants, and this call is recorded: its gradients would be wrong",
                       "NoGrad guard;");
  cache.check(*this, call.q.dim(0), options.num_key_value_heads, embed_dim / num_heads, call.q.dtype());
  if (call.kv.k.defined()) return;
  if (cache.length() == 0) throw ShapeError(description(), "key and value are absent, and the cache holds none");
  if (options.positions != AttentionPositions::none)
    throw ShapeError(description(), "key and value are absent, so the positions of the queries among them are not known");
}

MultiheadAttention::Call MultiheadAttention::prepared(const Tensor& query, const Tensor& key, const Tensor& value,
                                                      const AttentionMasks& masks) const {
  KeyValueCache* const cache = masks.cache;
  check(query, key, value, cache);
  Call call{{}, {}, {}, {}, masks.is_causal, cache && key.defined() ? cache->length() : 0};
  project(call, query, key, value);
  if (cache) check_cache(call, *cache);
  const int64_t held = cache ? cache->length() : 0, fresh = call.kv.k.defined() ? call.kv.k.dim(2) : 0;
  combine(call, masks, held + fresh, query.rank() == 3);
  if (cache) call.kv = fresh > 0 ? cache->append(call.kv) : cache->all();
  append_fixed(call);
  return call;
}

/// Of what this call drops; draws nothing where nothing is dropped.
std::uint64_t MultiheadAttention::dropout_seed() const {
  return training() && options.dropout > 0 ? default_generator().next_stream().bits(0) : 0;
}

/// [N, num_heads, L, S], after dropout.
Tensor MultiheadAttention::weights_of(const Call& call, std::uint64_t seed) const {
  const double scale = 1 / std::sqrt(static_cast<double>(call.q.dim(3)));
  const int64_t group = num_heads / options.num_key_value_heads;
  const Tensor k = group > 1 ? repeat_interleave(call.kv.k, group, 1) : call.kv.k;
  Tensor scores = matmul(call.q * scale, transpose(k, -1, -2)), allowed = call.allowed;
  if (call.added.defined()) scores = scores + call.added;
  if (call.causal) {
    const Tensor past = keys_up_to(call.q.dim(2), k.dim(2), call.first);
    allowed = allowed.defined() ? allowed & past : past;
  }
  if (allowed.defined()) scores = where(allowed, scores, Tensor(-std::numeric_limits<double>::infinity()));
  const Tensor weights = allowed.defined() || call.added.defined() ? softmax_of_seen(scores) : softmax(scores, -1);
  return training() ? dropout(weights, options.dropout, seed) : weights;
}

/// [N, num_heads, L, D].
Tensor MultiheadAttention::attended(const Call& call, std::uint64_t seed) const {
  Tensor mask = call.added.defined() ? call.added : call.allowed;
  if (call.added.defined() && call.allowed.defined())
    mask = where(call.allowed, call.added, Tensor(-std::numeric_limits<double>::infinity()));
  return scaled_dot_product_attention(call.q, call.kv.k, call.kv.v,
                                      {.mask = mask,
                                       .dropout_p = training() ? options.dropout : 0,
                                       .causal = call.causal,
                                       .enable_gqa = options.num_key_value_heads != num_heads,
                                       .causal_offset = call.first,
                                       .seed = seed});
}

/// [N, num_heads, L, D] -> the layout of the query.
Tensor MultiheadAttention::joined(const Tensor& heads, bool batched) {
  const Tensor side_by_side =
      permute(heads, batched && !options.batch_first ? std::vector{2, 0, 1, 3} : std::vector{0, 2, 1, 3});
  const Tensor y = out_proj(reshape(side_by_side, {side_by_side.dim(0), side_by_side.dim(1), embed_dim}));
  return batched ? y : squeeze(y, 0);
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks) {
  const Call call = prepared(query, key, value, masks);
  return joined(attended(call, dropout_seed()), query.rank() == 3);
}

AttentionResult MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                            const AttentionMasks& masks, AndWeights) {
  const Call call = prepared(query, key, value, masks);
  const std::uint64_t seed = dropout_seed();
  const bool batched = query.rank() == 3;
  const Tensor each = weights_of(call, seed), weights = masks.average_attn_weights ? mean(each, {1}) : each;
  return {joined(attended(call, seed), batched), batched ? weights : squeeze(weights, 0)};
}

std::string MultiheadAttention::description() const {
  const int64_t few = options.num_key_value_heads;
  const char* positions[] = {"", ", rotary", ", alibi"};
  return join("MultiheadAttention(", embed_dim, ", ", num_heads, num_heads == 1 ? " head" : " heads",
              few == num_heads ? "" : join(" on ", few), positions[static_cast<int>(options.positions)],
              options.batch_first ? ", batch first" : "", options.kdim == embed_dim ? "" : join(", kdim ", options.kdim),
              options.vdim == embed_dim ? "" : join(", vdim ", options.vdim), in_proj_bias.defined() ? ")" : ", no bias)");
}

}  // namespace gradus::nn
