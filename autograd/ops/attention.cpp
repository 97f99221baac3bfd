// Attention: Vaswani et al., "Attention is all you need", 2017. The kernel is core/kernels/attention.cpp; the reference
// definition, which is differentiated where gradients are recorded, is made of ops.
#include <gradus/core/kernels/attention.h>

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/softmax.h>
#include <gradus/core/kernels/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace gradus {
namespace {

constexpr const char* attention_name = "scaled_dot_product_attention";

/// A call of attention: its inputs unchanged (constants here), its options, and the kernel's results. The query has `group`
/// times as many heads as the key.
struct AttentionCall {
  Array q, k, v, mask;
  bool causal;
  int64_t offset, group;
  double scale;
  Drop drop;
  Array stats;
};

// ---- addresses of heads ----------------------------------------------------------------------------------------------

Shape leading(const Shape& s) { return Shape(s.begin(), s.rank() - 2); }
Shape with_matrix(Shape leading, int64_t rows, int64_t columns) {
  leading.push_back(rows), leading.push_back(columns);
  return leading;
}
Shape wider(const Shape& a, const Shape& b) { return broadcast(attention_name, a, b); }

/// The offsets of the heads of `a`, seen as [heads.., rows, columns], in elements from its first.
std::vector<int64_t> head_places(const Array& a, const Shape& heads) {
  const Array all = a.expand(with_matrix(heads, a.dim(-2), a.dim(-1)));
  std::vector<int64_t> places{0};
  for (int axis = 0; axis < heads.rank(); ++axis) {
    std::vector<int64_t> next;
    for (const int64_t place : places)
      for (int64_t i = 0; i < heads[axis]; ++i) next.push_back(place + i * all.stride(axis));
    places = std::move(next);
  }
  return places;
}
std::vector<int64_t> each_repeated(const std::vector<int64_t>& places, int64_t times) {
  std::vector<int64_t> all;
  for (const int64_t place : places) all.insert(all.end(), static_cast<std::size_t>(times), place);
  return all;
}

/// The leading axes of a call.
struct AttentionShapes {
  Shape pairs;   ///< of keys and values
  Shape shared;  ///< of all inputs, the query's heads counted in groups
  Shape heads;   ///< of the result

