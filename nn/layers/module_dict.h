// Modules by name.
#pragma once

#include <gradus/nn/layers/module_list.h>

namespace gradus::nn {

/// Modules of any types, by names in the order of adding, for a forward that picks among them. Parameters are called
/// "conv.weight", ... behind the dictionary's own name.
///
///   nn::ModuleDict choices;
///   choices.add("conv", nn::Conv2d{3, 8, 3});
///   y = choices["conv"].call(x);   or   choices.get<nn::Conv2d>("conv")(x);
class ModuleDict : public Module<ModuleDict>, public OwnedModules {
 public:
  /// Errors: ModuleError for a name that is empty, holds a dot, or is there already.
  template <std::derived_from<ModuleBase> M> void add(const std::string& name, M module) {
    check_new(name);
    push_back(std::move(module));
    names_.push_back(name);
  }
  const std::vector<std::string>& keys() const { return names_; }
  bool contains(const std::string& name) const;
  ModuleBase& operator[](const std::string& name) { return *children_[index_of(name)]; }  ///< ModuleError if there is none
  /// The module of this name as what it is. Errors: ModuleError if there is none, or it is another type.
  template <std::derived_from<ModuleBase> M> M& get(const std::string& name) {
    const std::size_t i = index_of(name);
    if (M* m = dynamic_cast<M*>(children_[i].get())) return *m;
    throw_type(*this, i);
  }
  std::vector<Member> members() override;

 private:
  using OwnedModules::push_back;
  void check_new(const std::string& name) const;
  std::size_t index_of(const std::string& name) const;
  std::vector<std::string> names_;
};

}  // namespace gradus::nn
