// A shortcut around modules.
#pragma once

#include <gradus/nn/layers/module_list.h>

namespace gradus::nn {

/// x + f(x), f being the modules one after another: He et al., "Deep residual learning", 2015, equation 1. Each takes one
/// Tensor and returns one; names are "0", "1", ... Errors: ShapeError if f(x) is not of x's shape.
///
///   nn::Residual block{nn::Linear{8, 8}, nn::ReLU{}};
class Residual : public Module<Residual>, public OwnedModules {
 public:
  template <class... Modules>
  requires(std::derived_from<Modules, ModuleBase>&&...) explicit Residual(Modules... modules) {
    children_.reserve(sizeof...(modules));
    (push_back(std::move(modules)), ...);
  }
  ModuleBase& operator[](std::size_t i) { return child(*this, i); }  ///< IndexError unless i < size()
  Tensor forward(const Tensor& x);
  std::vector<Member> members() override { return list(); }
};

}  // namespace gradus::nn
