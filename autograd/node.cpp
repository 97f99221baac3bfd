#include <gradus/autograd/tensor.h>

namespace gradus {
namespace {

constinit thread_local std::uint64_t last_sequence = 0;

// Saved values may hold Tensors (a hook's function), whose nodes are destroyed along with them.
constinit thread_local Node* dying = nullptr;  // nodes without references, linked by `sequence`
constinit thread_local bool destroying = false;

template <class N> N* allocate_node(const char* maker, std::size_t bytes) {
  const int c = pool::class_of(bytes);
  N* n = ::new (pool::allocate(c, maker)) N;
  n->size_class = static_cast<std::uint8_t>(c);
  n->sequence = ++last_sequence;
  return n;
}

[[noreturn]] void throw_error(const char* op, const char* hint) {
  throw GraphError(op, "this tensor was recorded by another thread; a tape belongs to one thread", hint);
}

/// Separate, so that new_node() has no stack frame for a message that it seldom makes.
[[noreturn, gnu::cold, gnu::noinline]] void throw_too_many(const char* op, std::size_t inputs, std::size_t outputs) {
  throw GraphError(
      op, join("at most ", Node::most, " inputs and as many results can be recorded, got ", inputs, " and ", outputs),
      "do it in parts");
}

}  // namespace

void check_owner(const char* op, const Node& n) {
  if (n.owner() != counting::number) throw_error(op, "detach() it, or build and train the model on the same thread");
}

void discard_node(Node* n) { pool::release(n, n->size_class); }

void throw_foreign(Node* written, int k) {
  const char* op = written->op->name;
  for (; k < written->inputs; ++k) written->edges()[k] = {};
  Node::destroy(written);
  throw_error(op, "NoGrad guard; in a thread that only wants results; to train in it, copy the model in it");
}

Node* new_node(const OpInfo* op, std::size_t inputs, std::size_t saved_bytes, std::size_t outputs) {
  constexpr auto most = static_cast<std::size_t>(Node::most);
  if (inputs > most || outputs > most) [[unlikely]]
    throw_too_many(op->name, inputs, outputs);
  Node* n = allocate_node<Node>(op->name, sizeof(Node) + inputs * sizeof(Edge) + saved_bytes);
  n->op = op;
  n->inputs = static_cast<int>(inputs);
  n->outputs = static_cast<int>(outputs);
  return n;
}

Leaf* new_leaf(std::string name) {
  Leaf* leaf = allocate_node<Leaf>("leaf", sizeof(Leaf));
  leaf->name = std::move(name);
  return leaf;
}

void Node::destroy(Node* n) {
  n->sequence = reinterpret_cast<std::uint64_t>(dying);  // a destroyed node's number serves as the link of the work list
  dying = n;
  if (destroying) return;  // called by the destructor of a saved value: the loop below, further up the stack, destroys it
  destroying = true;
  while ((n = dying)) {
    dying = reinterpret_cast<Node*>(n->sequence);
    for (int k = 0; k < n->inputs; ++k)
      if (Node* from = n->edges()[k].node; from && from->down()) {
        from->sequence = reinterpret_cast<std::uint64_t>(dying);
        dying = from;
      }
    const int size_class = n->size_class;
    if (!n->op) static_cast<Leaf*>(n)->~Leaf();
    else if (!n->released) n->op->destroy_saved(*n);
    pool::release(n, size_class);
  }
  destroying = false;
}

}  // namespace gradus
