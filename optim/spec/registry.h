// The rules that a spec can name: the built-in ones and those that a program registers.
#pragma once

#include <gradus/optim/rule/any_rule.h>

namespace gradus::optim {

using MakeRule = std::unique_ptr<AnyRule> (*)(RuleInfo info);

/// Registers a rule as `info.name`. Errors: OptimError if the name is taken or is not lower-case letters, digits and '_'.
void register_rule(RuleInfo info, MakeRule make);

/// Registers a rule that is the rule `base` with other defaults.
void register_alias(RuleInfo info, const std::string& base, std::vector<NamedValue> defaults);

struct RuleEntry {
  RuleInfo info;
  std::string shape;  ///< AnyRule::shape()
  std::vector<Option> defaults;
};
/// Every rule, by name.
std::vector<RuleEntry> all_rules();

/// A new rule with its defaults. Errors: OptimError with the nearest name.
std::unique_ptr<AnyRule> new_rule(const std::string& name);
bool rule_exists(const std::string& name);
/// The nearest known name, or "".
std::string nearest_rule(const std::string& name);

}  // namespace gradus::optim

/// The one line in optim/rules/NAME.cpp that makes a built-in rule of another one, with these defaults.
#define GRADUS_ALIAS(name, base, paper, year, ...) \
  void register_##name();                          \
  void register_##name() { register_alias({#name, paper, year}, #base, {__VA_ARGS__}); }
