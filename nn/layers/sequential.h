// Sequential: one module after the other.
#pragma once

#include <gradus/nn/layers/module_list.h>

namespace gradus::nn {

/// nn::Sequential net{nn::Linear{2, 16}, nn::Tanh{}, nn::Linear{16, 2}}; each takes one Tensor and returns one, which the
/// next one takes. They are named "0", "1", ... Copying copies all of them; an empty one returns its input.
class Sequential : public Module<Sequential>, public OwnedModules {
 public:
  template <class... Modules>
  requires(std::derived_from<Modules, ModuleBase>&&...) explicit Sequential(Modules... modules) {
    children_.reserve(sizeof...(modules));
    (push_back(std::move(modules)), ...);
  }

  ModuleBase& operator[](std::size_t i) { return child(*this, i); }  ///< IndexError unless i < size()
  /// The i-th module as what it is: net.get<nn::Linear>(0).weight. Errors: IndexError, ModuleError if it is another type.
  template <std::derived_from<ModuleBase> M> M& get(std::size_t i) {
    if (M* m = dynamic_cast<M*>(&(*this)[i])) return *m;
    throw_type(*this, i);
  }

  Tensor forward(const Tensor& x);
  std::vector<Member> members() override { return list(); }
};

}  // namespace gradus::nn
