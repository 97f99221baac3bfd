// Hooks on modules: functions that look at what goes into a module's forward, what comes out of it, and at the gradients, or
// put something else in their places. A module without hooks pays one look at a pointer.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace gradus::nn {

class ModuleBase;

/// What register_..._hook returns.
class ModuleHook {
 public:
  using Tensors = std::vector<Tensor>;
  /// (module, inputs, {}) -> inputs; (module, inputs, outputs) -> outputs; (module, grad_inputs, grad_outputs) -> grad_inputs.
  using Function = std::function<Tensors(ModuleBase&, const Tensors&, const Tensors&)>;

  void remove() { *f_ = nullptr; }  ///< it is not called any more, neither for tapes already recorded

 private:
  friend struct ModuleHooks;
  std::shared_ptr<Function> f_ = std::make_shared<Function>();
};

/// Those of one module. They stay with it: a copy of the module has none.
struct ModuleHooks {
  using Tensors = ModuleHook::Tensors;
  std::vector<ModuleHook> before, after, backward;

  static ModuleHook add(std::vector<ModuleHook>& to, ModuleHook::Function f) {
    to.emplace_back();
    *to.back().f_ = std::move(f);
    return to.back();
  }
  Tensors inputs_for(ModuleBase& module, Tensors inputs) const;
  /// f(inputs) with the backward hooks around it, and what the forward hooks make of the results.
  Tensors run(ModuleBase& module, const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs) const;

 private:
  static std::vector<ModuleHook::Function> functions(const std::vector<ModuleHook>& hooks);  // those not removed
};

}  // namespace gradus::nn
