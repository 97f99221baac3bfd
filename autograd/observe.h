// Observers of ops and of backward passes, for tools: one is notified of each op that runs and of each node that is reached.
// An op pays one look at a pointer, an ordinary traversal nothing.
#pragma once

#include <gradus/autograd/tensor.h>

#include <span>

namespace gradus {

/// While one is alive, it is told of every op on this thread that makes real numbers by op.h's ways, recorded or not, in the
/// forward pass or the backward pass; of a composite (op.h), its parts.
class OpObserver {
 public:
  OpObserver();
  virtual ~OpObserver();
  OpObserver(const OpObserver&) = delete;
  OpObserver& operator=(const OpObserver&) = delete;
  /// The op has run. A recorded result has its node (results[0].node()) already.
  virtual void after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) = 0;
  /// Whether attention, a fused op, should run as the ops that it is made of, each of which after() is told of.
  virtual bool takes_apart(const char* /*op*/) const { return false; }
  /// Between the two a node's backward pass runs, and after() is told of the ops that it is made of.
  virtual void backward_begins(const Node&) {}
  virtual void backward_ends(const Node&) {}
  /// What has run since was no op but `what`: an optimizer's step, or whatever comes before a model is called.
  virtual void passed(const char* /*what*/) {}

 private:
  OpObserver* outer_;
};

inline constinit thread_local OpObserver* op_observer = nullptr;

template <class... In> [[gnu::cold, gnu::noinline]] void notify_observer(const char* op, const Tensor& y, const In&... in) {
  const Tensor* inputs[] = {&in...};
  op_observer->after(op, {&y, 1}, inputs);
}

/// Told of one backward pass by traverse().
class TraversalObserver {
 public:
  virtual ~TraversalObserver() = default;
  /// A node is reached; gradients[s] is that of its result s, absent if nothing below the root used it. A leaf ends here.
  virtual void reached(Node& node, const Tensor* gradients) = 0;
  /// The node's backward pass has run; given(k) is what input k has got so far in all, null if nothing.
  class Given {
   public:
    virtual const Tensor* operator()(int k) const = 0;

   protected:
    ~Given() = default;
  };
  virtual void passed(Node& node, const Given& given) = 0;
};

/// A traversal from `root` (seeded with ones) down to every leaf, which keeps what the nodes saved and leaves the leaves'
/// gradients alone. Hooks on the tape see it as any other traversal. Errors: as Tensor::backward.
void traverse(const Tensor& root, TraversalObserver& observer);

}  // namespace gradus
