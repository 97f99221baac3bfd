// The backward pass: from a node to everything below it, youngest node first.
#pragma once

#include <gradus/autograd/pending_list.h>
#include <gradus/autograd/tensor.h>

#include <vector>

namespace gradus {

/// The view that an op's backward pass has of its node, and where it accumulates the gradients.
class BackwardContext {
 public:
  /// True: gradients are recorded themselves (create_graph). False: all tensors here are constants.
  bool graph() const { return graph_; }
  bool wants(int k) const { return node_->edges()[k].node != nullptr; }
  int inputs() const { return node_->inputs; }
  const char* op() const { return node_->op->name; }

  /// The gradient of result `slot`; absent if nothing below the root used that result.
  const Tensor& grad(int slot = 0) const { return grads_[slot]; }

  /// Input k as a tensor over the Array that the op kept; with its history if gradients are recorded.
  Tensor input(int k, const Array& kept) const;
  /// Result `slot` as a tensor over the Array that the op kept, likewise.
  Tensor output(const Array& kept, int slot = 0) const;
  /// A kept Array, unchanged. Errors: GraphError naming op and writer if it has been overwritten.
  const Array& checked(const Array& kept) const {
    if (kept.stale()) [[unlikely]]
      overwritten(kept);
    return kept;
  }

  /// Accumulates make() (a Tensor of input k's shape) in the gradient of input k, if it is wanted.
  template <class Make> void accumulate(int k, Make make) {
    Tensor* sum = sum_of(k);
    if (!sum) [[unlikely]]
      return;
    if (sum->defined()) [[unlikely]]
      add_into(*sum, make());
    else build(sum, make);
  }
  /// As accumulate(), where make() is zero except for grad() in its part part_of(Array): if there is a sum already, only
  /// that part is touched. So all rows of a tensor, each selected separately, cost one pass over it and not one each.
  template <class Make, class PartOf> void accumulate_part(int k, Make make, PartOf part_of) {
    Tensor* sum = sum_of(k);
    if (!sum) [[unlikely]]
      return;
    if (!sum->defined()) build(sum, make);
    else if (may_add_to_part(*sum)) add_to_part(part_of(sum->array()));
    else add_into(*sum, make());
  }

  /// As accumulate(), from an op that touches only some rows of input k: a leaf records which, by calling rows().
  template <class Rows, class Make> void accumulate_rows(int k, Rows rows, Make make) {
    Node* const to = node_->edges()[k].node;
    if (!into_leaves_ || !to || to->op) return accumulate(k, make);
    Leaf& leaf = *static_cast<Leaf*>(to);
    TouchedRows touched = rows();
    if (leaf.has_grad()) touched.add(leaf.touched);
    accumulate(k, make);
    leaf.touched = std::move(touched);
  }
  /// Accumulates rows() (TouchedRows and their values) if input k is a leaf; the gradient is sparse then unless something
  /// else makes it dense. False, and nothing is done, for other inputs: use accumulate_rows().
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
  /// Constructs make() over an absent tensor, which has nothing to destroy; if it throws, the tensor is absent again.
  template <class Make> static void build(Tensor* to, Make& make) {
    try {
      ::new (to) Tensor(make());
    } catch (...) {
      ::new (to) Tensor;
      throw;
    }
  }
  [[noreturn]] void overwritten(const Array& kept) const;
  void add_into(Tensor& sum, const Tensor& g) const;
  bool may_add_to_part(const Tensor& sum) const;
  void add_to_part(Array part) const;

  /// The tensor that collects the gradient of input k; null if it is not wanted.
  [[gnu::always_inline]] Tensor* sum_of(int k) {
    const Edge to = node_->edges()[k];
    if (!to.node) return nullptr;
    return into_leaves_ && !to.node->op ? gradient_slot(*static_cast<Leaf*>(to.node)) : pending_for(to.node) + to.slot;
  }
  Tensor* pending_for(Node* n);
  /// The tensor that collects the gradient of a leaf; null if the leaf was frozen since.
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
  std::uint64_t pass_ = 0;  // number of this backward()
  Node* node_ = nullptr;
  Tensor* grads_ = nullptr;
  PendingList pending_;
};

struct GradOptions {
  bool create_graph = false;  ///< the gradients are recorded and can be differentiated again
  bool retain_graph = false;  ///< keep the saved values of the nodes; implied by create_graph
  bool allow_unused = false;  ///< an absent gradient instead of a GraphError for an input that the outputs do not depend on
};

/// d(sum of outputs . seeds) / d inputs; the gradients of leaves stay as they are. Seeds default to ones for single numbers.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, GradOptions options = {},
                         const std::vector<Tensor>& seeds = {});

/// Adds d(sum of outputs . seeds) / d leaf to the gradient of every leaf below the outputs.
void backward_into_leaves(const std::vector<Tensor>& outputs, const std::vector<Tensor>& seeds);

}  // namespace gradus
