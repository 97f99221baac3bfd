// The backward pass: from a node to everything below it, youngest node first.
#pragma once

#include <gradus/autograd/pending_list.h>
#include <gradus/autograd/tensor.h>

#include <vector>

namespace gradus {

/// What an op's backward pass sees of its node, and where it leaves the gradients.
class BackwardContext {
 public:
  /// True: gradients are themselves recorded (create_graph). False: everything here is a constant.
  bool graph() const { return graph_; }
  bool wants(int k) const { return node_->edges()[k].node != nullptr; }
  int inputs() const { return node_->inputs; }
  const char* op() const { return node_->op->name; }

  /// Gradient of result `slot`; absent if nothing below the root used that result.
  const Tensor& grad(int slot = 0) const { return grads_[slot]; }

  /// Input k, from the Array the op kept; with its history if gradients are recorded.
  Tensor input(int k, const Array& kept) const;
  /// Result `slot`, likewise.
  Tensor output(const Array& kept, int slot = 0) const;
  /// A kept Array as it was: GraphError naming op and writer if somebody overwrote it.
  const Array& checked(const Array& kept) const {
    if (kept.stale()) [[unlikely]]
      overwritten(kept);
    return kept;
  }

  /// Hands make() (a Tensor of input k's shape) to input k, if it is wanted.
  template <class Make> void accumulate(int k, Make make) {
    Tensor* place = place_of(k);
    if (!place) [[unlikely]]
      return;
    if (place->defined()) [[unlikely]]
      add_into(*place, make());
    else build(place, make);
  }
  /// The same where make() is zero but for grad() in the part of it that part_of(Array) is: where there is a sum already,
  /// only that part of it is touched. So all rows of a tensor, each taken by itself, cost one pass over it and not one each.
  template <class Make, class PartOf> void accumulate_part(int k, Make make, PartOf part_of) {
    Tensor* place = place_of(k);
    if (!place) [[unlikely]]
      return;
    if (!place->defined()) build(place, make);
    else if (may_add_to_part(*place)) add_to_part(part_of(place->array()));
    else add_into(*place, make());
  }

  /// The same from an op that hands something only to some rows of input k: a leaf records which, and rows() is called.
  template <class Rows, class Make> void accumulate_rows(int k, Rows rows, Make make) {
    Node* const to = node_->edges()[k].node;
    if (!into_leaves_ || !to || to->op) return accumulate(k, make);
    Leaf& leaf = *static_cast<Leaf*>(to);
    TouchedRows touched = rows();
    if (leaf.has_grad()) touched.add(leaf.touched);
    accumulate(k, make);
    leaf.touched = std::move(touched);
  }
  /// Hands rows() (TouchedRows and their numbers) to input k if that is a leaf, whose gradient is sparse then unless
  /// something else makes it dense. False if it is not: accumulate_rows() is to do it.
  template <class Rows> bool accumulate_sparse(int k, Rows rows) {
    Node* const to = node_->edges()[k].node;
    if (!into_leaves_ || !to || to->op || to->frozen) return false;
    Leaf& leaf = *static_cast<Leaf*>(to);
    if (!leaf.has_grad()) leaf.begun = pass_;
    leaf.reached = pass_;
    auto [touched, values] = rows();
    leaf.add_sparse(std::move(touched), std::move(values));
    return true;
  }

  template <class Saved> const Saved& saved() const { return *static_cast<const Saved*>(node_->saved()); }

 protected:
  /// make() constructed over an absent tensor, which has nothing to destroy; if it throws, the place is absent again.
  template <class Make> static void build(Tensor* place, Make& make) {
    try {
      ::new (place) Tensor(make());
    } catch (...) {
      ::new (place) Tensor;
      throw;
    }
  }
  [[noreturn]] void overwritten(const Array& kept) const;
  void add_into(Tensor& sum, const Tensor& g) const;
  bool may_add_to_part(const Tensor& sum) const;
  void add_to_part(Array part) const;

  /// Where input k collects its gradient; null if it is not wanted.
  [[gnu::always_inline]] Tensor* place_of(int k) {
    const Edge to = node_->edges()[k];
    if (!to.node) return nullptr;
    return into_leaves_ && !to.node->op ? gradient_slot(*static_cast<Leaf*>(to.node)) : pending_for(to.node) + to.slot;
  }
  Tensor* pending_for(Node* n);
  /// Where a leaf collects its gradient; null if it was frozen since.
  Tensor* gradient_slot(Leaf& l) const {
    if (l.frozen) [[unlikely]]
      return nullptr;
    if (!l.grad.defined()) {
      if (l.row_values.defined()) [[unlikely]]
        l.make_dense();
      else l.begun = pass_;
    }
    l.reached = pass_;
    l.touched.set_all();
    return &l.grad;
  }

  bool graph_ = false;
  bool into_leaves_ = false;
  std::uint64_t pass_ = 0;  // number of the backward()
  Node* node_ = nullptr;
  Tensor* grads_ = nullptr;
  PendingList pending_;
};

struct GradOptions {
  bool create_graph = false;  ///< the gradients are recorded and can be differentiated again
  bool retain_graph = false;  ///< keep what the nodes saved; implied by create_graph
  bool allow_unused = false;  ///< an absent gradient instead of a GraphError for an input the outputs do not use
};

/// d(sum of outputs . seeds) / d inputs, without touching any leaf's grad. Seeds default to ones for single numbers.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, GradOptions options = {},
                         const std::vector<Tensor>& seeds = {});

/// Adds d(sum of outputs . seeds) / d leaf to the gradient of every leaf below the outputs.
void backward_into_leaves(const std::vector<Tensor>& outputs, const std::vector<Tensor>& seeds);

}  // namespace gradus
