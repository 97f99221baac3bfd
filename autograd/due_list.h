// DueList: the lines that a walk has still to come to, with the gradients collected for their results so far.
#pragma once

#include <gradus/autograd/tensor.h>

#include <map>
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
  bool empty() const { return young_.empty() && old_.empty(); }
  Due pop();                             ///< the youngest, which the caller must drop()
  static void drop(const Due& d);

 private:
  static Due make(Node* n);
  [[gnu::cold, gnu::noinline]] Tensor* place_among_old(Node* n);

  std::vector<Due> young_;             // sorted by line, the youngest at the back
  std::map<std::uint64_t, Due> old_;  // by line; all older than those in young_
};

}  // namespace gradus
