// EvalMode: a model is looked at in eval mode, and nothing of that stays.
#pragma once

#include <gradus/nn/module.h>

#include <utility>
#include <vector>

namespace gradus::nn {

/// While alive, every module within `root` is in eval mode; then each has its own mode again.
class EvalMode {
 public:
  explicit EvalMode(ModuleBase& root) {
    for (ModuleBase* m : root.modules()) modes_.emplace_back(m, m->training_);
    root.eval();
  }
  ~EvalMode() {
    for (auto [m, mode] : modes_) m->training_ = mode;
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  std::vector<std::pair<ModuleBase*, bool>> modes_;
};

}  // namespace gradus::nn
