// Observers of ops and of backward passes, for tools: one is notified of each op that runs and of each node that is reached.
// An op pays for one test of a pointer, an ordinary traversal nothing.
#pragma once

#include <gradus/autograd/tensor.h>

#include <span>

namespace gradus {

/// A living OpObserver is notified of every op on this thread that makes real numbers through op.h, recorded or not, in the
/// forward or the backward pass; of a composite (op.h), of its parts.
class OpObserver {
 public:
  OpObserver();
  virtual ~OpObserver();
  OpObserver(const OpObserver&) = delete;
  OpObserver& operator=(const OpObserver&) = delete;
  /// Called after an op; a recorded result already has its node (results[0].node()).
  virtual void after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) = 0;
  /// True if attention, a fused op, should run as its component ops, with a call of after() for each.
  virtual bool takes_apart(const char* /*op*/) const { return false; }
  /// Called around a node's backward pass; in between after() is called for each op of it.
  virtual void backward_begins(const Node&) {}
  virtual void backward_ends(const Node&) {}
  /// Assigns the time since the last notification to `what`: an optimizer's step, or work before a model is called.
  virtual void passed(const char* /*what*/) {}

 private:
  OpObserver* outer_;
};

inline constinit thread_local OpObserver* op_observer = nullptr;

template <class... In> [[gnu::cold, gnu::noinline]] void notify_observer(const char* op, const Tensor& y, const In&... in) {
  const Tensor* inputs[] = {&in...};
  op_observer->after(op, {&y, 1}, inputs);
}

/// The observer of one backward pass, notified by traverse().
class TraversalObserver {
 public:
  virtual ~TraversalObserver() = default;
  /// Called when a node (or leaf) is reached; gradients[s] is that of result s, absent if nothing below the root used it.
  virtual void reached(Node& node, const Tensor* gradients) = 0;
  /// Called after the node's backward pass; given(k) is the whole gradient of input k so far, null if there is none.
  class Given {
   public:
    virtual const Tensor* operator()(int k) const = 0;

   protected:
    ~Given() = default;
  };
  virtual void passed(Node& node, const Given& given) = 0;
};

/// Traverses from `root` (seeded with ones) down to every leaf, keeping the saved values of nodes and the leaves' gradients
/// as they are. Hooks on the tape run as in any other traversal. Errors: as Tensor::backward.
void traverse(const Tensor& root, TraversalObserver& observer);

}  // namespace gradus
