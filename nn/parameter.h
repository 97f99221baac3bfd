// What a module owns: numbers that are learnt (Parameter) and numbers that are only kept (Buffer).
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// What Parameter and Buffer share: a tensor that converts to `const Tensor&`, so it goes wherever a Tensor does.
/// A copy has its own numbers. What is assigned to or converted stays the leaf it was, with other numbers, so that an
/// optimizer which knows it still does (of another shape, the optimizer refuses its next step and names it). An absent one
/// takes over the leaf of what is moved into it, so that std::swap() exchanges two parameters.
/// (Here and not in nn, so that sqrt(weight) finds gradus::sqrt without a using-directive.)
class MemberTensor {
 public:
  operator const Tensor&() const { return tensor(); }
  /// ModuleError if a module is being called and none lists this member.
  const Tensor& tensor() const {
    if (name_.empty()) [[unlikely]]
      check_listed();
    return tensor_;
  }
  /// "conv1.weight" once a module that lists it was called or walked; "" before.
  const std::string& name() const { return name_; }

  bool defined() const { return tensor_.defined(); }
  const Shape& shape() const { return tensor_.shape(); }
  int rank() const { return tensor_.rank(); }
  int64_t dim(Axis axis) const { return tensor_.dim(axis); }
  int64_t size() const { return tensor_.size(); }
  Dtype dtype() const { return tensor_.dtype(); }
  double item() const { return tensor_.item(); }
  template <class T> T item() const { return tensor_.item<T>(); }
  const Array& array() const { return tensor_.array(); }
  Array& writable() { return tensor_.writable(); }  ///< as Tensor::writable

  void adopt(std::string name);                        ///< for the module that lists it
  void to(Dtype dtype);                                ///< converts; the leaf stays the same
  void replace(Array numbers);                         ///< other numbers, of any shape and dtype, for the same leaf
  const Node* node() const { return tensor_.node(); }  ///< of the leaf; null of a constant
  bool tied() const { return tied_; }                  ///< it is another member's tensor: Module::tie
  void share(MemberTensor& primary);                   ///< is the tensor of that one from now on

 protected:
  MemberTensor() = default;
  explicit MemberTensor(Tensor tensor) : tensor_(std::move(tensor)) {}
  MemberTensor(const MemberTensor& other);
  MemberTensor(MemberTensor&& other) noexcept : tensor_(std::move(other.tensor_)) {}
  MemberTensor& operator=(const MemberTensor& other);
  MemberTensor& operator=(MemberTensor&& other);
  ~MemberTensor() { give_up(); }

  Tensor tensor_;

 private:
  virtual const char* kind() const = 0;
  void check_listed() const;
  void give_up();     // the leaf, if there is one, is no part of a module any longer
  std::string name_;  // empty: nobody has adopted it
  bool tied_ = false;
};

namespace nn {

/// A leaf that is learnt: nn::Parameter scale{ones({16})}. Absent by default (a layer without bias); modules skip it then.
class Parameter final : public MemberTensor {
 public:
  Parameter() = default;
  /// Takes a copy of the numbers. Errors: DtypeError unless f32 or f64.
  explicit Parameter(const Tensor& values);
  Parameter(const Parameter&) = default;
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter&) = default;
  Parameter& operator=(Parameter&&) = default;

  /// false freezes: no gradient, no movement by optimizers made before or after, but still saved and loaded; true thaws it,
  /// and an optimizer goes on with the state it had.
  Parameter& requires_grad_(bool wanted = true);
  bool requires_grad() const { return tensor_.requires_grad(); }
  Tensor grad() const { return tensor_.grad(); }
  SparseGrad sparse_grad() const { return tensor_.sparse_grad(); }
  void set_grad(Array grad) const { tensor_.set_grad(std::move(grad)); }

 private:
  const char* kind() const override { return "Parameter"; }
};

/// A constant that belongs to the module's state: running statistics, a table of positions.
class Buffer final : public MemberTensor {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor& values);  ///< takes a copy of the numbers; any dtype
  Buffer(const Buffer&) = default;
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(const Buffer&) = default;
  Buffer& operator=(Buffer&&) = default;

 private:
  const char* kind() const override { return "Buffer"; }
};

}  // namespace nn
}  // namespace gradus
