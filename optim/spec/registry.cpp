#include <gradus/core/error.h>
#include <gradus/optim/spec/registry.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace gradus::optim {

void register_builtin_rules();  // CMake writes it from the names of optim/rules/*.cpp

namespace {

struct Known {
  RuleInfo info;
  MakeRule make;  // null: an alias of the rule `base`
  std::string base{};
  std::vector<NamedValue> defaults{};  // defaults of an alias
};

std::recursive_mutex mutex;  // recursive: registering the built-in rules calls register_rule
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

void add(Known known) {
  std::lock_guard lock(mutex);
  const std::string name = known.info.name;
  const bool plain = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
  if (!plain) throw OptimError("register", join("a rule's name is lower-case letters, digits and '_', got \"", name, "\""));
  if (!rules().try_emplace(name, std::move(known)).second)
    throw OptimError("register", join("there is a rule \"", name, "\" already"));
}

std::unique_ptr<AnyRule> made(const Known& known) {
  auto rule = (known.make ? known.make : rules().at(known.base).make)(known.info);
  for (const auto& o : known.defaults) rule->set(o.name, o.value);
  return rule;
}

}  // namespace

void register_rule(RuleInfo info, MakeRule make) { add({std::move(info), make}); }
void register_alias(RuleInfo info, const std::string& base, std::vector<NamedValue> defaults) {
  add({std::move(info), nullptr, base, std::move(defaults)});
}

std::vector<RuleEntry> all_rules() {
  std::lock_guard lock(mutex);
  std::vector<RuleEntry> all;
  for (const auto& [name, known] : rules()) {
    const auto rule = made(known);
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
  return made(found->second);
}

}  // namespace gradus::optim
