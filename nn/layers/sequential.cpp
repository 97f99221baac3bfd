#include <gradus/nn/layers/sequential.h>

#include <typeinfo>

namespace gradus::nn {

Sequential::Sequential(const Sequential& other) : Module(other) {
  children_.reserve(other.children_.size());
  for (const auto& child : other.children_) children_.push_back(child->clone());
}

/// In place where the types agree, so that an optimizer that knows these parameters still does.
Sequential& Sequential::operator=(const Sequential& other) {
  if (this == &other) return *this;
  ModuleBase::operator=(other);
  children_.resize(other.children_.size());
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const ModuleBase& from = *other.children_[i];
    ModuleBase* to = children_[i].get();
    if (to && typeid(*to) == typeid(from)) to->assign(from);
    else children_[i] = from.clone();
  }
  return *this;
}

ModuleBase& Sequential::operator[](std::size_t i) {
  if (i >= size())
    throw IndexError(type_name(), join("module ", i, " was asked for; there are ", size(), ", the first is 0"));
  return *children_[i];
}

void Sequential::throw_type(std::size_t i) {
  throw ModuleError(type_name(), join("module ", i, " is ", (*this)[i].description(), ", another type was asked for"));
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : children_) y = child->call(y);
  return y;
}

std::vector<Member> Sequential::members() {
  std::vector<Member> list;
  for (const auto& child : children_) list.push_back({.name = std::to_string(list.size()), .child = child.get()});
  return list;
}

}  // namespace gradus::nn
