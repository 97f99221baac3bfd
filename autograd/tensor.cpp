#include <gradus/autograd/hook.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/tensor.h>

#include <ostream>

namespace gradus {

Tensor& Tensor::requires_grad_(bool wanted) {
  if (!wanted) {
    if (Leaf* l = leaf()) l->frozen = true, l->drop_grad();
    else node_ = {};
    return *this;
  }
  if (!is_real(dtype()))
    throw DtypeError("requires_grad_", join("only f32 and f64 tensors have gradients, this is ", describe(*this)));
  if (!node_) node_ = Ref<Node>(new_leaf({}));
  else if (node_->frozen) node_->frozen = false;
  is_wrapped_number_ = false;
  return *this;
}

Tensor leaf(const Array& values, std::string name) {
  Tensor t(values.copy());
  t.requires_grad_();
  t.set_name(std::move(name));
  return t;
}

const std::string& Tensor::name() const {
  static const std::string none;
  const Leaf* l = leaf();
  return l ? l->name : none;
}

Tensor& Tensor::set_name(std::string name) {
  if (Leaf* l = leaf()) l->name = std::move(name);
  return *this;
}

Tensor Tensor::grad() const {
  if (const Leaf* l = leaf()) return l->row_values.defined() ? Tensor(dense_of(l->row_values, l->touched)) : l->grad;
  if (const Leaf* l = retained(node_.get())) return l->grad;
  throw GraphError("grad",
                   node_ ? join("no gradient is kept for the result of ", node_->op->name, ", only for leaves")
                         : "this tensor does not require a gradient",
                   node_ ? "x.retain_grad() before it is used, or grad({loss}, {x})" : "x.requires_grad_()");
}

SparseGrad Tensor::sparse_grad() const {
  const Leaf* l = leaf();
  if (!l || !l->row_values.defined()) return {};
  const auto& rows = l->touched.list();
  return {Tensor(Array::of<std::int64_t>({static_cast<std::int64_t>(rows.size())}, rows)), Tensor(l->row_values)};
}

void Tensor::set_grad(Array grad) const {
  Leaf* l = leaf();
  if (!l) throw GraphError("set_grad", join(describe(*this), " is not a leaf"));
  if (grad.defined() && l->frozen)
    throw GraphError("set_grad", join(describe(*this), " is frozen: it has no gradient"), "x.requires_grad_()");
  const Array& numbers = l->moved_to ? *l->moved_to : array_;
  if (grad.defined() && (!(grad.shape() == numbers.shape()) || grad.dtype() != numbers.dtype()))
    throw ShapeError("set_grad", join("the gradient is ", describe(grad), ", the tensor ", describe(numbers)));
  l->drop_grad();
  l->grad = Tensor(std::move(grad));
  l->begun = backward_passes() + 1;  // the gradient holds nothing of an earlier backward()
}

bool Tensor::refresh() {
  const Leaf* l = leaf();
  if (!l || !l->moved_to || l->moved_to->shares_storage(array_)) return false;
  array_ = *l->moved_to;
  return true;
}

bool Leaf::grad_fits(const Shape& shape, Dtype dtype) const {
  if (!has_grad() || grad_numbers().dtype() != dtype) return false;
  return row_values.defined() ? Shape{touched.total(), row_values.dim(1)} == shape : grad.shape() == shape;
}

void Leaf::move_to(const Array& numbers) {
  Array converted;
  if (has_grad() && grad_fits(numbers.shape(), grad_numbers().dtype())) converted = grad_numbers().to(numbers.dtype());
  auto place = std::make_unique<Array>(numbers);
  put_grad_numbers(std::move(converted));
  moved_to = std::move(place);
}

void Leaf::make_dense() {
  if (!row_values.defined()) return;
  grad = Tensor(dense_of(row_values, touched));
  row_values.reset();
}

void Leaf::add_sparse(TouchedRows rows, Array values) {
  if (has_grad()) add_gradient(grad.defined() ? grad.writable() : row_values, touched, values, rows);
  else touched = std::move(rows), row_values = std::move(values);
}

void Tensor::zero_grad() const {
  if (Leaf* l = leaf()) l->drop_grad();
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }
std::string describe(const Tensor& t) { return describe(t.array()) + (t.name().empty() ? "" : " (\"" + t.name() + "\")"); }

Tensor Tensor::to(Dtype dtype) const { return gradus::to(*this, dtype); }
Tensor Tensor::reshape(const Shape& shape) const { return gradus::reshape(*this, shape); }
Tensor Tensor::flatten(Axis start_axis) const { return gradus::flatten(*this, start_axis); }
Tensor Tensor::slice(Axis axis, int64_t start, int64_t stop, int64_t step) const {
  return gradus::slice(*this, axis, start, stop, step);
}
Tensor Tensor::transpose(Axis a, Axis b) const { return gradus::transpose(*this, a, b); }
Tensor Tensor::permute(const std::vector<int>& axes) const { return gradus::permute(*this, axes); }
Tensor Tensor::unsqueeze(Axis axis) const { return gradus::unsqueeze(*this, axis); }
Tensor Tensor::squeeze(Axis axis) const { return gradus::squeeze(*this, axis); }
Tensor Tensor::sum() const { return gradus::sum(*this); }
Tensor Tensor::sum(const Axes& axes, bool keep) const { return gradus::sum(*this, axes, keep); }
Tensor Tensor::mean(const Axes& axes, bool keep) const { return gradus::mean(*this, axes, keep); }
Tensor Tensor::max(int64_t axis, bool keep) const { return gradus::max(*this, axis, keep); }
Tensor Tensor::argmax(Axis axis) const { return gradus::argmax(*this, axis); }

}  // namespace gradus