  explicit AttentionShapes(const AttentionCall& c) {
    pairs = wider(leading(c.k.shape()), leading(c.v.shape()));
    Shape queries = leading(c.q.shape());
    if (c.group > 1) queries[queries.rank() - 1] /= c.group;
    shared = heads = wider(queries, pairs);
    if (c.group > 1) heads[heads.rank() - 1] *= c.group;
  }
};

/// The rows of `a` for the kernel, together with the table of their offsets.
template <class T> struct PlacedRows {
  std::vector<int64_t> places;
  HeadRows<T> rows;

  void place(T* data, std::vector<int64_t> at, int64_t row) {
    places = std::move(at);
    rows = {data, places.data(), row};
  }
};
template <class T> struct PlacedHeads {
  PlacedRows<const T> q, k, v, added;
  PlacedRows<const bool> allowed;
  AttentionHeads<T> heads;

  PlacedHeads(const AttentionCall& c, const AttentionShapes& s) {
    const auto put = [](auto& to, const Array& a, std::vector<int64_t> at) {
      using U = std::remove_const_t<std::remove_pointer_t<decltype(to.rows.data)>>;
      to.place(a.data<U>(), std::move(at), a.stride(a.rank() - 2));
    };
    put(q, c.q, head_places(c.q, s.heads));
    put(k, c.k, each_repeated(head_places(c.k, s.shared), c.group));
    put(v, c.v, each_repeated(head_places(c.v, s.shared), c.group));
    if (c.mask.defined() && c.mask.dtype() == boolean) put(allowed, c.mask, head_places(c.mask, s.heads));
    else if (c.mask.defined()) put(added, c.mask, head_places(c.mask, s.heads));
    heads = {s.heads.size(), c.q.dim(-2), c.k.dim(-2), c.q.dim(-1),  c.v.dim(-1), c.scale,  q.rows,
             k.rows,         v.rows,      added.rows,  allowed.rows, c.causal,    c.offset, c.drop};
  }
  PlacedHeads(const PlacedHeads&) = delete;
};

/// `a` with contiguous elements along the last axis.
Array with_rows(const Array& a) { return a.dim(-1) <= 1 || a.stride(a.rank() - 1) == 1 ? a : a.contiguous(); }

/// The mask as rows of [L, S], with its leading axes.
Array mask_rows(const Array& mask, int64_t queries, int64_t keys) {
  Array m = mask;
  while (m.rank() < 2) m = m.unsqueeze(0);
  Shape shape = m.shape();
  shape[m.rank() - 1] = keys;
  m = m.expand(shape);
  if (keys > 1 && m.stride(m.rank() - 1) != 1) m = m.contiguous();
  shape[m.rank() - 2] = queries;
  return m.expand(shape);
}

/// An uninitialised Array with its axes in memory in the order of `like`: heads side by side stay so, and joining them is a
/// view.
Array laid_out_as(const Shape& shape, const Array& like) {
  const int rank = shape.rank();
  bool repeats = like.rank() != rank;
  for (int i = 0; i + 1 < rank && !repeats; ++i) repeats = like.stride(i) == 0;
  if (repeats || rank < 3) return Array(shape, like.dtype(), attention_name);
  std::vector<int> order(static_cast<std::size_t>(rank)), inverse(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end() - 1, [&](int a, int b) { return like.stride(a) > like.stride(b); });
  Shape permuted = shape;
  for (int i = 0; i < rank; ++i) {
    permuted[i] = shape[order[static_cast<std::size_t>(i)]];
    inverse[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = i;
  }
  return Array(permuted, like.dtype(), attention_name).permute(inverse);
}

// ---- forward and backward -----------------------------------------------------------------------------------------------

Array attend(AttentionCall& c) {
  const AttentionShapes shapes(c);
  Array y = laid_out_as(with_matrix(shapes.heads, c.q.dim(-2), c.v.dim(-1)), c.q);
  c.stats = Array({shapes.heads.size(), c.q.dim(-2), 2}, c.q.dtype(), attention_name);
  visit_real(c.q.dtype(), [&]<class T>() {
    const PlacedHeads<T> placed(c, shapes);
    PlacedRows<T> out;
    out.place(y.uninitialized<T>(), head_places(y, shapes.heads), y.stride(y.rank() - 2));
    attention_forward(placed.heads, out.rows, c.stats.uninitialized<T>());
  });
  return y;
}

/// The groups of heads that share keys and values: heads of pair p are members[begin[p]] ... members[begin[p + 1] - 1].
struct HeadGroups {
  std::vector<int64_t> begin, members;

  HeadGroups(const AttentionShapes& s, int64_t group) {
    const Array pairs = Array::arange(s.pairs.size()).reshape(with_matrix(s.pairs, 1, 1));
    const std::vector<int64_t> pair_of = each_repeated(head_places(pairs, s.shared), group);
    members.resize(pair_of.size());
    std::iota(members.begin(), members.end(), 0);
    const auto pair = [&](int64_t head) { return pair_of[static_cast<std::size_t>(head)]; };
    std::stable_sort(members.begin(), members.end(), [&](int64_t a, int64_t b) { return pair(a) < pair(b); });
    for (int64_t p = 0; p <= s.pairs.size(); ++p)
      begin.push_back(
          std::lower_bound(members.begin(), members.end(), p, [&](int64_t h, int64_t of) { return pair(h) < of; }) -
          members.begin());
  }
};

/// A gradient before it is summed over the axes along which its input was repeated.
template <class T> struct WideGradient {
  Array array;
  PlacedRows<T> placed;

  void make(const Shape& heads, const Array& input, int64_t rows, const Shape& seen_from, int64_t group) {
    const Shape shape = with_matrix(heads, rows, input.dim(-1));
    array = seen_from.size() > 0 ? laid_out_as(shape, input) : Array::zeros(shape, input.dtype());
    placed.place(array.uninitialized<T>(), each_repeated(head_places(array, seen_from), group),
                 array.stride(array.rank() - 2));
  }
  Tensor summed_to(const Array& input) const { return Tensor(sum_to(array, input.shape())); }
};

template <class T> void accumulate_gradients(BackwardContext& b, const AttentionCall& c) {
  const AttentionShapes shapes(c);
  const PlacedHeads<T> placed(c, shapes);
  const HeadGroups groups(shapes, c.group);
  const Array dy = with_rows(b.grad().array());
  PlacedRows<const T> out;
  out.place(dy.data<T>(), head_places(dy, shapes.heads), dy.stride(dy.rank() - 2));
  WideGradient<T> q, k, v, scores;
  const int64_t keys = c.k.dim(-2), queries = c.q.dim(-2);
  if (b.wants(0)) q.make(shapes.heads, c.q, queries, shapes.heads, 1);
  if (b.wants(1)) k.make(shapes.pairs, c.k, keys, shapes.shared, c.group);
  if (b.wants(2)) v.make(shapes.pairs, c.v, keys, shapes.shared, c.group);
  if (b.inputs() > 3 && b.wants(3)) scores.make(shapes.heads, c.mask, queries, shapes.heads, 1);
  attention_backward<T>(placed.heads, {out.rows, c.stats.data<T>(), q.placed.rows, k.placed.rows, v.placed.rows,
                                       scores.placed.rows, shapes.pairs.size(), groups.begin.data(), groups.members.data()});
  b.accumulate(0, [&] { return q.summed_to(c.q); });
  b.accumulate(1, [&] { return k.summed_to(c.k); });
  b.accumulate(2, [&] { return v.summed_to(c.v); });
  if (b.inputs() > 3) b.accumulate(3, [&] { return scores.summed_to(c.mask); });
}

/// The causal mask, bool [L, S]: query i sees the keys up to i + offset.
Tensor keys_up_to(int64_t queries, int64_t keys, int64_t offset) {
  return unsqueeze(arange(keys), 0) <= unsqueeze(arange(queries) + offset, 1);
}

/// The reference definition of attention in ops.
Tensor composed_attention(const Tensor& q, const Tensor& key, const Tensor& value, const Tensor& mask,
                          const AttentionCall& c) {
  const Tensor k = c.group > 1 ? repeat_interleave(key, c.group, -3) : key;
  const Tensor v = c.group > 1 ? repeat_interleave(value, c.group, -3) : value;
  Tensor scores = matmul(q * c.scale, transpose(k, -1, -2)), allowed;
  if (c.causal) allowed = keys_up_to(q.dim(-2), k.dim(-2), c.offset);
  if (mask.defined() && mask.dtype() != boolean) scores = scores + mask;
  else if (mask.defined()) allowed = allowed.defined() ? allowed & mask : mask;
  // Minus infinity, since no finite number is far enough below every score, or below the values of a float mask.
  if (allowed.defined()) scores = where(allowed, scores, Tensor(-std::numeric_limits<double>::infinity()));
  const Tensor weights = allowed.defined() || mask.defined() ? softmax_or_zeros(scores) : softmax(scores, -1);
  return matmul(dropout(weights, c.drop.p, c.drop.seed), v);
}

struct Attention {
  static constexpr const char* name = attention_name;
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "scores of such products are infinite in f32: NaN, as PyTorch's", 1e20},
      {EdgeRule::digits, 0, "scores of such products are infinite in f32: NaN, as PyTorch's", EdgeException::largest},
      {EdgeRule::digits, 1, "the gradient of a score is a difference, as good as what is subtracted; the forms bound it"},
      {EdgeRule::digits, 2, "scores of such products are infinite in f32", 1e20},
      {EdgeRule::digits, 2, "scores of such products are infinite in f32", EdgeException::largest}};
  using Saved = AttentionCall;
  static void kernel(BackwardContext& b, const AttentionCall& c) {
    for (const Array* a : {&c.q, &c.k, &c.v}) b.checked(*a);
    if (c.mask.defined()) b.checked(c.mask);
    visit_real(c.q.dtype(), [&]<class T>() { accumulate_gradients<T>(b, c); });
  }
  static std::vector<Tensor> inputs(const BackwardContext& b, const AttentionCall& c) {
    std::vector<Tensor> all{b.input(0, c.q), b.input(1, c.k), b.input(2, c.v)};
    if (b.inputs() > 3) all.push_back(b.input(3, c.mask));
    return all;
  }
  static Tensor reference(const std::vector<Tensor>& x, const AttentionCall& c) {
    return composed_attention(x[0], x[1], x[2], x.size() > 3 ? x[3] : c.mask.defined() ? Tensor(c.mask) : Tensor(), c);
  }
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
        sample("keys shared by the batch", {q, sample_values({5, 4}, -2, 2, 2), sample_values({5, 3}, -2, 2, 3)}, with({})),
        sample("four heads on two",
               {sample_values({2, 4, 3, 2}), sample_values({2, 2, 4, 2}, -2, 2, 2), sample_values({1, 2, 4, 3}, -2, 2, 3)},
               with({.enable_gqa = true})),
        sample("after two keys", {q, k, v}, with({.causal = true, .causal_offset = 2})),
        sample("dropped weights", {q, k, v}, with({.dropout_p = 0.4, .causal = true, .causal_offset = 1, .seed = 5})),
        sample("heads side by side, more keys than a pack", {sample_values({2, 19, 2, 3})},
               [](auto& x) {
                 const Tensor heads = transpose(x[0], 1, 2);
                 return scaled_dot_product_attention(slice(heads, 2, 4, 9), heads, slice(heads, 3, 1, 3));
               }),
        sample("added mask of each head", {sample_values({2, 2, 3, 2}), sample_values({2, 2, 1, 3}, -2, 2, 4)},
               [](auto& x) { return scaled_dot_product_attention(x[0], x[0], x[0], {.mask = x[1]}); })};
  }
};

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  const char* op = attention_name;
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
  if (!(o.dropout_p >= 0 && o.dropout_p < 1))
    throw Error(op, join("the probability of dropout must lie in [0, 1), got ", text(o.dropout_p)));
}

