#include <gradus/autograd/tensor.h>

#include <limits>

namespace gradus {
namespace {

constinit thread_local std::uint64_t last_line = 0;

template <class N>
N* place(const char* maker, std::size_t bytes) {
  const int c = pool::class_of(bytes);
  N* n = ::new (pool::take(c, maker)) N;
  n->size_class = static_cast<std::uint8_t>(c);
  n->line = ++last_line;
  return n;
}

[[noreturn]] void refuse(const char* op, const char* hint) {
  throw GraphError(op, "this tensor was recorded by another thread; a tape belongs to one thread", hint);
}

}  // namespace

void check_owner(const char* op, const Node& n) {
  if (n.owner() != counting::number) refuse(op, "detach() it, or build and train the model on the same thread");
}

void take_back(Node* n) { pool::give(n, n->size_class); }

void refuse_foreign(Node* written, int k) {
  const char* op = written->op->name;
  for (; k < written->inputs; ++k) written->edges()[k] = {};
  Node::destroy(written);
  refuse(op, "NoGrad guard; in a thread that only wants results; to train in it, copy the model in it");
}

Node* new_line(const OpInfo* op, int inputs, std::size_t saved_bytes) {
  constexpr int most = std::numeric_limits<decltype(Node::inputs)>::max();
  if (inputs > most) [[unlikely]]
    throw GraphError(op->name, join("a line of the tape takes ", most, " inputs, got ", inputs), "do it in parts");
  Node* n = place<Node>(op->name, sizeof(Node) + static_cast<std::size_t>(inputs) * sizeof(Edge) + saved_bytes);
  n->op = op;
  n->inputs = static_cast<std::uint16_t>(inputs);
  return n;
}

Leaf* new_leaf(std::string name) {
  Leaf* leaf = place<Leaf>("leaf", sizeof(Leaf));
  leaf->name = std::move(name);
  return leaf;
}

void Node::destroy(Node* first) {
  first->line = 0;  // a dead line's number serves as the link of the work list
  for (Node* todo = first; todo;) {
    Node* n = todo;
    todo = reinterpret_cast<Node*>(n->line);
    for (int k = 0; k < n->inputs; ++k)
      if (Node* from = n->edges()[k].node; from && from->down()) {
        from->line = reinterpret_cast<std::uint64_t>(todo);
        todo = from;
      }
    const int size_class = n->size_class;
    if (!n->op) static_cast<Leaf*>(n)->~Leaf();
    else if (!n->spent) n->op->destroy_saved(*n);
    pool::give(n, size_class);
  }
}

}  // namespace gradus
