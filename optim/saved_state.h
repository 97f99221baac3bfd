// Reading a saved state: what was asked for and is not there, does not fit, or is not as it was saved, is remembered, so
// that one message lists it.
#pragma once

#include <gradus/optim/stages/stages.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace gradus::optim {

/// "optimizer/checksums" of all arrays so far, in the order of their names: appended when a state is complete. A state
/// without it (hand-made, or edited on purpose) is believed.
void add_checksums(NamedArrays& state);

class SavedState final : public Stage::Finder {
 public:
  explicit SavedState(const NamedArrays& state);
  bool has(const std::string& name) const override { return arrays_.count(prefix_ + name) > 0; }
  const Array* find(const std::string& name, const Shape& shape, Dtype dtype) override;
  const Array* find_text(const std::string& name) override;
  std::optional<std::int64_t> find_count(const std::string& name) override;
  std::vector<std::string> names() const;
  /// Put before every name that is asked for.
  void under(std::string prefix) { prefix_ = std::move(prefix); }
  /// Something is wrong with the array of this name.
  void complain(const std::string& name, const std::string& what) override {
    misfits_.push_back(prefix_ + name + " " + what);
  }
  /// Errors: OptimError that lists what is missing, was given twice or not asked for, has changed, or does not fit.
  void check(const std::string& op) const;
  /// The same for what must be sound before anything else is read.
  void check_changed(const std::string& op, const std::vector<std::string>& names) const;

 private:
  std::map<std::string, const Array*> arrays_;
  std::set<std::string> used_, changed_;
  std::vector<std::string> missing_, misfits_, twice_;
  std::string prefix_;
};

}  // namespace gradus::optim
