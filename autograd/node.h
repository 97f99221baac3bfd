// Node: one numbered record of the tape. It holds Arrays and older Nodes, never Tensors, so a cycle cannot be formed.
#pragma once

#include <gradus/core/array.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gradus {

struct Node;
class BackwardContext;
struct Sample;

/// The rules that `gradus gradcheck --edges` checks for every op at 0, infinity, NaN and the like
/// (tools/gradcheck/check_edges.h): NaN in gives NaN out, f32 has the digits of f64, no NaN comes from numbers, and all
/// agrees with the closed form. `ordinary` is checked on the samples.
enum class EdgeRule : std::uint8_t { nan, digits, finite, form, ordinary };

/// An intended exception of an op to a rule: `exceptions` of its struct, with the reason in words, which the command prints.
struct EdgeException {
  EdgeRule rule;
  int order;  ///< 0: values, 1: gradients, 2: gradients of gradients
  const char* reason;
  double at = any;   ///< applies only where some element of the inputs is this number or its negative
  double bound = 0;  ///< the bound in place of the rule's, if the rule has one
  static constexpr double any = -1;
  static constexpr double largest = 0x1.fffffep127, subnormal = 0x1p-149;  ///< of f32; in f64 they mean those of f64
};

/// The kind of an op for gradcheck: not smooth, or not the same bits in every layout.
enum class OpKind : std::uint8_t {
  smooth,
  step,    ///< constant between jumps: its gradient is 0
  wave,    ///< far out it oscillates between any two points that differences could take
  product  ///< strides choose the kernel, and with it the order in which terms are added
};

/// The options of an op beside its inputs, as numbers, for tools: {"axis", {1}}, {"stride", {2, 2}}.
using OpOptions = std::vector<std::pair<const char*, std::vector<double>>>;

/// The tape's record of an op: one static object each, registered in the table that the tests traverse.
struct OpInfo {
  const char* name;
  void (*backward)(BackwardContext&);
  void (*destroy_saved)(Node&);
  std::vector<Sample> (*samples)();
  std::span<const EdgeException> exceptions = {};
  OpKind kind = OpKind::smooth;
  OpOptions (*options)(Node&) = nullptr;  ///< the options of a node that is not released; null: none
};

/// A reference to result `slot` of the node `node`; node null: a constant, whose gradient nobody wants.
struct Edge {
  Node* node;
  std::uint32_t slot;
};

/// Any thread may hold a node; only the thread that recorded it, its owner, may record on it or traverse it, which record()
/// and backward() check.
struct Node : RefCount {
  static constexpr int most = (1 << 24) - 1;  ///< inputs or results

  std::uint8_t size_class = 0;
  bool released = false;       ///< traversed: its saved values are gone
  bool frozen = false;         ///< a leaf whose gradient is not wanted for now
  std::uint64_t sequence = 0;  ///< order of creation: an input's number is always smaller
  const OpInfo* op = nullptr;  ///< null: a leaf
  int inputs = 0, outputs = 1;

  Edge* edges() { return reinterpret_cast<Edge*>(this + 1); }
  void* saved() { return edges() + inputs; }

  bool down() {
    return RefCount::down([](RefCount* n) { destroy(static_cast<Node*>(n)); });
  }
  /// Destroys the node and all older nodes that nobody else holds. No recursion along edges or through saved values.
  static void destroy(Node* n);
};
static_assert(sizeof(Node) == 48);

/// A new node with room for `inputs` edges and `saved_bytes` behind them; edges are filled by the caller. Errors: GraphError
/// for more than Node::most inputs or results.
Node* new_node(const OpInfo* op, std::size_t inputs, std::size_t saved_bytes, std::size_t outputs = 1);

/// Discards a node that is not complete: its saved value was not made, and no edge was filled.
void discard_node(Node* n);

void check_owner(const char* op, const Node& n);  ///< GraphError if another thread recorded it
/// Throws the GraphError of check_owner() for input k of a node being recorded, which is discarded with its first k edges.
[[noreturn]] void throw_foreign(Node* written, int k);

inline constinit thread_local bool recording = true;

/// Turns recording off on this thread while the object lives.
class NoGrad {
 public:
  NoGrad() : before_(recording) { recording = false; }
  ~NoGrad() { recording = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

}  // namespace gradus
