// checkpoint() records the forward pass, notes the leaves that its nodes reach, and drops the nodes: the one node that
// replaces them has an edge to every leaf, and the rest of the tape need know nothing of checkpoints. Peak memory is that of
// the second call.
#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

namespace gradus {
namespace {

using Tensors = std::vector<Tensor>;

/// The edges numbered 0, 1, ...
class Numbered {
 public:
  int add(const Edge& e) {
    return indices_.emplace(std::pair(e.node, e.slot), static_cast<int>(indices_.size())).first->second;
  }
  int index_of(const Edge& e) const {  ///< -1 if the edge has no number
    const auto found = indices_.find({e.node, e.slot});
    return found == indices_.end() ? -1 : found->second;
  }

 private:
  std::map<std::pair<Node*, std::uint32_t>, int> indices_;
};

/// The (node, result) pairs outside that f uses, one entry each. `tensors` hold history only, no elements.
struct Boundary {
  Numbered edges;
  Tensors tensors;

  void add(Node* n, std::uint32_t slot) {
    if (edges.add({n, slot}) < static_cast<int>(tensors.size())) return;
    n->up();
    tensors.emplace_back(Array(), Ref<Node>(n), slot);
  }
};

/// A sequence number: older nodes have smaller ones.
std::uint64_t mark() { return Ref<Node>(new_leaf({}))->sequence; }

/// Calls visit(edge) for every edge from a node younger than `since` to an older one.
template <class Visit> void edges_across(const Tensors& outputs, std::uint64_t since, Visit visit) {
  std::vector<Node*> lines;
  std::unordered_set<Node*> seen;
  const auto add = [&](Node* n) {
    if (n->sequence > since && seen.insert(n).second) lines.push_back(n);
  };
  for (const Tensor& y : outputs)
    if (y.requires_grad()) add(y.node());
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (int k = 0; k < lines[i]->inputs; ++k)
      if (Edge& e = lines[i]->edges()[k]; !e.node) continue;
      else if (e.node->sequence > since) add(e.node);
      else visit(e);
}

/// A hash of shapes and bits: the second call must return what the first returned.
std::uint64_t fingerprint(const Tensors& outputs) {
  std::uint64_t lanes[4] = {1, 2, 3, 4};
  const auto mix = [&](int lane, std::uint64_t word) {
    lanes[lane] = (lanes[lane] ^ word) * 0x9e3779b97f4a7c15u;
    lanes[lane] ^= lanes[lane] >> 29;
  };
  for (const Tensor& y : outputs) {
    const Array a = y.array().contiguous();
    mix(0, y.requires_grad());
    mix(1, static_cast<std::uint64_t>(a.dtype()));
    for (int i = 0; i < a.rank(); ++i) mix(2, static_cast<std::uint64_t>(a.dim(i)));
    const std::size_t bytes = static_cast<std::size_t>(a.size()) * bytes_of(a.dtype());
    for (std::size_t at = 0; at < bytes; at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, a.bytes() + at, std::min<std::size_t>(8, bytes - at));
      mix(static_cast<int>(at / 8 % 4), word);
    }
  }
  return (lanes[0] * 3 ^ lanes[1]) * 5 ^ (lanes[2] * 7 ^ lanes[3]);
}

/// Restores the state of the first call (recording, default generator) until the end of the block.
struct Again {
  bool recorded = recording;
  Philox drawn = default_generator().state();
  explicit Again(Philox then) {
    recording = true;
    default_generator().restore(then);
  }
  ~Again() {
    recording = recorded;
    default_generator().restore(drawn);
  }
};

struct Checkpoint {
  static constexpr const char* name = "checkpoint";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "the sample squares: products of the largest overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "the sample squares: products of the largest overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "the sample squares: such squares are infinite in f32", 1e20}};
  struct Saved {
    TensorFunction f;
    Tensors inputs;            // without history, or the node would own itself
    std::vector<int> indices;  // index of each input in the boundary; -1: a constant
    Numbered boundary;         // as f knows it; an outer checkpoint may have replaced the node's own edges
    Philox drawn;
    std::uint64_t bits;
  };
  static Tensors call_again(BackwardContext& b, const Saved& s, const Tensors& stand_ins);
  static void backward(BackwardContext& b, const Saved& s);
  static Samples samples();
};

/// The second call, in which new leaves, or (if gradients are recorded) nodes on top of the boundary, stand for it.
Tensors Checkpoint::call_again(BackwardContext& b, const Saved& s, const Tensors& stand_ins) {
  Tensors x = s.inputs;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i].defined()) b.checked(x[i].array());
    if (s.indices[i] < 0) continue;
    const Tensor& t = stand_ins[static_cast<std::size_t>(s.indices[i])];
    x[i].set_history(t.node_ref(), t.slot());
  }
  std::unordered_set<Node*> known;
  for (const Tensor& t : stand_ins) known.insert(t.node());
  const std::uint64_t since = mark();
  Tensors y = s.f(x);
  if (fingerprint(y) != s.bits)
    throw GraphError("backward of checkpoint",
                     "the function gives other numbers than in the forward pass: a parameter, a mode "
                     "or something else that it reads has changed since",
                     "change it after backward");
  const auto stand_in = [&](const Edge& e) {
    const int k = s.boundary.index_of(e);
    if (k < 0)
      throw GraphError("backward of checkpoint", "the function uses a leaf that it did not use in the forward pass");
    return stand_ins[static_cast<std::size_t>(k)].node_ref();
  };
  edges_across(y, since, [&](Edge& e) {
    if (known.contains(e.node)) return;
    Ref<Node> ours = stand_in(e);
    const Ref<Node> outside(e.node);  // takes over the edge's reference, and releases it
    e = {ours.release(), 0};
  });
  for (Tensor& t : y)
    if (t.requires_grad() && t.node()->sequence <= since && !known.contains(t.node()))
      t.set_history(stand_in({t.node(), t.slot()}));
  return y;
}

