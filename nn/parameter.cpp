#include <gradus/nn/module.h>

namespace gradus {
namespace {

/// The same kind of tensor (leaf, frozen leaf or constant) over numbers of its own.
Tensor own_copy(const Tensor& t) {
  if (!t.is_leaf()) return Tensor(t.array().copy());
  Tensor copy = leaf(t.array(), t.name());
  if (!t.requires_grad()) copy.requires_grad_(false);
  return copy;
}

}  // namespace

MemberTensor::MemberTensor(const MemberTensor& other) : tensor_(own_copy(other.tensor_)) {}

MemberTensor& MemberTensor::operator=(const MemberTensor& other) {
  if (this == &other) return *this;
  tensor_.refresh();  // another member that it is tied to may have moved the numbers
  if (!defined() || !other.defined()) {
    give_up();
    (tensor_ = own_copy(other.tensor_)).set_name(name_);
    return *this;
  }
  if (shape() == other.shape() && dtype() == other.dtype())
    tensor_.writable().assign(other.array(), "assignment of a module");
  else replace(other.array().copy());
  if (tensor_.is_leaf()) tensor_.requires_grad_(other.tensor_.requires_grad());
  return *this;
}

MemberTensor& MemberTensor::operator=(MemberTensor&& other) {
  if (defined() || !other.defined()) return *this = std::as_const(other);
  (tensor_ = std::move(other.tensor_)).set_name(name_);
  return *this;
}

void MemberTensor::replace(Array numbers) {
  if (Leaf* l = tensor_.leaf()) l->move_to(numbers);
  tensor_ = Tensor(std::move(numbers), tensor_.node_ref());
}

void MemberTensor::share(MemberTensor& primary) {
  primary.tensor_.refresh();  // it may have been converted by another name
  const bool same_leaf = tensor_.node() == primary.tensor_.node();
  if (tied_ && same_leaf && array().shares_storage(primary.array()) && dtype() == primary.dtype()) return;
  if (!same_leaf) give_up();
  tensor_ = primary.tensor_;
  tied_ = true;
}

void MemberTensor::to(Dtype dtype) {
  if (defined() && tensor_.dtype() != dtype) replace(array().to(dtype));
}

void MemberTensor::give_up() {
  if (tied_) return;  // the other one has it
  if (Leaf* l = tensor_.leaf()) l->gone = true;
}

void MemberTensor::adopt(std::string name) {
  if (name_ == name && (tied_ || tensor_.name() == name)) return;
  name_ = std::move(name);
  if (!tied_) tensor_.set_name(name_);
}

void MemberTensor::check_listed() const {
  if (nn::ModuleCall::adopt_again() && name_.empty())
    nn::ModuleCall::throw_unlisted(this, join(kind(), defined() ? " " + describe(array()) : ""));
}

namespace nn {

Parameter::Parameter(const Tensor& values) {
  if (values.defined()) tensor_ = leaf(values.array());
}

Parameter& Parameter::requires_grad_(bool wanted) {
  if (defined()) tensor_.requires_grad_(wanted).set_name(name());
  return *this;
}

Buffer::Buffer(const Tensor& values) : MemberTensor(Tensor(values.array().copy())) {}

}  // namespace nn
}  // namespace gradus
