// Reading a saved state: what was asked for and is not there, or does not fit, is remembered, so that one message lists it.
#pragma once

#include <gradus/optim/stages.h>

#include <map>
#include <set>

namespace gradus::optim {

class SavedState final : public Stage::Finder {
 public:
  explicit SavedState(const NamedArrays& state) {
    for (const auto& [name, array] : state) arrays_[name] = &array;
  }
  bool has(const std::string& name) const override { return arrays_.count(prefix_ + name) > 0; }
  const Array* find(const std::string& name, const Shape& shape, Dtype dtype) override;
  const Array* find_text(const std::string& name) override;
  std::vector<std::string> names() const;
  /// Put before every name that is asked for.
  void under(std::string prefix) { prefix_ = std::move(prefix); }
  /// Errors: OptimError that lists what is missing, was not asked for, or does not fit.
  void check(const std::string& op) const;

 private:
  std::map<std::string, const Array*> arrays_;
  std::set<std::string> used_;
  std::vector<std::string> missing_, misfits_;
  std::string prefix_;
};

}  // namespace gradus::optim