/// How many heads of the query share one head of the key. Errors: ShapeError.
int64_t group_of(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  if (!o.enable_gqa) return 1;
  const std::string all = join("query ", describe(q), ", key ", describe(k), ", value ", describe(v));
  if (q.rank() < 3 || k.rank() < 3 || v.rank() < 3)
    throw ShapeError(attention_name, join("with enable_gqa all must be [.., heads, length, features]: ", all));
  const int64_t many = q.dim(-3), few = k.dim(-3);
  if (v.dim(-3) != few || few == 0 || many % few != 0)
    throw ShapeError(attention_name, join(many, " heads of the query cannot share ", few, " of the key and ", v.dim(-3),
                                          " of the value: ", all));
  return many / few;
}

/// Makes the call, keeping its inputs. Errors: ShapeError.
AttentionCall attention_call(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  const int64_t queries = q.dim(-2), keys = k.dim(-2);
  AttentionCall c{kept(with_rows(q.array())),
                  kept(with_rows(k.array())),
                  kept(with_rows(v.array())),
                  {},
                  o.causal,
                  std::clamp(o.causal_offset, -queries, keys),
                  group_of(q, k, v, o),
                  o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(q.shape().back())),
                  {o.dropout_p, 0},
                  {}};
  const Shape scores = with_matrix(AttentionShapes(c).heads, queries, keys);
  if (o.mask.defined()) {
    Shape shape;
    if (!broadcasts(scores, o.mask.shape(), shape) || !(shape == scores))
      throw ShapeError(attention_name, join("the mask is ", describe(o.mask), ", the scores are ", scores,
                                            "; the mask must broadcast to them"));
    c.mask = kept(mask_rows(o.mask.array(), queries, keys));
  }
  if (o.dropout_p > 0) c.drop.seed = o.seed ? *o.seed : default_generator().next_stream().bits(0);
  return c;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionOptions& o) {
  check_attention(query, key, value, o);
  AttentionCall call = attention_call(query, key, value, o);
  if (op_observer && op_observer->takes_apart(attention_name)) [[unlikely]]
    return composed_attention(query, key, value, o.mask, call);
  const Array y = attend(call);
  call.stats.remember_version();
  const auto saved = [&] { return call; };
  if (!o.mask.defined() || o.mask.dtype() == boolean) return fused<Attention>(y, saved, query, key, value);
  return fused<Attention>(y, saved, query, key, value, expand(o.mask, call.mask.shape()));
}

}  // namespace gradus
