// What an attention has seen of a text, so that its next token costs one step.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

/// The keys and values of one MultiheadAttention, of all calls since clear():
///   NoGrad guard;
///   nn::KeyValueCache cache;
///   attention(prompt, prompt, prompt, {.is_causal = true, .cache = &cache});
///   attention(token, token, token, {.is_causal = true, .cache = &cache});  // sees the prompt and itself
/// A copy is another continuation of the same text.
class KeyValueCache {
 public:
  int64_t length() const { return length_; }  ///< keys held: the position of the next token
  void clear() { *this = {}; }

 private:
  friend class MultiheadAttention;
  struct Heads {
    Tensor k, v;  // [N, heads, length, head_dim]
  };
  void check(const ModuleBase& layer, int64_t batch, int64_t heads, int64_t features, Dtype dtype) const;
  Heads all() const;
  Heads append(const Heads& more);

  Array keys_, values_;  // [N, room, heads, head_dim]
  int64_t length_ = 0;
};

}  // namespace gradus::nn
