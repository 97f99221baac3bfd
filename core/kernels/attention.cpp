// Attention is cut by shape, and each row of weights is computed alone, so the bits depend on neither threads nor blocks.
#include <gradus/core/kernels/attention.h>

#include <gradus/core/kernels/internal/packed_matrix.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/parallel.h>
#include <gradus/core/simd/softmax_rows.h>

namespace gradus {
namespace {

/// Query rows of a block: few, so that causal attention computes few hidden scores, and so that scores stay in cache.
std::int64_t block_rows(std::int64_t keys) {
  constexpr std::int64_t most = 48, least = 4, scores = 32 * 1024;
  return std::clamp(scores / std::max<std::int64_t>(1, keys), least, most);
}

template <class T> bool finite_rows(const HeadRows<const T>& x, std::int64_t head, std::int64_t n, std::int64_t length) {
  pack<T> zero(0);  // 0 unless a value times 0 is NaN
  for (std::int64_t i = 0; i < n; ++i)
    for_packs<T>(length,
                 [&, from = x(head, i)](std::int64_t j, const auto& lanes, auto) { zero += lanes.load(from + j) * 0.0; });
  return fold_sum(zero) == 0;
}

/// The number of keys that query i sees before masks hide some.
template <class T> std::int64_t keys_seen(const AttentionHeads<T>& a, std::int64_t i) {
  return a.causal ? std::clamp<std::int64_t>(i + a.offset + 1, 0, a.keys) : a.keys;
}

/// Rows of one head and the masks over them.
template <class T> struct AttentionHead {
  const AttentionHeads<T>& a;
  std::int64_t head;
  bool skips;  ///< causally hidden keys are left out, not multiplied by 0, which makes a difference to NaN and infinity

  std::int64_t seen(std::int64_t i) const { return keys_seen(a, i); }
  /// Keys that enter the products of rows up to i.
  std::int64_t taken(std::int64_t i) const { return skips ? seen(i) : a.keys; }

  /// to[i - begin] = scale * row i of q.
  void scaled_queries(std::int64_t begin, std::int64_t end, T* to) const {
    const pack<T> scale(a.scale);
    for (std::int64_t i = begin; i < end; ++i, to += a.features)
      for_packs<T>(a.features, [&, from = a.q(head, i)](std::int64_t j, const auto& lanes, auto) {
        lanes.store(to + j, lanes.load(from + j) * scale);
      });
  }
  /// Finishes the first n scores of row i: adds `added`, and puts -inf where a mask hides a key.
  void mask(std::int64_t i, std::int64_t n, T* s) const {
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    if (a.added)
      for_packs<T>(n, [&, from = a.added(head, i)](std::int64_t j, const auto& lanes, auto) {
        lanes.store(s + j, lanes.load(s + j) + lanes.load(from + j));
      });
    if (!a.allowed) return;
    const bool* allowed = a.allowed(head, i);
    for (std::int64_t j = 0; j < n; ++j) s[j] = allowed[j] ? s[j] : lowest;
  }
  /// Dropout's factor for each of the first n weights of row i.
  void drop_factors(std::int64_t i, std::int64_t n, std::uint32_t* words, T* factors) const {
    const auto first = static_cast<std::uint64_t>((head * a.queries + i) * a.keys);
    const std::uint32_t threshold = a.drop.threshold();
    const T scale = static_cast<T>(a.drop.scale());
    a.drop.random().words(first, n, words);
    for (std::int64_t j = 0; j < n; ++j) factors[j] = words[j] < threshold ? T(0) : scale;
  }
};

template <class T> struct RowStats { T largest, share; };

/// Turns the scores s into the weights e^(s - largest) share.
template <class T> RowStats<T> softmax_row(T* s, std::int64_t n) {
  using P = pack<T>;
  const T top = row_largest(s, n), largest = top == -std::numeric_limits<T>::infinity() ? T(0) : top;
  const P level(largest);
  const T total = row_exp_sum<T>(
      n, [&](std::int64_t j, const auto& lanes) { return lanes.load(s + j) - level; },
      [&](std::int64_t j, const auto& lanes, P e) { lanes.store(s + j, e); });
  const T share = total == 0 ? T(0) : 1 / total;
  for_packs<T>(n, [&, factor = P(share)](std::int64_t j, const auto& lanes, auto) {
    lanes.store(s + j, lanes.load(s + j) * factor);
  });
  return {largest, share};
}

template <class T> void multiply_row(T* s, const T* factors, std::int64_t n) {
  for_packs<T>(
      n, [&](std::int64_t j, const auto& lanes, auto) { lanes.store(s + j, lanes.load(s + j) * lanes.load(factors + j)); });
}

// ---- forward --------------------------------------------------------------------------------------------------------

// For at most this many queries (generating text has one) keys and values are read in place: laying them out for the
// register tile would cost as much as the products.
constexpr std::int64_t few_queries = 2;

/// s[r][j] = q[r] . k[j], for n queries and m keys.
template <class T>
void few_scores(const AttentionHead<T>& head, std::int64_t n, std::int64_t m, const T* q, T* s, std::int64_t length) {
  const std::int64_t e = head.a.features;
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t j = 0; j < m; ++j) {
      pack<T> sum(0);
      for_packs<T>(e, [&, a = q + r * e, b = head.a.k(head.head, j)](std::int64_t i, const auto& lanes, auto) {
        sum = fma(lanes.load(a + i), lanes.load(b + i), sum);
      });
      s[r * length + j] = fold_sum(sum);
    }
}

/// out[r] = sum of s[r][j] v[j].
template <class T>
void few_results(const AttentionHead<T>& head, std::int64_t n, std::int64_t m, const T* s, std::int64_t length, T* out,
                 std::int64_t out_row) {
  const std::int64_t d = head.a.value_features;
  for (std::int64_t r = 0; r < n; ++r, out += out_row) {
    std::fill_n(out, d, T(0));
    for (std::int64_t j = 0; j < m; ++j)
      for_packs<T>(
          d, [&, w = broadcast<T>(s[r * length + j]), v = head.a.v(head.head, j)](std::int64_t i, const auto& lanes, auto) {
            lanes.store(out + i, fma(w, lanes.load(v + i), lanes.load(out + i)));
          });
  }
}

/// The forward pass of all query rows of a head, or of `rows` of them where there are few heads.
template <class T> struct AttentionForward {
  const AttentionHeads<T>& a;
  const HeadRows<T>& out;
  T* stats;
  std::int64_t rows, pieces;

  AttentionForward(const AttentionHeads<T>& all, const HeadRows<T>& to, T* left) : a(all), out(to), stats(left) {
    constexpr std::int64_t enough = 16, least = 64;
    const std::int64_t wanted = (enough + a.heads - 1) / a.heads;
    rows = std::max(least, ((a.queries + wanted - 1) / wanted + least - 1) / least * least);
    pieces = (a.queries + rows - 1) / rows;
  }

  void operator()(std::int64_t begin, std::int64_t end) const {
    for (std::int64_t i = begin; i < end; ++i)
      piece(i / pieces, i % pieces * rows, std::min(a.queries, (i % pieces + 1) * rows));
  }
  void piece(std::int64_t h, std::int64_t begin, std::int64_t end) const {
    const AttentionHead<T> head{a, h, keys_seen(a, begin) < a.keys && finite_rows(a.v, h, a.keys, a.value_features)};
    const bool few = a.queries <= few_queries;
    const std::int64_t block = block_rows(a.keys), length = std::max<std::int64_t>(1, a.keys),
                       taken = few ? 0 : head.taken(end - 1);
    const PackedMatrix<T> keys(a.features, taken, {a.k(h), 1, a.k.row}),
        values(taken, a.value_features, {a.v(h), a.v.row, 1});
    const bool drops = a.drop.p > 0;
    const Scratch<T> q(block * a.features), s(block * length), factors(drops ? length : 0);
    const Scratch<std::uint32_t> words(drops ? length : 0);
    for (std::int64_t i = begin; i < end; i += block) {
      const std::int64_t n = std::min(block, end - i), m = head.taken(i + n - 1);
      head.scaled_queries(i, i + n, q.data());
      if (few) few_scores(head, n, m, q.data(), s.data(), length);
      else keys.multiply_part(a.features, m, n, q.data(), a.features, s.data(), length);
      for (std::int64_t r = 0; r < n; ++r) {
        T* row = s.data() + r * length;
        const std::int64_t seen = head.seen(i + r);
        head.mask(i + r, seen, row);
        const RowStats<T> left = softmax_row(row, seen);
        T* kept = stats + 2 * (h * a.queries + i + r);
        kept[0] = left.largest, kept[1] = left.share;
        if (drops) head.drop_factors(i + r, seen, words.data(), factors.data()), multiply_row(row, factors.data(), seen);
        std::fill(row + seen, row + std::max(seen, m), T(0));
      }
      if (few) few_results(head, n, m, s.data(), length, out(h, i), out.row);
      else values.multiply_part(m, a.value_features, n, s.data(), length, out(h, i), out.row);
    }
  }
};

// ---- backward -------------------------------------------------------------------------------------------------------

/// Working memory for a block of rows.
template <class T> struct AttentionBlock {
  std::int64_t rows, length;
  Scratch<T> q, weights, scores, factors;
  Scratch<std::uint32_t> words;

  AttentionBlock(const AttentionHeads<T>& a, bool drops)
      : rows(block_rows(a.keys)),
        length(std::max<std::int64_t>(1, a.keys)),
        q(rows * a.features),
        weights(rows * length),
        scores(rows * length),
        factors(drops ? length : 0),
        words(drops ? length : 0) {}
};

template <class T> struct AttentionBackward {
  const AttentionHeads<T>& a;
  const AttentionGradients<T>& g;

  void operator()(std::int64_t begin, std::int64_t end) const {
    const AttentionBlock<T> block(a, a.drop.p > 0);
    for (std::int64_t group = begin; group < end; ++group) {
      const std::int64_t *members = g.members + g.begin[group], *last = g.members + g.begin[group + 1];
      clear(g.k, *members, a.features), clear(g.v, *members, a.value_features);
      for (; members < last; ++members) head(*members, block);
    }
  }
  void clear(const HeadRows<T>& rows, std::int64_t head, std::int64_t length) const {
    for (std::int64_t j = 0; rows && j < a.keys; ++j) std::fill_n(rows(head, j), length, T(0));
  }

  /// Row i of the backward pass: s becomes the weights after dropout, dp, their gradient, becomes that of the scores.
  void row(const AttentionHead<T>& h, const AttentionBlock<T>& block, std::int64_t i, T* s, T* dp) const {
    using P = pack<T>;
    const std::int64_t seen = h.seen(i);
    h.mask(i, seen, s);
    const T* stats = g.stats + 2 * (h.head * a.queries + i);
    const P largest(stats[0]), share(stats[1]);
    const T* factors = block.factors.data();
    if (a.drop.p > 0) {
      h.drop_factors(i, seen, block.words.data(), block.factors.data());
      multiply_row(dp, factors, seen);
    }
    const T sum = row_sum<T>(seen, [&](P part, std::int64_t j, const auto& lanes, int valid) {
      const P w = exp(lanes.load(s + j) - largest) * share;
      lanes.store(s + j, w);
      return part + first_lanes(w * lanes.load(dp + j), P(0), valid);
    });
    for_packs<T>(seen, [&, level = P(sum)](std::int64_t j, const auto& lanes, auto) {
      lanes.store(dp + j, lanes.load(s + j) * (lanes.load(dp + j) - level));
    });
    if (a.drop.p > 0) multiply_row(s, factors, seen);
  }

  void head(std::int64_t h, const AttentionBlock<T>& block) const {
    const std::int64_t e = a.features, d = a.value_features, length = block.length;
    const bool finite = keys_seen(a, 0) < a.keys && finite_rows(a.q, h, a.queries, e) && finite_rows(a.k, h, a.keys, e) &&
                        finite_rows(a.v, h, a.keys, d) && finite_rows(g.out, h, a.queries, d);
    const AttentionHead<T> head{a, h, finite};
    const PackedMatrix<T> keys(e, a.keys, {a.k(h), 1, a.k.row}), values(d, a.keys, {a.v(h), 1, a.v.row});
    const PackedMatrix<T> key_rows(a.keys, g.q ? e : 0, {a.k(h), a.k.row, 1});
    T *q = block.q.data(), *s = block.weights.data(), *ds = block.scores.data();
    for (std::int64_t i = 0; i < a.queries; i += block.rows) {
      const std::int64_t n = std::min(block.rows, a.queries - i), m = head.taken(i + n - 1);
      head.scaled_queries(i, i + n, q);
      keys.multiply_part(e, m, n, q, e, s, length);
      values.multiply_part(d, m, n, g.out(h, i), g.out.row, ds, length);
      for (std::int64_t r = 0; r < n; ++r) {
        row(head, block, i + r, s + r * length, ds + r * length);
        const std::int64_t seen = head.seen(i + r);
        for (T* rest : {s, ds}) std::fill(rest + r * length + seen, rest + r * length + std::max(seen, m), T(0));
      }
      if (g.v) gemm<T>(m, d, n, {s, 1, length}, {g.out(h, i), g.out.row, 1}, g.v(h), g.v.row, {.accumulate = true});
      if (g.k) gemm<T>(m, e, n, {ds, 1, length}, {q, e, 1}, g.k(h), g.k.row, {.accumulate = true});
      if (g.q) query_gradient(h, i, n, m, key_rows, ds, length);
      for (std::int64_t r = 0; g.scores && r < n; ++r) {
        T* to = g.scores(h, i + r);
        std::fill(std::copy_n(ds + r * length, m, to), to + a.keys, T(0));
      }
    }
  }

  void query_gradient(std::int64_t h, std::int64_t i, std::int64_t n, std::int64_t m, const PackedMatrix<T>& keys,
                      const T* ds, std::int64_t length) const {
    keys.multiply_part(m, a.features, n, ds, length, g.q(h, i), g.q.row);
    const pack<T> scale(a.scale);
    for (std::int64_t r = 0; r < n; ++r)
      for_packs<T>(a.features, [&, to = g.q(h, i + r)](std::int64_t j, const auto& lanes, auto) {
        lanes.store(to + j, lanes.load(to + j) * scale);
      });
  }
};

/// How many pieces of `work` multiply-adds make a task.
std::int64_t attention_grain(std::int64_t work) {
  return std::max<std::int64_t>(1, (1 << 18) / std::max<std::int64_t>(1, work));
}

/// The number of (query, key) pairs in all heads.
template <class T> std::int64_t pairs(const AttentionHeads<T>& a) {
  std::int64_t seen = 0;
  for (std::int64_t i = 0; i < a.queries; ++i) seen += keys_seen(a, i);
  return a.heads * seen;
}

}  // namespace

