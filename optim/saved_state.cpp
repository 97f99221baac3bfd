#include <gradus/core/error.h>
#include <gradus/optim/saved_state.h>

namespace gradus::optim {
namespace {

std::string under_title(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string s = join("\n  ", title, ": ");
  for (std::size_t i = 0; i < names.size() && i < 8; ++i) s += (i ? ", " : "") + names[i];
  return names.size() > 8 ? join(s, " and ", names.size() - 8, " more") : s;
}

}  // namespace

const Array* SavedState::find(const std::string& asked, const Shape& shape, Dtype dtype) {
  const std::string name = prefix_ + asked;
  const auto at = arrays_.find(name);
  if (at == arrays_.end()) return missing_.push_back(name), nullptr;
  used_.insert(name);
  if (at->second->shape() == shape && at->second->dtype() == dtype) return at->second;
  misfits_.push_back(join(name, " is ", describe(*at->second), " where ", to_string(dtype), to_string(shape), " is needed"));
  return nullptr;
}

const Array* SavedState::find_text(const std::string& name) {
  const auto at = arrays_.find(prefix_ + name);
  return find(name, at == arrays_.end() ? Shape() : Shape{at->second->size()}, u8);
}

std::vector<std::string> SavedState::names() const {
  std::vector<std::string> all;
  for (const auto& a : arrays_) all.push_back(a.first);
  return all;
}

void SavedState::check(const std::string& op) const {
  std::vector<std::string> unexpected;
  for (const auto& a : arrays_)
    if (!used_.count(a.first)) unexpected.push_back(a.first);
  if (missing_.empty() && misfits_.empty() && unexpected.empty()) return;
  throw OptimError(op, join("the state does not fit; nothing was loaded", under_title("missing", missing_),
                            under_title("unexpected", unexpected), under_title("of another shape", misfits_)));
}

}  // namespace gradus::optim
