// Tensor: an Array with a history. Methods are the twenty that everyone chains; every other op is a free function (ops.h).
#pragma once

#include <gradus/autograd/node.h>
#include <gradus/autograd/touched_rows.h>

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
  /// A plain number: takes the dtype of the tensor it meets.
  Tensor(double number) : array_(Array::full({}, number, f64)), is_wrapped_number_(true) {}
  /// A plain integer (or bool), which leaves a tensor of integers one; 2.0 makes it f32.
  template <std::integral I>
  Tensor(I number) : array_(Array::full({}, number, dtype_of_number(number))), is_wrapped_number_(true) {}
  /// Built where it stays: moving an Array just written costs a failed store forwarding.
  template <class Make>
  requires std::is_invocable_r_v<Array, Make> Tensor(std::in_place_t, Make make) : array_(make()) {}

  bool defined() const { return array_.defined(); }
  /// Read-only numbers. To change them: writable().
  const Array& array() const { return array_; }
  /// The numbers for writing (through Array::write or assign). Does not record; backward notices if it needed the old ones.
  Array& writable() { return array_; }

  const Shape& shape() const { return array_.shape(); }
  int rank() const { return array_.rank(); }
  int64_t dim(Axis axis) const { return array_.dim(axis); }
  int64_t size() const { return array_.size(); }
  Dtype dtype() const { return array_.dtype(); }
  double item() const { return array_.item(); }                   ///< the only element; ShapeError if there are more
  template <class T> T item() const { return array_.item<T>(); }  ///< the same as T: item<int64_t>() is exact beyond 2^53

  /// Makes this tensor a leaf whose gradient is wanted. With false, a leaf is frozen until it is wanted again: it and all
  /// copies of it count as constants, its gradient becomes absent, and no optimizer moves it; any other tensor becomes a
  /// constant. Errors: DtypeError unless f32 or f64.
  Tensor& requires_grad_(bool wanted = true);
  bool requires_grad() const { return node_ && !node_->frozen; }
  bool is_leaf() const { return node_ && !node_->op; }  ///< also of a frozen one
  const std::string& name() const;                      ///< of a leaf; "" if it has none
  Tensor& set_name(std::string name);

  /// Accumulates d this / d leaf into every leaf below. Starts from one number unless a seed of this shape is given.
  void backward(bool retain_graph = false) const;
  void backward(const Tensor& seed, bool retain_graph = false) const;
  /// Of a leaf, or after retain_grad(): what backward left; absent if nothing did. A sparse gradient is made dense anew at
  /// each call. Errors: GraphError on any other tensor.
  Tensor grad() const;
  /// Of a leaf whose gradient is sparse, as embedding leaves it with {.sparse = true}: the rows that are not zero, each once.
  SparseGrad sparse_grad() const;
  void set_grad(Array grad) const;  ///< of a leaf: same shape and dtype
  void zero_grad() const;           ///< of a leaf: the gradient becomes absent
  /// backward() leaves this tensor's gradient in grad(), as if it were a leaf; uses and copies of it from here on count.
  /// Nothing changes for a leaf. Errors: GraphError for a constant.
  Tensor& retain_grad();
  /// Uses and copies of this tensor from here on are behind a Hook(f), which is returned (hook.h). Errors: GraphError for a
  /// leaf or a constant.
  template <class F> Hook register_hook(F f);

  Tensor detach() const { return Tensor(array_); }  ///< the same numbers without history
  Tensor to(Dtype dtype) const;
  Tensor reshape(const Shape& shape) const;
  Tensor flatten(Axis start_axis = 0) const;
  Tensor slice(Axis axis, int64_t start, int64_t stop, int64_t step = 1) const;
  Tensor transpose(Axis a, Axis b) const;
  Tensor permute(const std::vector<int>& axes) const;
  Tensor unsqueeze(Axis axis) const;
  Tensor squeeze(Axis axis) const;
  Tensor sum() const;
  Tensor sum(const std::vector<int>& axes, bool keep = false) const;
  Tensor mean(const std::vector<int>& axes = {}, bool keep = false) const;
  Tensor max(int64_t axis, bool keep = false) const;
  template <std::floating_point F>
  Tensor max(F, bool = false) const = delete;  // an axis is an integer; of each element and a number: maximum(x, 0.5)
  Tensor argmax(Axis axis) const;
  template <std::floating_point F> Tensor argmax(F) const = delete;  // an axis is an integer

  Node* node() const { return node_.get(); }
  const Ref<Node>& node_ref() const { return node_; }
  std::uint32_t slot() const { return slot_; }
  bool is_wrapped_number() const { return is_wrapped_number_; }
  Leaf* leaf() const;  ///< null unless this is a leaf
  /// Sees the leaf's numbers where they are now, if they have moved since (Module::to). Returns whether they had.
  bool refresh();
  void set_history(Ref<Node> node, std::uint32_t slot = 0) { node_ = std::move(node), slot_ = slot; }
  void reset() {  ///< becomes absent
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

/// A gradient of rows, coalesced: values[i] is what belongs to row indices[i], every other row is zero.
struct SparseGrad {
  Tensor indices;  ///< i64 [rows], ascending; absent if the gradient is dense or absent
  Tensor values;   ///< [rows, D]
  bool defined() const { return values.defined(); }
};

/// The line of a tensor the user made and wants the gradient of. `grad` is absent until a backward reaches it.
struct Leaf : Node {
  Tensor grad;
  std::string name;
  std::uint64_t begun = 0,
                reached = 0;        ///< the first backward() whose part is in `grad`, and the last that came here at all
  std::unique_ptr<Array> moved_to;  ///< where the numbers are, once they are not where the leaf was made over them
  bool gone = false;                ///< the module that owned it has dropped it
  TouchedRows touched;              ///< the rows of `grad` that ops have handed something to
  Array row_values;                 ///< of a sparse gradient, in place of `grad`: the numbers of the touched rows

  bool grad_fits(const Shape& shape, Dtype dtype) const;  ///< there is one, and it is that of such a tensor
  bool has_grad() const { return grad.defined() || row_values.defined(); }
  /// All numbers of the gradient that may differ from zero.
  const Array& grad_numbers() const { return row_values.defined() ? row_values : grad.array(); }
  void put_grad_numbers(Array numbers) {  ///< others in their place
    if (row_values.defined()) row_values = std::move(numbers);
    else grad = Tensor(std::move(numbers));
  }
  void drop_grad() { grad.reset(), row_values.reset(), touched.set_all(); }
  /// A sparse gradient becomes a dense one.
  void make_dense();
  /// Adds rows, to what there is: the sum is sparse if there was nothing else than rows.
  void add_sparse(TouchedRows rows, Array values);
  /// The numbers are in another Array from now on; a gradient is converted, and becomes absent if the shape is another one.
  void move_to(const Array& numbers);
};
Leaf* new_leaf(std::string name);
/// So many backward() were begun on this thread; the last of them has this number.
std::uint64_t backward_passes();

inline Leaf* Tensor::leaf() const { return is_leaf() ? static_cast<Leaf*>(node_.get()) : nullptr; }

/// A leaf over its own copy of the numbers: what modules call a parameter.
Tensor leaf(const Array& values, std::string name = {});

// Constants.
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

/// `f32[32,784] ("fc.weight")`, for messages.
std::string describe(const Tensor& t);
inline std::string to_string(const Tensor& t) { return to_string(t.array()); }

}  // namespace gradus
