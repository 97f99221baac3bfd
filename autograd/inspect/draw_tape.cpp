#include <gradus/autograd/inspect/draw_tape.h>
#include <gradus/autograd/inspect/internal/tape_labels.h>
#include <gradus/autograd/inspect/print_tape.h>
#include <gradus/autograd/observe.h>
#include <gradus/core/io/files.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

namespace gradus {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

struct RanNode {
  std::string shape, module;
  std::vector<std::string> inputs;
  double seconds;
};
using RanNodes = std::unordered_map<std::uint64_t, RanNode>;

/// Records the times and modules of nodes in the forward pass.
class ForwardNodes final : public OpObserver {
 public:
  void after(const char*, std::span<const Tensor> results, std::span<const Tensor* const> inputs) override {
    const double seconds = seconds_since(last_);
    if (!results.empty() && results[0].requires_grad()) {
      RanNode ran{{}, InModule::path(), {}, seconds};
      for (const Tensor& y : results) ran.shape += (ran.shape.empty() ? "" : ", ") + describe(y.array());
      for (const Tensor* x : inputs) ran.inputs.push_back(x->defined() ? describe(x->array()) : "");
      nodes[results[0].node()->sequence] = std::move(ran);
    }
    last_ = Clock::now();
  }
  RanNodes nodes;

 private:
  Clock::time_point last_ = Clock::now();
};

/// Records the times and gradients of a traversal, by node.
class GradientRecorder final : public TraversalObserver {
 public:
  explicit GradientRecorder(std::vector<DrawnNode>& nodes) : nodes_(nodes) {}
  void reached(Node& node, const Tensor* gradients) override {
    if (DrawnNode* d = find(node.sequence)) look(*d, gradients, node.outputs);
    started_ = Clock::now();
  }
  void passed(Node& node, const Given&) override {
    const double seconds = seconds_since(started_);
    if (DrawnNode* d = find(node.sequence)) d->backward_seconds = seconds;
  }

 private:
  DrawnNode* find(std::uint64_t sequence) const {
    const auto at =
        std::lower_bound(nodes_.begin(), nodes_.end(), sequence, [](auto& d, std::uint64_t l) { return d.sequence < l; });
    return at != nodes_.end() && at->sequence == sequence ? &*at : nullptr;
  }
  static void look(DrawnNode& d, const Tensor* gradients, int count) {
    double squares = 0;
    std::string shape;
    for (int s = 0; s < count; ++s) {
      shape += (s > 0 ? ", " : "") + (gradients[s].defined() ? describe(gradients[s].array()) : "?");
      if (!gradients[s].defined()) continue;
      const Array g = gradients[s].array().contiguous();
      visit_real(g.dtype(), [&]<class T>() {
        const T* v = g.data<T>();
        for (int64_t i = 0; i < g.size(); ++i) squares += static_cast<double>(v[i]) * static_cast<double>(v[i]);
      });
    }
    d.has_gradient = true;
    d.gradient_norm = std::sqrt(squares);
    if (d.shape.empty()) d.shape = shape;
  }

  std::vector<DrawnNode>& nodes_;
  Clock::time_point started_;
};

/// The last `count` nodes and the leaves that they use.
std::unordered_set<const Node*> youngest(const std::vector<Node*>& nodes, std::size_t count) {
  std::unordered_set<const Node*> kept{nodes.back()};
  std::size_t ops = 0;
  for (auto n = nodes.rbegin(); n != nodes.rend(); ++n) {
    if (!(*n)->op || ops++ >= count) continue;
    kept.insert(*n);
    for (int k = 0; k < (*n)->inputs; ++k)
      if (const Node* from = (*n)->edges()[k].node; from && !from->op) kept.insert(from);
  }
  return kept;
}

std::string escaped_for_dot(const std::string& s) {
  std::string t;
  for (char c : s)
    if (c == '"' || c == '\\') (t += '\\') += c;
    else t += c == '\n' ? ' ' : c;
  return t;
}

}  // namespace

void TapeDrawing::collect(const Tensor& root, const DrawOptions& options) {
  if (!root.requires_grad())
    throw GraphError("draw_tape", join(describe(root), " has no history, so there are no nodes to draw"));
  if (options.most_nodes < 1) throw GraphError("draw_tape", join("most_nodes must be at least 1, got ", options.most_nodes));
  check_owner("draw_tape", *root.node());
  const auto nodes = nodes_behind(root.node());
  const std::unordered_set<const Node*> kept = youngest(nodes, static_cast<std::size_t>(options.most_nodes));
  std::unordered_map<const Node*, int> indices;
  for (Node* n : nodes) {
    released_ = released_ || n->released;
    if (!kept.contains(n)) {
      left_out_ += n->op != nullptr;
      continue;
    }
    indices.emplace(n, static_cast<int>(nodes_.size()));
    DrawnNode& d = nodes_.emplace_back();
    d.sequence = n->sequence;
    d.op = n->op ? n->op->name : "leaf";
    if (!n->op) d.name = static_cast<Leaf*>(n)->name;
    for (int k = 0; k < n->inputs; ++k) {
      const Edge e = n->edges()[k];
      const auto at = indices.find(e.node);
      d.inputs.push_back({!e.node ? -1 : at == indices.end() ? -2 : at->second, e.slot, {}});
    }
  }
  nodes_.back().shape = describe(root.array());
}

