// Scaled dot-product attention of many heads on plain pointers, forward and backward. Only the weights of some query rows
// exist at a time: Dao, Fu, Ermon, Rudra and Ré, "FlashAttention", 2022; here a block has whole rows, which fit the
// second-level cache.
#pragma once

#include <gradus/core/kernels/drop.h>

#include <cstdint>

namespace gradus {

/// Matrices of many heads: row i of head h begins at data + at[h] + i * row, and the elements of a row are contiguous.
template <class T> struct HeadRows {
  T* data = nullptr;  ///< null: absent
  const std::int64_t* at = nullptr;
  std::int64_t row = 0;

  explicit operator bool() const { return data != nullptr; }
  T* operator()(std::int64_t head, std::int64_t i = 0) const { return data + at[head] + i * row; }
};

template <class T> struct AttentionHeads {
  std::int64_t heads, queries, keys, features, value_features;
  double scale;                  ///< of the scores q k'
  HeadRows<const T> q, k, v;     ///< [queries, features], [keys, features], [keys, value_features]
  HeadRows<const T> added;       ///< [queries, keys], added to the scores, or absent
  HeadRows<const bool> allowed;  ///< [queries, keys], false where a query may not see a key, or absent
  bool causal;
  std::int64_t offset;  ///< causal: query i sees the keys up to i + offset; -queries <= offset <= keys
  Drop drop;            ///< dropout of weight (head * queries + query) * keys + key; p = 0: none
};

/// out [queries, value_features] = softmax(scores) v; 0 for a query that sees no key. stats [heads, queries, 2]: the largest
/// score of a row, and 1 / the sum of e^(score - largest); both 0 if the row sees no key.
template <class T> void attention_forward(const AttentionHeads<T>& a, const HeadRows<T>& out, T* stats);

/// The gradients of a group of heads that share keys and values; those of k and v are summed in the order given.
template <class T> struct AttentionGradients {
  HeadRows<const T> out;  ///< the gradient of the result
  const T* stats;
  HeadRows<T> q, k, v;  ///< each may be absent; k and v at the same place for all heads of a group
  HeadRows<T> scores;   ///< [queries, keys], the gradient of `added`, or absent
  std::int64_t groups;
  const std::int64_t* begin;  ///< [groups + 1] into `members`
  const std::int64_t* members;
};

template <class T> void attention_backward(const AttentionHeads<T>& a, const AttentionGradients<T>& g);

}  // namespace gradus
