// PendingList: the nodes that a traversal has yet to reach, with the gradients collected for their results so far.
#pragma once

#include <gradus/autograd/tensor.h>

#include <map>
#include <memory>
#include <vector>

namespace gradus {

/// The pending nodes of a traversal, which takes the youngest out and puts older ones in. Most traversals have few pending,
/// so a node is searched from the young end of a short list. Where many are pending (the rows of a tensor, used in turn),
/// all but the youngest are in a tree.
class PendingList {
 public:
  struct Pending {
    std::uint64_t sequence;
    Node* node;
    Tensor* grads;  // gradients of its results, in one pool block
  };

  PendingList();
  ~PendingList();
  PendingList(const PendingList&) = delete;
  PendingList& operator=(const PendingList&) = delete;

  Tensor* slot_for(Node* n);                 ///< the array that collects the gradients of n's results
  const Pending* find(const Node* n) const;  ///< null: n has no gradient yet
  bool empty() const { return young_.empty() && (!old_ || old_->empty()); }
  Pending pop() {  ///< removes the youngest, which the caller must drop()
    if (young_.empty()) [[unlikely]]
      return pop_old();
    const Pending d = young_.back();
    young_.pop_back();
    return d;
  }
  static void drop(const Pending& d);

 private:
  using Old = std::map<std::uint64_t, Pending>;

  static Pending make(Node* n);
  Tensor* put(Node* n, std::size_t i);
  [[gnu::cold, gnu::noinline]] Tensor* put_into_full(Node* n, std::size_t i);
  [[gnu::cold, gnu::noinline]] Tensor* slot_among_old(Node* n);
  [[gnu::cold, gnu::noinline]] Pending pop_old();
  [[gnu::cold, gnu::noinline]] void drop_old();

  std::vector<Pending> young_;  // sorted by node, the youngest at the back
  std::unique_ptr<Old> old_;    // by node, all older than those in young_; seldom used
};

}  // namespace gradus
