// DueList: the lines that a walk has still to come to, with the gradients collected for their results so far.
#pragma once

#include <gradus/autograd/tensor.h>

#include <map>
#include <memory>
#include <vector>

namespace gradus {

/// A walk takes the youngest line out and puts older ones in. Most walks have few under way, so a place is looked for from the
/// young end of a short list. Where many wait (the rows of a tensor, used in turn), all but the youngest stand in a tree.
class DueList {
 public:
  struct Due {
    std::uint64_t line;
    Node* node;
    Tensor* grads;  // node->outputs of them, in one pool block
  };

  DueList();
  ~DueList();
  DueList(const DueList&) = delete;
  DueList& operator=(const DueList&) = delete;

  Tensor* place_for(Node* n);            ///< where the gradients for n's results are collected
  const Due* find(const Node* n) const;  ///< null: nothing has come to n
  bool empty() const { return young_.empty() && (!old_ || old_->empty()); }
  Due pop() {                            ///< the youngest, which the caller must drop()
    if (young_.empty()) [[unlikely]] return pop_old();
    const Due d = young_.back();
    young_.pop_back();
    return d;
  }
  static void drop(const Due& d);

 private:
  using Old = std::map<std::uint64_t, Due>;

  static Due make(Node* n);
  Tensor* put(Node* n, std::size_t i);
  [[gnu::cold, gnu::noinline]] Tensor* put_into_full(Node* n, std::size_t i);
  [[gnu::cold, gnu::noinline]] Tensor* place_among_old(Node* n);
  [[gnu::cold, gnu::noinline]] Due pop_old();
  [[gnu::cold, gnu::noinline]] void drop_old();

  std::vector<Due> young_;    // sorted by line, the youngest at the back
  std::unique_ptr<Old> old_;  // by line, all older than those in young_; seldom there
};

}  // namespace gradus
