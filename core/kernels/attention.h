// Scaled dot-product attention of many heads on plain pointers, forward and backward. The weights of some query rows exist at
// a time, never all of them: Dao, Fu, Ermon, Rudra and Ré, "FlashAttention", 2022; here a block sees whole rows, as they fit
// the second-level cache.
#pragma once

#include <gradus/core/kernels/drop.h>

#include <cstdint>

namespace gradus {

/// Rows of numbers of many heads: row i of head h begins at data + at[h] + i * row, and its numbers are neighbours.
template <class T> struct HeadRows {
  T* data = nullptr;  ///< null: there are none
  const std::int64_t* at = nullptr;
  std::int64_t row = 0;

  explicit operator bool() const { return data != nullptr; }
  T* operator()(std::int64_t head, std::int64_t i = 0) const { return data + at[head] + i * row; }
};

template <class T> struct AttentionHeads {
  std::int64_t heads, queries, keys, features, value_features;
  double scale;                  ///< of the scores q k'
  HeadRows<const T> q, k, v;     ///< [queries, features], [keys, features], [keys, value_features]
  HeadRows<const T> added;       ///< [queries, keys], added to the scores, or none
  HeadRows<const bool> allowed;  ///< [queries, keys], false where a query may not see a key, or none
  bool causal;
  std::int64_t offset;  ///< causal: query i sees the keys up to i + offset; -queries <= offset <= keys
  Drop drop;            ///< of weight (head * queries + query) * keys + key; p = 0: none
};

/// out [queries, value_features] = softmax(scores) v; 0 for a query that sees no key. stats [heads, queries, 2]: the largest
/// score of a row (0 if it sees nothing), and 1 / the sum of e^(score - largest) (0 likewise).
template <class T> void attention_forward(const AttentionHeads<T>& a, const HeadRows<T>& out, T* stats);

/// Heads that share keys and values are one group, whose gradients of k and v are summed in the order given.
template <class T> struct AttentionGradients {
  HeadRows<const T> out;  ///< of the result
  const T* stats;
  HeadRows<T> q, k, v;  ///< each may be none; k and v at the same place for all heads of a group
  HeadRows<T> scores;   ///< [queries, keys], or none: of what `added` is added to
  std::int64_t groups;
  const std::int64_t* begin;  ///< [groups + 1] into `members`
  const std::int64_t* members;
};

template <class T> void attention_backward(const AttentionHeads<T>& a, const AttentionGradients<T>& g);

}  // namespace gradus