template <class T> void attention_forward(const AttentionHeads<T>& a, const HeadRows<T>& out, T* stats) {
  if (a.heads * a.queries == 0) return;
  const CountMultiplyAdds counted(pairs(a) * (a.features + a.value_features));
  const AttentionForward<T> forward(a, out, stats);
  const std::int64_t work = std::min(forward.rows, a.queries) * a.keys * (a.features + a.value_features);
  parallel_ranges(a.heads * forward.pieces, attention_grain(work), forward);
}

template <class T> void attention_backward(const AttentionHeads<T>& a, const AttentionGradients<T>& g) {
  if (a.heads == 0) return;
  const CountMultiplyAdds counted(pairs(a) * (3 * a.features + 2 * a.value_features));
  const std::int64_t work = a.heads / g.groups * a.queries * a.keys * (3 * a.features + 2 * a.value_features);
  parallel_ranges(g.groups, attention_grain(work), AttentionBackward<T>{a, g});
}

#define GRADUS_ATTENTION(T)                                                             \
  template void attention_forward<T>(const AttentionHeads<T>&, const HeadRows<T>&, T*); \
  template void attention_backward<T>(const AttentionHeads<T>&, const AttentionGradients<T>&);
GRADUS_ATTENTION(float)
GRADUS_ATTENTION(double)
#undef GRADUS_ATTENTION

}  // namespace gradus
