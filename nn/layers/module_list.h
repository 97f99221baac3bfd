// ModuleList: modules of any types in a row, called by whoever owns them.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

/// What Sequential and ModuleList share: modules they own, named "0", "1", ... Copying copies all of them.
class OwnedModules {
 public:
  OwnedModules() = default;
  OwnedModules(const OwnedModules& other);
  OwnedModules(OwnedModules&&) noexcept = default;
  OwnedModules& operator=(const OwnedModules& other);

  template <std::derived_from<ModuleBase> M> void push_back(M module) {
    children_.push_back(std::make_unique<M>(std::move(module)));
  }
  std::size_t size() const { return children_.size(); }
  bool empty() const { return children_.empty(); }

 protected:
  ~OwnedModules() = default;
  ModuleBase& child(const ModuleBase& owner, std::size_t i);
  [[noreturn]] void throw_type(const ModuleBase& owner, std::size_t i);
  std::vector<Member> list();
  std::vector<std::unique_ptr<ModuleBase>> children_;
};

/// nn::ModuleList list{nn::Linear{2, 4}, nn::Linear{4, 2}}; list.get<nn::Linear>(0)(x). For modules of one type a member
/// std::vector<nn::Linear> does the same, with the same names.
class ModuleList : public Module<ModuleList>, public OwnedModules {
 public:
  template <class... Modules>
  requires(std::derived_from<Modules, ModuleBase>&&...) explicit ModuleList(Modules... modules) {
    children_.reserve(sizeof...(modules));
    (push_back(std::move(modules)), ...);
  }
  ModuleBase& operator[](std::size_t i) { return child(*this, i); }  ///< IndexError unless i < size()
  /// The i-th module as what it is. Errors: IndexError, ModuleError if it is another type.
  template <std::derived_from<ModuleBase> M> M& get(std::size_t i) {
    if (M* m = dynamic_cast<M*>(&(*this)[i])) return *m;
    throw_type(*this, i);
  }
  std::vector<Member> members() override { return list(); }
};

}  // namespace gradus::nn
