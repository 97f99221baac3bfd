#include <gradus/autograd/backward.h>
#include <gradus/autograd/last_loss.h>
#include <gradus/autograd/observe.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/map.h>
#include <gradus/core/memory/memory_error.h>

#include <algorithm>
#include <functional>

namespace gradus {

Tensor BackwardContext::input(int k, const Array& kept) const {
  const Array& a = checked(kept);
  if (!graph_ || !wants(k)) return Tensor(a);
  const Edge e = node_->edges()[k];
  e.node->up();
  return Tensor(a, Ref<Node>(e.node), e.slot);
}

Tensor BackwardContext::output(const Array& kept, int slot) const {
  const Array& a = checked(kept);
  if (!graph_) return Tensor(a);
  node_->up();
  return Tensor(a, Ref<Node>(node_), static_cast<std::uint32_t>(slot));
}

void BackwardContext::overwritten(const Array& kept) const {
  const char* writer = kept.writer();
  throw GraphError(join("backward of ", op()),
                   join("it needs ", describe(kept), " as it was in the forward pass, but ", writer ? writer : "somebody",
                        " has overwritten it since"),
                   "write after backward, or into a copy");
}

Tensor* BackwardContext::pending_for(Node* n) { return pending_.slot_for(n); }

void BackwardContext::add_into(Tensor& sum, const Tensor& g) const {
  if (graph_) {
    sum = sum + g;
    return;
  }
  const auto plus = [](auto a, auto b) { return a + b; };
  if (sum.array().unique() && sum.array().dense() && g.array().dense())  // no other tensor shares the sum
    visit_real(sum.dtype(), [&]<class T>() {
      T* out = sum.writable().uninitialized<T>();
      parallel_ranges(sum.size(), grain_elements, [&](int64_t begin, int64_t end) {
        map_packs<T>(plus, out, begin, end, static_cast<const T*>(out), g.array().data<T>());
      });
    });
  else sum = Tensor(map(plus, sum.array(), g.array()));
}

/// False under an observer, which must get whole gradients; a gradient that is not dense may be one expanded element.
bool BackwardContext::may_add_to_part(const Tensor& sum) const {
  return !graph_ && !op_observer && grad().size() > 0 && sum.array().unique() && sum.array().dense();
}

void BackwardContext::add_to_part(Array part) const {
  part.assign(map([](auto a, auto b) { return a + b; }, part, grad().array()), "backward");
}

OpObserver::OpObserver() : outer_(op_observer) { op_observer = this; }
OpObserver::~OpObserver() { op_observer = outer_; }

void notify_observer_of_many(const char* op, const std::vector<Tensor>& results, const std::vector<Tensor>& in) {
  std::vector<const Tensor*> inputs;
  for (const Tensor& t : in) inputs.push_back(&t);
  op_observer->after(op, results, inputs);
}

namespace {

constinit thread_local std::uint64_t passes_begun = 0;
constinit thread_local int passes_open = 0;
constinit thread_local bool loss_was_nan = false;

/// One backward() on this thread; backward passes that its hooks start count as part of it.
struct Pass {
  Pass() {
    if (passes_open++ == 0) ++passes_begun;
  }
  ~Pass() { --passes_open; }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;
};

/// One traversal of the tape.
class Traversal : public BackwardContext {
  using Pending = PendingList::Pending;

 public:
  Traversal(bool graph, bool retain) : retain_(retain || graph) { graph_ = graph; }

  template <class Make> void seed(const Tensor& root, Make make) {
    Tensor* g = into_leaves_ && root.is_leaf() ? gradient_slot(*root.leaf()) : pending_for(root.node()) + root.slot();
    if (g->defined()) add_into(*g, make());
    else build(g, make);
  }

  /// Accumulates gradients in every leaf below the roots that seed_all() seeds.
  template <class SeedAll> void into_leaves(SeedAll seed_all) {
    const Pass pass;
    into_leaves_ = true;
    pass_ = passes_begun;
    seed_all();
    run(0, [](const Pending&) {});
  }

  /// Traverses without accumulating anything: only the observer gets the gradients.
  void observed(TraversalObserver& observer) {
    struct Given final : TraversalObserver::Given {
      Traversal& traversal;
      explicit Given(Traversal& s) : traversal(s) {}
      const Tensor* operator()(int k) const override { return traversal.pending_at(traversal.node_->edges()[k]); }
    } given(*this);
    run(
        0, [&](const Pending& d) { observer.reached(*d.node, d.grads); },
        [&](const Pending& d) { observer.passed(*d.node, given); });
  }

  /// Computes the gradients of the wanted inputs only; nodes older than all of them are not visited.
  std::vector<Tensor> to_inputs(const std::vector<Tensor>& inputs) {
    std::vector<Tensor> found(inputs.size());
    std::vector<std::pair<std::uint64_t, std::size_t>>
        next;  // (sequence, index), youngest first, in the order of the traversal
    for (std::size_t i = 0; i < inputs.size(); ++i) next.emplace_back(inputs[i].node()->sequence, i);
    std::sort(next.begin(), next.end(), std::greater());
    const std::uint64_t oldest = next.back().first;
    auto at = next.begin();
    run(oldest, [&](const Pending& d) {
      while (at != next.end() && at->first > d.sequence) ++at;  // the outputs do not depend on these
      for (; at != next.end() && at->first == d.sequence; ++at)
        if (const Tensor& t = inputs[at->second]; t.node() == d.node) found[at->second] = d.grads[t.slot()];
    });
    return found;
  }

