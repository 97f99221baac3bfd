// Reflection: names for the members of a struct and for the intermediate values of a formula.
#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

/// Lists the members of a struct once: hyperparameters of a rule, slots of a state, children of a module.
#define GRADUS_FIELDS(...)                                  \
  static constexpr const char* field_names = #__VA_ARGS__;  \
  constexpr auto fields() { return std::tie(__VA_ARGS__); } \
  constexpr auto fields() const { return std::tie(__VA_ARGS__); }

/// Returns named intermediate values from a formula; costs nothing if the caller ignores them.
#define GRADUS_SHOW(...) ::gradus::shown(#__VA_ARGS__, __VA_ARGS__)

namespace gradus {

/// A struct without members to list.
struct NoFields {
  static constexpr const char* field_names = "";
  constexpr auto fields() { return std::tuple<>(); }
  constexpr auto fields() const { return std::tuple<>(); }
};

template <class... Ts> struct Shown {
  const char* names;
  std::tuple<Ts...> values;
};

template <class... Ts> [[gnu::always_inline]] constexpr Shown<Ts...> shown(const char* names, const Ts&... values) {
  return {names, std::tuple<Ts...>(values...)};
}

/// "lr, beta1" -> {"lr", "beta1"}.
inline std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto name = list.substr(0, comma);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    names.emplace_back(name);
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
  return names;
}

/// Calls f(name, member) for every listed member, in order.
template <class Struct, class F> void each_field(Struct& s, F&& f) {
  const auto names = split_names(std::remove_reference_t<Struct>::field_names);
  std::apply(
      [&](auto&... member) {
        [[maybe_unused]] std::size_t i = 0;
        (f(names[i++], member), ...);
      },
      s.fields());
}

}  // namespace gradus
