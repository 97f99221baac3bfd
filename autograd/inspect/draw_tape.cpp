#include <gradus/autograd/inspect/draw_tape.h>
#include <gradus/autograd/observe.h>
#include <gradus/autograd/inspect/print_tape.h>
#include <gradus/autograd/inspect/internal/tape_labels.h>
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

struct RanLine {
  std::string shape, module;
  std::vector<std::string> inputs;
  double seconds;
};
using RanLines = std::unordered_map<std::uint64_t, RanLine>;

/// What the forward pass tells of each line.
class ForwardLines final : public OpObserver {
 public:
  void after(const char*, std::span<const Tensor> results, std::span<const Tensor* const> inputs) override {
    const double seconds = seconds_since(last_);
    if (!results.empty() && results[0].requires_grad()) {
      RanLine ran{{}, InModule::path(), {}, seconds};
      for (const Tensor& y : results) ran.shape += (ran.shape.empty() ? "" : ", ") + describe(y.array());
      for (const Tensor* x : inputs) ran.inputs.push_back(x->defined() ? describe(x->array()) : "");
      lines[results[0].node()->line] = std::move(ran);
    }
    last_ = Clock::now();
  }
  RanLines lines;

 private:
  Clock::time_point last_ = Clock::now();
};

/// The times and gradients of a walk, by line.
class Walk final : public WalkObserver {
 public:
  explicit Walk(std::vector<DrawnLine>& lines) : lines_(lines) {}
  void reached(Node& line, const Tensor* gradients) override {
    if (DrawnLine* d = find(line.line)) look(*d, gradients, line.outputs);
    started_ = Clock::now();
  }
  void passed(Node& line, const Given&) override {
    const double seconds = seconds_since(started_);
    if (DrawnLine* d = find(line.line)) d->backward_seconds = seconds;
  }

 private:
  DrawnLine* find(std::uint64_t line) const {
    const auto at = std::lower_bound(lines_.begin(), lines_.end(), line, [](auto& d, std::uint64_t l) { return d.line < l; });
    return at != lines_.end() && at->line == line ? &*at : nullptr;
  }
  static void look(DrawnLine& d, const Tensor* gradients, int count) {
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

  std::vector<DrawnLine>& lines_;
  Clock::time_point started_;
};

/// The last `count` lines and the leaves that they read.
std::unordered_set<const Node*> youngest(const std::vector<Node*>& nodes, std::size_t count) {
  std::unordered_set<const Node*> kept{nodes.back()};
  std::size_t lines = 0;
  for (auto n = nodes.rbegin(); n != nodes.rend(); ++n) {
    if (!(*n)->op || lines++ >= count) continue;
    kept.insert(*n);
    for (int k = 0; k < (*n)->inputs; ++k)
      if (const Node* from = (*n)->edges()[k].node; from && !from->op) kept.insert(from);
  }
  return kept;
}

std::string escaped(const std::string& s) {
  std::string t;
  for (char c : s)
    if (c == '"' || c == '\\') (t += '\\') += c;
    else t += c == '\n' ? ' ' : c;
  return t;
}

}  // namespace

void TapeDrawing::collect(const Tensor& root, const DrawOptions& options) {
  if (!root.requires_grad()) throw GraphError("draw_tape", join(describe(root), " has no history, so there are no lines to draw"));
  if (options.most_lines < 1) throw GraphError("draw_tape", join("most_lines must be at least 1, got ", options.most_lines));
  check_owner("draw_tape", *root.node());
  const auto nodes = lines_behind(root.node());
  const std::unordered_set<const Node*> kept = youngest(nodes, static_cast<std::size_t>(options.most_lines));
  std::unordered_map<const Node*, int> places;
  for (Node* n : nodes) {
    walked_ = walked_ || n->spent;
    if (!kept.contains(n)) {
      left_out_ += n->op != nullptr;
      continue;
    }
    places.emplace(n, static_cast<int>(lines_.size()));
    DrawnLine& d = lines_.emplace_back();
    d.line = n->line;
    d.op = n->op ? n->op->name : "leaf";
    if (!n->op) d.name = static_cast<Leaf*>(n)->name;
    for (int k = 0; k < n->inputs; ++k) {
      const Edge e = n->edges()[k];
      const auto at = places.find(e.node);
      d.inputs.push_back({!e.node ? -1 : at == places.end() ? -2 : at->second, e.slot, {}});
    }
  }
  lines_.back().shape = describe(root.array());
}