 private:
  const Tensor* pending_at(const Edge& e) const {
    const Pending* d = e.node ? pending_.find(e.node) : nullptr;
    return d && d->grads[e.slot].defined() ? d->grads + e.slot : nullptr;
  }

  template <class Visit, class Passed = decltype([](const Pending&) {})>
  void run(std::uint64_t oldest, Visit visit, Passed passed = {}) {
    struct Held {
      Pending pending;
      ~Held() { PendingList::drop(pending); }
    };
    while (!pending_.empty()) {
      const Held held{pending_.pop()};
      const Pending& d = held.pending;
      visit(d);
      if (!d.node->op || d.node->sequence <= oldest) continue;
      if (d.node->released)
        throw GraphError("backward",
                         join("the graph behind ", d.node->op->name, " was already traversed and what it saved is released"),
                         "retain_graph for the first backward; detach() a state carried from step to step");
      node_ = d.node, grads_ = d.grads;
      if (op_observer) [[unlikely]]
        op_observer->backward_begins(*d.node);
      try {
        d.node->op->backward(*this);
      } catch (const ResourceError& e) {
        throw ResourceError(join("backward of ", d.node->op->name), join(e.problem(), ", asked for by ", e.op()));
      }
      if (op_observer) [[unlikely]]
        op_observer->backward_ends(*d.node);
      passed(d);
      if (!retain_) {
        d.node->op->destroy_saved(*d.node);
        d.node->released = true;
      }
    }
  }

  bool retain_;
};

/// Checks a root and its seed; without a seed (null) the root must be a single number, and the seed is one.
void check_root(const char* who, const Tensor& root, const Tensor* seed) {
  if (!root.requires_grad())
    throw GraphError(who, join(describe(root), " has no history: no input required a gradient, or NoGrad was active"));
  check_owner(who, *root.node());
  if (!seed && root.size() != 1)
    throw GraphError(who, join("starts from one number, but this tensor is ", describe(root)),
                     join("mean(loss), or give a seed of shape ", root.shape()));
  if (seed && !(seed->shape() == root.shape()))
    throw ShapeError(who, join("the seed is ", describe(*seed), ", the tensor ", describe(root), "; they must agree"));
  if (seed && seed->dtype() != root.dtype())
    throw DtypeError(who, join("the seed is ", describe(*seed), ", the tensor ", describe(root)),
                     join("seed.to(", root.dtype(), ")"));
}

}  // namespace

std::uint64_t backward_passes() { return passes_begun; }
bool last_loss_was_nan() { return loss_was_nan; }

void Tensor::backward(bool retain_graph) const try {
  check_root("backward", *this, nullptr);
  loss_was_nan = visit_real(dtype(), [&]<class T>() { return *array_.data<T>() != *array_.data<T>(); });
  NoGrad guard;
  Traversal traversal(false, retain_graph);
  traversal.into_leaves(
      [&] { traversal.seed(*this, [&] { return Tensor(std::in_place, [&] { return Array::ones(shape(), dtype()); }); }); });
} catch (const std::bad_alloc&) {
  no_memory_for("backward");
}

void Tensor::backward(const Tensor& seed, bool retain_graph) const try {
  if (!seed.defined()) return backward(retain_graph);
  check_root("backward", *this, &seed);
  loss_was_nan = false;
  NoGrad guard;
  Traversal traversal(false, retain_graph);
  traversal.into_leaves(
      [&] { traversal.seed(*this, [&] { return Tensor(seed.array().copy()); }); });  // a leaf may keep it as its gradient
} catch (const std::bad_alloc&) {
  no_memory_for("backward");
}

void backward_into_leaves(const std::vector<Tensor>& outputs, const std::vector<Tensor>& seeds) {
  const NoGrad guard;
  Traversal traversal(false, false);
  traversal.into_leaves([&] {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      check_root("backward", outputs[i], &seeds[i]);
      traversal.seed(outputs[i], [&] { return seeds[i].detach(); });
    }
  });
}

void traverse(const Tensor& root, TraversalObserver& observer) try {
  check_root("traverse", root, &root);
  NoGrad guard;
  Traversal traversal(false, true);
  traversal.seed(root, [&] { return ones(root.shape(), root.dtype()); });
  traversal.observed(observer);
} catch (const std::bad_alloc&) {
  no_memory_for("traverse");
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, GradOptions options,
                         const std::vector<Tensor>& seeds) try {
  if (!seeds.empty() && seeds.size() != outputs.size())
    throw GraphError("grad", join(outputs.size(), " outputs, but ", seeds.size(), " seeds"));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].requires_grad())
      throw GraphError("grad", join("input ", i, ", ", describe(inputs[i]), ", does not require a gradient"));
  if (inputs.empty()) return {};
  struct Restore {
    bool before = recording;
    ~Restore() { recording = before; }
  } restore;
  recording = options.create_graph;
  Traversal traversal(options.create_graph, options.retain_graph);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor* seed = seeds.empty() || !seeds[i].defined() ? nullptr : &seeds[i];
    check_root("grad", outputs[i], seed);
    traversal.seed(outputs[i], [&] {
      if (!seed) return ones(outputs[i].shape(), outputs[i].dtype());
      return options.create_graph ? *seed : seed->detach();
    });
  }
  auto found = traversal.to_inputs(inputs);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!found[i].defined() && !options.allow_unused)
      throw GraphError("grad", join("input ", i, ", ", describe(inputs[i]), ", is not used by the outputs"),
                       "allow_unused = true");
  return found;
} catch (const std::bad_alloc&) {
  no_memory_for("grad");
}

}  // namespace gradus
