#include <gradus/nn/layers/module_list.h>

#include <typeinfo>

namespace gradus::nn {

OwnedModules::OwnedModules(const OwnedModules& other) {
  children_.reserve(other.children_.size());
  for (const auto& child : other.children_) children_.push_back(child->clone());
}

/// In place where the types agree, so that an optimizer that knows these parameters still does.
OwnedModules& OwnedModules::operator=(const OwnedModules& other) {
  if (this == &other) return *this;
  children_.resize(other.children_.size());
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const ModuleBase& from = *other.children_[i];
    ModuleBase* to = children_[i].get();
    if (to && typeid(*to) == typeid(from)) to->assign(from);
    else children_[i] = from.clone();
  }
  return *this;
}

ModuleBase& OwnedModules::child(const ModuleBase& owner, std::size_t i) {
  if (i >= size())
    throw IndexError(owner.type_name(), join("module ", i, " was asked for; there are ", size(), ", the first is 0"));
  return *children_[i];
}

void OwnedModules::throw_type(const ModuleBase& owner, std::size_t i) {
  throw ModuleError(owner.type_name(),
                    join("module ", i, " is ", children_[i]->description(), ", another type was asked for"));
}

std::vector<Member> OwnedModules::list() {
  std::vector<Member> members;
  for (const auto& child : children_) members.push_back({.name = std::to_string(members.size()), .child = child.get()});
  return members;
}

}  // namespace gradus::nn
