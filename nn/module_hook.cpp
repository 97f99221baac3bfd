#include <gradus/autograd/hook.h>
#include <gradus/nn/module.h>

#include <algorithm>

namespace gradus::nn {
namespace {

using Tensors = ModuleHook::Tensors;

void check_count(const ModuleBase& module, const char* what, const Tensors& made, const Tensors& had) {
  if (made.size() != had.size())
    throw ModuleError(module.description(),
                      join("a hook has returned ", made.size(), " ", what, " in place of ", had.size()));
}

/// `list` is a copy: a hook may add others or remove itself.
Tensors pass(ModuleBase& module, const std::vector<ModuleHook::Function>& list, const char* what, Tensors changed,
             const Tensors& fixed, bool swapped) {
  for (const auto& f : list) {
    Tensors made = swapped ? f(module, fixed, changed) : f(module, changed, fixed);
    check_count(module, what, made, changed);
    changed = std::move(made);
  }
  return changed;
}

}  // namespace

Tensors ModuleHooks::inputs_for(ModuleBase& module, Tensors inputs) const {
  return pass(module, functions(before), "inputs", std::move(inputs), {}, false);
}

Tensors ModuleHooks::run(ModuleBase& module, const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs) const {
  const auto look = [&module, hooks = backward](const Tensors& of_outputs, const Tensors& for_inputs) {
    return pass(module, functions(hooks), "gradients", for_inputs, of_outputs, false);
  };
  Tensors outputs;
  const auto recorded = [](const Tensor& t) { return t.requires_grad(); };
  if (backward.empty() || !recording) {
    outputs = f(inputs);
  } else if (std::any_of(inputs.begin(), inputs.end(), recorded)) {
    outputs = hook_around(f, inputs, look);
  } else {  // nobody wants gradients of inputs; hooks see those of each output as it comes
    outputs = f(inputs);
    const std::size_t n = outputs.size(), in = inputs.size();
    for (std::size_t k = 0; k < n; ++k)
      outputs[k] = hook(outputs[k], [look, k, n, in](const Tensor& g) {
        Tensors of_outputs(n);
        of_outputs[k] = g.detach();
        look(of_outputs, Tensors(in));
      });
  }
  return pass(module, functions(after), "outputs", std::move(outputs), inputs, true);
}

std::vector<ModuleHook::Function> ModuleHooks::functions(const std::vector<ModuleHook>& hooks) {
  std::vector<ModuleHook::Function> all;
  for (const ModuleHook& h : hooks)
    if (*h.f_) all.push_back(*h.f_);
  return all;
}

}  // namespace gradus::nn