void TapeDrawing::walk_back(const Tensor& root) {
  if (walked_) return;
  Walk w(lines_);
  walk(root, w);
}

TapeDrawing draw_tape(const Tensor& root, DrawOptions options) {
  TapeDrawing t;
  t.collect(root, options);
  if (options.walk) t.walk_back(root);
  return t;
}

TapeDrawing draw_tape_of(const std::function<Tensor()>& f, DrawOptions options) {
  RanLines ran;
  const Tensor root = [&] {
    ForwardLines forward;
    Tensor y = f();
    ran = std::move(forward.lines);
    return y;
  }();
  TapeDrawing t;
  t.collect(root, options);
  for (DrawnLine& d : t.lines_) {
    const auto at = ran.find(d.line);
    if (at == ran.end()) continue;
    d.shape = at->second.shape, d.module = at->second.module, d.forward_seconds = at->second.seconds;
    for (std::size_t k = 0; k < d.inputs.size() && k < at->second.inputs.size(); ++k)
      if (d.inputs[k].from == -1) d.inputs[k].shape = at->second.inputs[k];
  }
  if (options.walk) t.walk_back(root);
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

std::string times(const DrawnLine& d) {
  if (d.op == "leaf" || (std::isnan(d.forward_seconds) && std::isnan(d.backward_seconds))) return {};
  return join(std::isnan(d.forward_seconds) ? "" : "forward " + duration(d.forward_seconds) + " · ", "back ",
              duration(d.backward_seconds));
}

std::string title(const DrawnLine& d) { return d.op != "leaf" ? d.op : d.name.empty() ? "leaf" : d.name; }

}  // namespace drawing

std::string TapeDrawing::summary() const {
  std::size_t leaves = 0;
  for (const DrawnLine& d : lines_) leaves += d.op == "leaf";
  std::string s = join(grouped(lines_.size() - leaves), lines_.size() - leaves == 1 ? " line" : " lines", " of the tape, ",
                       grouped(leaves), leaves == 1 ? " leaf" : " leaves");
  if (left_out_) s += join("; ", grouped(left_out_), left_out_ == 1 ? " older one is" : " older ones are", " left out");
  if (walked_) s += "; a backward had freed what the lines saved, so gradients and times are not known";
  return s + ".";
}

std::string TapeDrawing::dot() const {
  std::string s = "digraph tape {\n  label=\"" + escaped(summary()) +
                  "\";\n  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=10];\n";
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const DrawnLine& d = lines_[i];
    std::string label = escaped(drawing::title(d)) + "  " + std::to_string(d.line);
    const auto add = [&](const std::string& text) {
      if (!text.empty()) label += "\\n" + escaped(text);
    };
    add(d.module);
    add(d.shape);
    if (d.has_gradient) add("|g| " + drawing::short_number(d.gradient_norm));
    add(drawing::times(d));
    s += join("  n", d.line, " [label=\"", label, "\"", d.op == "leaf" ? ", shape=ellipse" : "", "];\n");
    for (std::size_t k = 0; k < d.inputs.size(); ++k) {
      const auto& in = d.inputs[k];
      if (in.from >= 0) {
        const bool many = lines_[static_cast<std::size_t>(in.from)].shape.find(", ") != std::string::npos || in.slot > 0;
        s += join("  n", lines_[static_cast<std::size_t>(in.from)].line, " -> n", d.line,
                  many ? join(" [label=\"", in.slot, "\"]") : std::string(), ";\n");
      } else {
        const std::string node = join("c", d.line, "_", k);
        s += join("  ", node, " [shape=plaintext, label=\"", in.from == -1 ? "constant" : "left out",
                  in.shape.empty() ? "" : "\\n" + in.shape, "\"];\n  ", node, " -> n", d.line, " [style=dashed];\n");
      }
    }
  }
  return s + "}\n";
}

void TapeDrawing::save(const std::string& path) const {
  const auto ends = [&](const char* ending) { return path.ends_with(ending); };
  if (!ends(".dot") && !ends(".svg") && !ends(".html"))
    throw DataError("draw_tape", join("\"", path, "\" ends in none of .dot, .svg, .html, so there is no saying what to write"));
  write_atomically(path, ends(".dot") ? dot() : ends(".svg") ? svg() : html());
}

}  // namespace gradus
