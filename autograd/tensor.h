// Tensor: an Array with a history. It has methods for the twenty most chained ops; all others are free functions (ops.h).
#pragma once

#include <gradus/autograd/node.h>
#include <gradus/autograd/touched_rows.h>

#include <iosfwd>
#include <memory>

namespace gradus {

struct Leaf;
struct SparseGrad;
class Hook;

class Tensor {
 public:
  Tensor() {}                                        ///< absent
  Tensor(Array array) : array_(std::move(array)) {}  ///< a constant
  Tensor(Array array, Ref<Node> node, std::uint32_t slot = 0)
      : array_(std::move(array)), node_(std::move(node)), slot_(slot) {}
  /// A wrapped number, which takes the dtype of the tensor it meets.
  Tensor(double number) : array_(Array::full({}, number, f64)), is_wrapped_number_(true) {}
  /// A wrapped integer (or bool), which leaves a tensor of integers one; 2.0 makes it f32.
  template <std::integral I>
  Tensor(I number) : array_(Array::full({}, number, dtype_of_number(number))), is_wrapped_number_(true) {}
  /// A constant with one axis.
  template <class T>
  requires std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>
  explicit Tensor(const std::vector<T>& values) : array_(Array::of<T>({static_cast<int64_t>(values.size())}, values)) {}
  /// Constructs the Array in place: moving an Array just written costs a failed store forwarding.
  template <class Make>
  requires std::is_invocable_r_v<Array, Make> Tensor(std::in_place_t, Make make) : array_(make()) {}

  bool defined() const { return array_.defined(); }
  /// The elements, read-only. To change them: writable().
  const Array& array() const { return array_; }
  /// The elements for writing (through Array::write or assign). Not recorded; backward() throws if it needed the old ones.
  Array& writable() { return array_; }

  const Shape& shape() const { return array_.shape(); }
  int rank() const { return array_.rank(); }
  int64_t dim(Axis axis) const { return array_.dim(axis); }
  int64_t size() const { return array_.size(); }
  Dtype dtype() const { return array_.dtype(); }
  double item() const { return array_.item(); }                   ///< the only element; ShapeError if there are more
  template <class T> T item() const { return array_.item<T>(); }  ///< the same as T: item<int64_t>() is exact beyond 2^53

  /// Makes this tensor a leaf whose gradient is wanted. With false, a leaf is frozen until its gradient is wanted again: it
  /// and all copies of it count as constants, its gradient becomes absent, and no optimizer moves it; any other tensor
  /// becomes a constant. Errors: DtypeError unless f32 or f64.
  Tensor& requires_grad_(bool wanted = true);
  bool requires_grad() const { return node_ && !node_->frozen; }
  bool is_leaf() const { return node_ && !node_->op; }  ///< true also for a frozen leaf
  const std::string& name() const;                      ///< name of a leaf; "" if it has none
  Tensor& set_name(std::string name);

  /// Accumulates d this / d leaf in every leaf below. This must be a single number unless a seed of its shape is given.
  void backward(bool retain_graph = false) const;
  void backward(const Tensor& seed, bool retain_graph = false) const;
  /// The gradient of a leaf, or after retain_grad(), that backward left; absent if there is none. A sparse gradient is made
  /// dense at each call. Errors: GraphError on any other tensor.
  Tensor grad() const;
  /// The sparse gradient of a leaf, as embedding leaves it with {.sparse = true}: the rows that are not zero, each once.
  SparseGrad sparse_grad() const;
  void set_grad(Array grad) const;  ///< of a leaf; needs the same shape and dtype
  void zero_grad() const;           ///< makes the gradient of a leaf absent
  /// Makes backward() keep this tensor's gradient in grad(), as a leaf's; uses and copies of it from here on count. No
  /// effect on a leaf. Errors: GraphError for a constant.
  Tensor& retain_grad();
  /// Puts a Hook(f) on this tensor, for its uses and copies from here on, and returns it (hook.h). Errors: GraphError for a
  /// leaf or a constant.
  template <class F> Hook register_hook(F f);

  Tensor detach() const { return Tensor(array_); }  ///< the same elements without history
  Tensor to(Dtype dtype) const;
  Tensor reshape(const Shape& shape) const;
  Tensor flatten(Axis start_axis = 0) const;
  Tensor slice(Axis axis, int64_t start, int64_t stop, int64_t step = 1) const;
  Tensor transpose(Axis a, Axis b) const;
  Tensor permute(const std::vector<int>& axes) const;
  Tensor unsqueeze(Axis axis) const;
  Tensor squeeze(Axis axis) const;
  Tensor sum() const;
  Tensor sum(const Axes& axes, bool keep = false) const;
  Tensor mean(const Axes& axes = {}, bool keep = false) const;
  Tensor max(int64_t axis, bool keep = false) const;
  template <std::floating_point F>
  Tensor max(F, bool = false) const = delete;  // an axis is an integer; elementwise with a number: maximum(x, 0.5)
  Tensor argmax(Axis axis) const;
  template <std::floating_point F> Tensor argmax(F) const = delete;  // an axis is an integer

