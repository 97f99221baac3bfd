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

/// What `gradus gradcheck --edges` asks of every op at 0, infinity, NaN and the like (tools/gradcheck/check_edges.h): NaN in
/// gives NaN out, f32 has the digits of f64, no NaN comes from numbers, and all of it is as the closed form says. `ordinary`
/// is asked of the samples.
enum class EdgeRule : std::uint8_t { nan, digits, finite, form, ordinary };

/// An op does otherwise on purpose: `exceptions` of its struct, the reason in words, which the command prints.
struct EdgeException {
  EdgeRule rule;
  int order;  ///< 0: values, 1: gradients, 2: gradients of gradients
  const char* reason;
  double at = any;   ///< only where some element of the inputs is this number or its negative
  double bound = 0;  ///< what is allowed instead, where the rule is a bound
  static constexpr double any = -1;
  static constexpr double largest = 0x1.fffffep127, subnormal = 0x1p-149;  ///< of f32, and in f64 those of f64
};

/// What gradcheck must know of an op that is not smooth, or not the same bits in every layout.
enum class OpKind : std::uint8_t {
  smooth,
  step,    ///< constant between jumps: its gradient is 0
  wave,    ///< far out it turns between any two numbers that differences could take
  product  ///< strides choose the kernel, and with it the order in which terms are added
};

/// What an op was told beside its inputs, as numbers, for tools: {"axis", {1}}, {"stride", {2, 2}}.
using OpOptions = std::vector<std::pair<const char*, std::vector<double>>>;

/// What the tape knows of an op: one static record each, registered in the table that the tests walk.
struct OpInfo {
  const char* name;
  void (*backward)(BackwardContext&);
  void (*destroy_saved)(Node&);
  std::vector<Sample> (*samples)();
  std::span<const EdgeException> exceptions = {};
  OpKind kind = OpKind::smooth;
  OpOptions (*options)(Node&) = nullptr;  ///< of a node that was not traversed; null: there are none, or it does not tell
};

/// The result `slot` of the node `node`; node null: a constant, nobody waits for its gradient.
struct Edge {
  Node* node;
  std::uint32_t slot;
};

/// Any thread may hold a node; only the one that recorded it, its owner, may record on it or traverse it, which record() and
/// backward() check.
struct Node : RefCount {
  static constexpr int most = (1 << 24) - 1;  ///< inputs or results

  std::uint8_t size_class = 0;
  bool released = false;       ///< traversed: what it saved is gone
  bool frozen = false;         ///< a leaf whose gradient is not wanted for now
  std::uint64_t sequence = 0;  ///< order of birth: an input's number is always smaller
  const OpInfo* op = nullptr;  ///< null: a leaf
  int inputs = 0, outputs = 1;

  Edge* edges() { return reinterpret_cast<Edge*>(this + 1); }
  void* saved() { return edges() + inputs; }

  bool down() {
    return RefCount::down([](RefCount* n) { destroy(static_cast<Node*>(n)); });
  }
  /// With all older nodes that nobody else holds. Does not recurse, neither along the edges nor through what a node saved.
  static void destroy(Node* n);
};
static_assert(sizeof(Node) == 48);

/// A new node with room for `inputs` edges and `saved_bytes` behind them; edges are filled by the caller. Errors: GraphError
/// for more than Node::most inputs or results.
Node* new_node(const OpInfo* op, std::size_t inputs, std::size_t saved_bytes, std::size_t outputs = 1);

/// A node that nobody has seen: what it saved was not made, no edge was filled.
void discard_node(Node* n);

void check_owner(const char* op, const Node& n);  ///< GraphError if another thread recorded it
/// The GraphError of check_owner() for input k of a node being written, which is taken back with its first k edges.
[[noreturn]] void throw_foreign(Node* written, int k);

inline constinit thread_local bool recording = true;

/// While alive, nothing is recorded on this thread.
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
