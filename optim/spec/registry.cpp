#include <gradus/core/error.h>
#include <gradus/optim/spec/registry.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace gradus::optim {

void register_builtin_rules();  // written by CMake from the names of optim/rules/*.cpp

namespace {

struct Known {
  RuleInfo info;
  MakeRule make;
};

std::recursive_mutex mutex;  // registering the built-in rules comes back in through register_rule
std::map<std::string, Known>& table() {
  static std::map<std::string, Known> rules;
  return rules;
}

std::map<std::string, Known>& rules() {
  static bool registered = false;
  if (!registered) {
    registered = true;
    register_builtin_rules();
  }
  return table();
}

}  // namespace

void register_rule(RuleInfo info, MakeRule make) {
  std::lock_guard lock(mutex);
  const std::string name = info.name;
  const bool plain = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
  if (!plain) throw OptimError("register", join("a rule's name is lower-case letters, digits and '_', got \"", name, "\""));
  if (!rules().try_emplace(name, Known{std::move(info), make}).second)
    throw OptimError("register", join("there is a rule \"", name, "\" already"));
}

std::vector<RuleEntry> all_rules() {
  std::lock_guard lock(mutex);
  std::vector<RuleEntry> all;
  for (const auto& [name, known] : rules()) {
    const auto rule = known.make(known.info);
    all.push_back({known.info, rule->shape(), rule->options()});
  }
  return all;
}

bool rule_exists(const std::string& name) {
  std::lock_guard lock(mutex);
  return rules().count(name) > 0;
}

std::string nearest_rule(const std::string& name) {
  std::lock_guard lock(mutex);
  std::vector<std::string> names;
  for (const auto& r : rules()) names.push_back(r.first);
  return did_you_mean(name, names);
}

std::unique_ptr<AnyRule> new_rule(const std::string& name) {
  std::lock_guard lock(mutex);
  const auto found = rules().find(name);
  if (found == rules().end())
    throw OptimError("optim::make", join("there is no rule \"", name, "\"", perhaps(nearest_rule(name))));
  return found->second.make(found->second.info);
}

}  // namespace gradus::optim