void TapeDrawing::walk_back(const Tensor& root) {
  if (released_) return;
  GradientRecorder w(nodes_);
  traverse(root, w);
}

TapeDrawing draw_tape(const Tensor& root, DrawOptions options) {
  TapeDrawing t;
  t.collect(root, options);
  if (options.run_backward) t.walk_back(root);
  return t;
}

TapeDrawing draw_tape_of(const std::function<Tensor()>& f, DrawOptions options) {
  RanNodes ran;
  const Tensor root = [&] {
    ForwardNodes forward;
    Tensor y = f();
    ran = std::move(forward.nodes);
    return y;
  }();
  TapeDrawing t;
  t.collect(root, options);
  for (DrawnNode& d : t.nodes_) {
    const auto at = ran.find(d.sequence);
    if (at == ran.end()) continue;
    d.shape = at->second.shape, d.module = at->second.module, d.forward_seconds = at->second.seconds;
    for (std::size_t k = 0; k < d.inputs.size() && k < at->second.inputs.size(); ++k)
      if (d.inputs[k].from == -1) d.inputs[k].shape = at->second.inputs[k];
  }
  if (options.run_backward) t.walk_back(root);
  return t;
}

// ---- text -----------------------------------------------------------------------------------------------------------

namespace drawing {

std::string short_number(double x) {
  if (std::isnan(x)) return "NaN";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", x);
  return buffer;
}

std::string duration(double seconds) {
  if (std::isnan(seconds)) return "?";
  char buffer[32];
  const double us = seconds * 1e6;
  if (us < 1000) std::snprintf(buffer, sizeof buffer, us < 10 ? "%.1f µs" : "%.0f µs", us);
  else std::snprintf(buffer, sizeof buffer, us < 1e4 ? "%.2f ms" : "%.1f ms", us / 1000);
  return buffer;
}

std::string times(const DrawnNode& d) {
  if (d.op == "leaf" || (std::isnan(d.forward_seconds) && std::isnan(d.backward_seconds))) return {};
  return join(std::isnan(d.forward_seconds) ? "" : "forward " + duration(d.forward_seconds) + " · ", "back ",
              duration(d.backward_seconds));
}

std::string title(const DrawnNode& d) { return d.op != "leaf" ? d.op : d.name.empty() ? "leaf" : d.name; }

}  // namespace drawing

std::string TapeDrawing::summary() const {
  std::size_t leaves = 0;
  for (const DrawnNode& d : nodes_) leaves += d.op == "leaf";
  std::string s = join(grouped(nodes_.size() - leaves), nodes_.size() - leaves == 1 ? " node" : " nodes", " of the tape, ",
                       grouped(leaves), leaves == 1 ? " leaf" : " leaves");
  if (left_out_) s += join("; ", grouped(left_out_), left_out_ == 1 ? " older one is" : " older ones are", " left out");
  if (released_) s += "; a backward had freed what the nodes saved, so gradients and times are not known";
  return s + ".";
}

std::string TapeDrawing::dot() const {
  std::string s = "digraph tape {\n  label=\"" + escaped_for_dot(summary()) +
                  "\";\n  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=10];\n";
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const DrawnNode& d = nodes_[i];
    std::string label = escaped_for_dot(drawing::title(d)) + "  " + std::to_string(d.sequence);
    const auto add = [&](const std::string& text) {
      if (!text.empty()) label += "\\n" + escaped_for_dot(text);
    };
    add(d.module);
    add(d.shape);
    if (d.has_gradient) add("|g| " + drawing::short_number(d.gradient_norm));
    add(drawing::times(d));
    s += join("  n", d.sequence, " [label=\"", label, "\"", d.op == "leaf" ? ", shape=ellipse" : "", "];\n");
    for (std::size_t k = 0; k < d.inputs.size(); ++k) {
      const auto& in = d.inputs[k];
      if (in.from >= 0) {
        const bool many = nodes_[static_cast<std::size_t>(in.from)].shape.find(", ") != std::string::npos || in.slot > 0;
        s += join("  n", nodes_[static_cast<std::size_t>(in.from)].sequence, " -> n", d.sequence,
                  many ? join(" [label=\"", in.slot, "\"]") : std::string(), ";\n");
      } else {
        const std::string node = join("c", d.sequence, "_", k);
        s += join("  ", node, " [shape=plaintext, label=\"", in.from == -1 ? "constant" : "left out",
                  in.shape.empty() ? "" : "\\n" + in.shape, "\"];\n  ", node, " -> n", d.sequence, " [style=dashed];\n");
      }
    }
  }
  return s + "}\n";
}

void TapeDrawing::save(const std::string& path) const {
  const auto ends = [&](const char* ending) { return path.ends_with(ending); };
  if (!ends(".dot") && !ends(".svg") && !ends(".html"))
    throw DataError("draw_tape",
                    join("\"", path, "\" ends in none of .dot, .svg, .html, so there is no saying what to write"));
  write_atomically(path, ends(".dot") ? dot() : ends(".svg") ? svg() : html());
}

}  // namespace gradus
