#include <gradus/core/error.h>
#include <gradus/nn/layers/module_dict.h>

#include <algorithm>

namespace gradus::nn {

bool ModuleDict::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

void ModuleDict::check_new(const std::string& name) const {
  if (name.empty() || name.find('.') != name.npos)
    throw ModuleError(type_name(), join("a module's name must not be empty or hold a dot, got \"", name, "\""));
  if (contains(name)) throw ModuleError(type_name(), join("there is a module \"", name, "\" already"));
}

std::size_t ModuleDict::index_of(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  const std::string near = did_you_mean(name, names_);
  throw ModuleError(type_name(), join("there is no module \"", name, "\" among its ", names_.size()),
                    near.empty() ? "" : join("\"", near, "\""));
}

std::vector<Member> ModuleDict::members() {
  std::vector<Member> all = list();
  for (std::size_t i = 0; i < all.size(); ++i) all[i].name = names_[i];
  return all;
}

}  // namespace gradus::nn