  Node* node() const { return node_.get(); }
  const Ref<Node>& node_ref() const { return node_; }
  std::uint32_t slot() const { return slot_; }
  bool is_wrapped_number() const { return is_wrapped_number_; }
  Leaf* leaf() const;  ///< null unless this is a leaf
  /// Follows a leaf whose elements have moved since (Module::to). Returns true if they had.
  bool refresh();
  void set_history(Ref<Node> node, std::uint32_t slot = 0) { node_ = std::move(node), slot_ = slot; }
  void reset() {  ///< makes this tensor absent
    array_.reset();
    node_ = {};
  }

 private:
  template <std::integral I> static constexpr Dtype dtype_of_number(I n) {
    if (std::is_same_v<I, bool>) return boolean;
    return std::is_signed_v<I> || static_cast<int64_t>(n) >= 0 ? i64 : f64;
  }

  Array array_;
  Ref<Node> node_;
  std::uint32_t slot_ = 0;
  bool is_wrapped_number_ = false;
};

/// A gradient of rows, coalesced: values[i] belongs to row indices[i], every other row is zero.
struct SparseGrad {
  Tensor indices;  ///< i64 [rows], ascending; absent if the gradient is dense or absent
  Tensor values;   ///< [rows, D]
  bool defined() const { return values.defined(); }
};

/// The node of a tensor that the user made and wants the gradient of. `grad` is absent until a backward reaches it.
struct Leaf : Node {
  Tensor grad;
  std::string name;
  std::uint64_t begun = 0,
                reached = 0;        ///< the first backward() with a part in `grad`, and the last to reach this leaf
  std::unique_ptr<Array> moved_to;  ///< the elements, once they are not those that the leaf was made with
  bool gone = false;                ///< the module that owned it has dropped it
  TouchedRows touched;              ///< the rows of `grad` to which ops accumulated
  Array row_values;                 ///< the touched rows of a sparse gradient, in place of `grad`

  bool grad_fits(const Shape& shape, Dtype dtype) const;  ///< true if there is a gradient and it fits such a tensor
  bool has_grad() const { return grad.defined() || row_values.defined(); }
  /// All elements of the gradient that may differ from zero.
  const Array& grad_numbers() const { return row_values.defined() ? row_values : grad.array(); }
  void put_grad_numbers(Array numbers) {  ///< replaces them
    if (row_values.defined()) row_values = std::move(numbers);
    else grad = Tensor(std::move(numbers));
  }
  void drop_grad() { grad.reset(), row_values.reset(), touched.set_all(); }
  /// Makes a sparse gradient dense.
  void make_dense();
  /// Adds rows to the gradient, which is sparse if it had nothing else than rows.
  void add_sparse(TouchedRows rows, Array values);
  /// Changes the leaf to another Array; a gradient is converted, and becomes absent if the shape differs.
  void move_to(const Array& numbers);
};
Leaf* new_leaf(std::string name);
/// The number of backward() calls begun on this thread, which is also the number of the last one.
std::uint64_t backward_passes();

inline Leaf* Tensor::leaf() const { return is_leaf() ? static_cast<Leaf*>(node_.get()) : nullptr; }

/// A leaf over its own copy of the values: a parameter of a module.
Tensor leaf(const Array& values, std::string name = {});

// Tensors that are constants.
template <class T = float> Tensor tensor(const Shape& shape, const std::vector<T>& values) {
  return Tensor(Array::of<T>(shape, values));
}
template <class N> Tensor scalar(N x, Dtype dtype = f32) { return Tensor(Array::full({}, x, dtype)); }
inline Tensor zeros(const Shape& shape, Dtype dtype = f32) { return Tensor(Array::zeros(shape, dtype)); }
inline Tensor ones(const Shape& shape, Dtype dtype = f32) { return Tensor(Array::ones(shape, dtype)); }
template <class N> Tensor full(const Shape& shape, N value, Dtype dtype = f32) {
  return Tensor(Array::full(shape, value, dtype));
}
inline Tensor arange(int64_t n, Dtype dtype = i64) { return Tensor(Array::arange(n, dtype)); }

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// A tensor for messages: `f32[32,784] ("fc.weight")`.
std::string describe(const Tensor& t);
inline std::string to_string(const Tensor& t) { return to_string(t.array()); }
std::ostream& operator<<(std::ostream& out, const Tensor& t);  ///< to_string(t)

}  // namespace gradus
