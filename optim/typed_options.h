// The built-in rules as types: Optimizer(AdamW{.lr = 3e-4}, parameters). Options that are not set keep the rule's default,
// or, in a parameter group, the optimizer's value. rules/*.cpp alone has defaults and meaning.
#pragma once

#include <gradus/optim/rule/any_rule.h>
#include <gradus/optim/rule/dialect.h>

#include <optional>
#include <tuple>

namespace gradus::optim {

using Number = std::optional<double>;
using Flag = std::optional<bool>;
using Formula = std::optional<Dialect>;

struct SGD {
  Number lr{}, momentum{}, dampening{}, weight_decay{};
  Flag nesterov{}, maximize{};
  Formula dialect{};
  GRADUS_FIELDS(lr, momentum, dampening, weight_decay, nesterov, dialect, maximize)
  static constexpr const char* rule_name = "sgd";
};
struct Adam {
  Number lr{}, beta1{}, beta2{}, eps{}, weight_decay{};
  Flag amsgrad{}, maximize{};
  Formula dialect{};
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, amsgrad, dialect, maximize)
  static constexpr const char* rule_name = "adam";
};
struct AdamW {
  Number lr{}, beta1{}, beta2{}, eps{}, weight_decay{};
  Flag amsgrad{}, maximize{};
  Formula dialect{};
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, amsgrad, dialect, maximize)
  static constexpr const char* rule_name = "adamw";
};
struct RMSprop {
  Number lr{}, alpha{}, eps{}, weight_decay{}, momentum{};
  Flag centered{}, maximize{};
  Formula dialect{};
  GRADUS_FIELDS(lr, alpha, eps, weight_decay, momentum, centered, dialect, maximize)
  static constexpr const char* rule_name = "rmsprop";
};
struct Adagrad {
  Number lr{}, lr_decay{}, weight_decay{}, initial_accumulator_value{}, eps{};
  Flag maximize{};
  Formula dialect{};
  GRADUS_FIELDS(lr, lr_decay, weight_decay, initial_accumulator_value, eps, dialect, maximize)
  static constexpr const char* rule_name = "adagrad";
};
struct Lion {
  Number lr{}, beta1{}, beta2{}, weight_decay{};
  Flag maximize{};
  GRADUS_FIELDS(lr, beta1, beta2, weight_decay, maximize)
  static constexpr const char* rule_name = "lion";
};

/// The rules that have a struct; the others are made by name. A struct of your own with the options of a rule works as well.
using TypedRules = std::tuple<SGD, Adam, AdamW, RMSprop, Adagrad, Lion>;

template <class R>
concept TypedRule = requires(const R& r) {
  { R::rule_name } -> std::convertible_to<const char*>;
  r.fields();
};

/// The options that are set, by name.
template <TypedRule R> std::vector<NamedValue> given_options(const R& options) {
  std::vector<NamedValue> given;
  each_field(options, [&](const std::string& name, const auto& value) {
    if (value) given.push_back({name, static_cast<double>(*value)});
  });
  return given;
}

}  // namespace gradus::optim
