// draw_tape() draws the tape as a picture: every node with its shapes, the norm of its gradient, and its time.
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace gradus {

struct DrawOptions {
  bool run_backward = true;  ///< run backward once for norms and times; this calls hooks on the tape, as any traversal does
  int most_nodes = 1000;     ///< more nodes than these: the youngest are drawn, and the picture says so; >= 1
};

/// A node of the tape, or one of its leaves. Unknown numbers are NaN, unknown texts empty.
struct DrawnNode {
  std::uint64_t sequence = 0;
  std::string op;      ///< "leaf" for a leaf
  std::string name;    ///< name of a leaf
  std::string module;  ///< dotted path of the module that ran the op, if draw_tape called the function
  std::string shape;   ///< "f32[2,3]", for each result
  struct Input {
    int from;            ///< index in nodes(); -1: a constant, -2: a node that was left out
    std::uint32_t slot;  ///< index of its result
    std::string shape;   ///< shape of a constant, where known
  };
  std::vector<Input> inputs;
  double gradient_norm = std::numeric_limits<double>::quiet_NaN();  ///< Euclidean, over all results
  double forward_seconds = std::numeric_limits<double>::quiet_NaN(), backward_seconds = forward_seconds;
  bool has_gradient = false;
};

class TapeDrawing {
 public:
  const std::vector<DrawnNode>& nodes() const { return nodes_; }  ///< oldest first
  std::size_t left_out() const { return left_out_; }              ///< number of older nodes
  std::string summary() const;  ///< one sentence: how many nodes, and which facts are unknown and why
  std::string dot() const;      ///< for Graphviz
  std::string svg() const;      ///< layers from top to bottom; a complete file, light and dark
  std::string html() const;     ///< the picture and the time of each op; loads nothing from the network
  /// Writes the format of the ending: .dot, .svg or .html. Errors: DataError.
  void save(const std::string& path) const;

 private:
  friend TapeDrawing draw_tape(const Tensor& root, DrawOptions options);
  friend TapeDrawing draw_tape_of(const std::function<Tensor()>& f, DrawOptions options);
  void collect(const Tensor& root, const DrawOptions& options);
  void walk_back(const Tensor& root);

  std::vector<DrawnNode> nodes_;
  std::size_t left_out_ = 0;
  bool released_ = false;  // an earlier traversal released the tape, so that there are no norms
};

/// Draws the nodes behind a tensor: draw_tape(loss).save("tape.html"). Norms and backward times come from a traversal of its
/// own, seeded with ones, which keeps the saved values of the nodes and every leaf's gradient; a tape that backward() has
/// released is drawn without. Errors: GraphError for a constant.
TapeDrawing draw_tape(const Tensor& root, DrawOptions options = {});

TapeDrawing draw_tape_of(const std::function<Tensor()>& f, DrawOptions options);
/// Draws the nodes that f(), which returns a Tensor, records, also with the time of each op in the forward pass (from the
/// end of the op before) and the module that ran it: draw_tape([&] { return cross_entropy(net(x), y); }).
template <class F>
requires std::invocable<const F&> TapeDrawing draw_tape(const F& f, DrawOptions options = {}) {
  return draw_tape_of(f, options);
}

}  // namespace gradus
