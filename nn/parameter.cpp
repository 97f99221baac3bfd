#include <gradus/nn/module.h>

namespace gradus {
namespace {

/// The same kind of tensor (leaf or constant) over numbers of its own.
Tensor own_copy(const Tensor& t) { return t.requires_grad() ? leaf(t.array(), t.name()) : Tensor(t.array().copy()); }

}  // namespace

MemberTensor::MemberTensor(const MemberTensor& other) : tensor_(own_copy(other.tensor_)) {}

MemberTensor& MemberTensor::operator=(const MemberTensor& other) {
  if (this == &other) return *this;
  const bool fits = defined() && other.defined() && shape() == other.shape() && dtype() == other.dtype() &&
                    tensor_.requires_grad() == other.tensor_.requires_grad();
  if (fits) tensor_.writable().assign(other.array(), "assignment of a module");
  else (tensor_ = own_copy(other.tensor_)).set_name(name_);
  return *this;
}

void MemberTensor::adopt(std::string name) {
  if (name_ == name && tensor_.name() == name) return;
  name_ = std::move(name);
  tensor_.set_name(name_);
}

void MemberTensor::to(Dtype dtype) {
  if (!defined() || tensor_.dtype() == dtype) return;
  const Array converted = array().to(dtype);
  tensor_ = tensor_.requires_grad() ? leaf(converted, name_) : Tensor(converted);
}

void MemberTensor::check_listed() const {
  if (nn::ModuleCall::adopt_again() && name_.empty())
    nn::ModuleCall::refuse_unlisted(this, join(kind(), defined() ? " " + describe(array()) : ""));
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
