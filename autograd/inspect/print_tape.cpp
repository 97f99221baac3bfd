#include <gradus/autograd/inspect/print_tape.h>

#include <algorithm>
#include <unordered_set>

namespace gradus {
namespace {

std::string line_of(Node* n, std::size_t width) {
  const std::string number = std::to_string(n->sequence);
  std::string s = std::string(width - number.size(), ' ') + number + " ";
  if (!n->op) {
    const std::string& name = static_cast<Leaf*>(n)->name;
    return s + (name.empty() ? "leaf" : "leaf \"" + name + "\"");
  }
  s += n->op->name;
  for (int k = 0; k < n->inputs; ++k) {
    const Edge e = n->edges()[k];
    s += k == 0 ? " <- " : ", ";
    s += !e.node ? "constant" : e.node->outputs > 1 ? join(e.node->sequence, ".", e.slot) : std::to_string(e.node->sequence);
  }
  return n->released ? s + " (released)" : s;
}

}  // namespace

std::vector<Node*> nodes_behind(Node* root) {
  std::vector<Node*> found{root};
  std::unordered_set<Node*> seen{root};
  for (std::size_t i = 0; i < found.size(); ++i)
    for (int k = 0; k < found[i]->inputs; ++k)
      if (Node* n = found[i]->edges()[k].node; n && seen.insert(n).second) found.push_back(n);
  std::sort(found.begin(), found.end(), [](Node* a, Node* b) { return a->sequence < b->sequence; });
  return found;
}

std::string print_tape(const Tensor& t) {
  if (!t.requires_grad()) return "constant " + describe(t) + "\n";
  check_owner("print_tape", *t.node());
  const auto nodes = nodes_behind(t.node());
  const std::size_t width = std::to_string(nodes.back()->sequence).size();
  std::string s;
  for (Node* n : nodes) {
    s += line_of(n, width);
    if (n == t.node()) s += " -> " + describe(t.array());
    s += '\n';
  }
  return s;
}

}  // namespace gradus