void Checkpoint::backward(BackwardContext& b, const Saved& s) {
  const Again guard(s.drawn);
  Tensors stand_ins;
  for (int k = 0; k < b.inputs(); ++k)
    if (b.graph()) stand_ins.push_back(alias(b.input(k, kept(Array::zeros({})))));
    else stand_ins.emplace_back(Array(), Ref<Node>(new_leaf({})));
  const Tensors y = call_again(b, s, stand_ins);
  Tensors roots, seeds;
  for (std::size_t k = 0; k < y.size(); ++k)
    if (const Tensor& g = b.grad(static_cast<int>(k)); y[k].requires_grad() && g.defined())
      roots.push_back(y[k]), seeds.push_back(g);
  if (roots.empty()) return;
  const int inputs = b.inputs();
  if (b.graph()) {
    const Tensors g = grad(roots, stand_ins, {.create_graph = true, .allow_unused = true}, seeds);
    for (int k = 0; k < inputs; ++k)
      if (const Tensor& of = g[static_cast<std::size_t>(k)]; of.defined()) b.accumulate(k, [&] { return of; });
    return;
  }
  backward_into_leaves(roots, seeds);
  for (int k = 0; k < inputs; ++k)
    if (Leaf& leaf = *stand_ins[static_cast<std::size_t>(k)].leaf(); leaf.has_grad()) {
      const bool sparse = leaf.row_values.defined();
      if (sparse && b.accumulate_sparse(k, [&] { return std::pair(leaf.touched, leaf.row_values); })) continue;
      leaf.make_dense();
      b.accumulate_rows(
          k, [&] { return leaf.touched; }, [&] { return leaf.grad; });
    }
}

Samples Checkpoint::samples() {
  const auto gated = [](const Tensors& x) { return tanh(x[0]) * x[1] + x[0]; };
  const auto two = [](const Tensors& x) { return Tensors{exp(x[0]) * x[1], sum(square(x[1]))}; };
  return {
      sample("one result", {sample_values({2, 3}), sample_values({2, 3}, -2, 2, 2)},
             [=](auto& x) { return checkpoint(gated, x); }),
      sample("two results", {sample_values({3}), sample_values({3}, -2, 2, 2)}, [=](auto& x) { return checkpoint(two, x); }),
      sample("captured", {sample_values({3}), sample_values({3}, -2, 2, 2)},
             [=](auto& x) {
               return checkpoint([w = x[1]](const Tensors& in) { return sigmoid(in[0] * w) * w; }, {x[0] * 2.0});
             }),
      sample("nested", {sample_values({3}), sample_values({3}, -2, 2, 2)}, [=](auto& x) {
        const auto outer = [=, w = x[1]](const Tensors& in) {
          return checkpoint([w](const Tensors& inner) { return tanh(inner[0] * w); }, {in[0] * w}) * in[0];
        };
        return checkpoint(outer, {x[0]});
      })};
}

}  // namespace

std::vector<Tensor> checkpoint_function(TensorFunction f, const std::vector<Tensor>& inputs) {
  if (!recording) return f(inputs);
  const Philox drawn = default_generator().state();
  const std::uint64_t since = mark();
  Tensors y = f(inputs);
  for (std::size_t k = 0; k < y.size(); ++k)
    if (!y[k].defined()) throw GraphError("checkpoint", join("result ", k, " of the function is absent"));

  Boundary boundary;
  Tensors bare = inputs;
  std::vector<int> indices;
  for (Tensor& t : bare) {
    if (t.requires_grad()) boundary.add(t.node(), t.slot());
    indices.push_back(boundary.edges.index_of({t.node(), t.slot()}));
    t.set_history({});
    if (t.defined()) t.writable().remember_version();
  }
  const auto reached = [&](const Edge& e) {
    if (e.node->op && boundary.edges.index_of(e) < 0)
      throw GraphError("checkpoint", join("the function uses a result of ", e.node->op->name, " that it was not given"),
                       "make it an input");
    boundary.add(e.node, e.slot);
  };
  edges_across(y, since, reached);
  for (const Tensor& t : y)
    if (t.requires_grad() && t.node()->sequence <= since) reached({t.node(), t.slot()});
  if (boundary.tensors.empty()) return y;

  const std::uint64_t bits = fingerprint(y);
  std::vector<Array> values;
  std::vector<bool> connected;
  for (Tensor& t : y) {
    values.push_back(t.array());
    connected.push_back(t.requires_grad());
    t.reset();  // releases its nodes, with the values they saved
  }
  Tensors results = primitive_many<Checkpoint>(
      std::move(values),
      [&] { return Checkpoint::Saved{std::move(f), std::move(bare), std::move(indices), boundary.edges, drawn, bits}; },
      boundary.tensors);
  for (std::size_t k = 0; k < results.size(); ++k)
    if (!connected[k]) results[k] = results[k].detach();
  return results;
}

}  // namespace gradus
