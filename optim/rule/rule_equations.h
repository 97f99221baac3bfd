// The equations of a rule: its text evaluated with Symbol.
#pragma once

#include <gradus/optim/rule/rule_text.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

/// A rule's text over symbols, with every variable as it was before and after the text ran.
template <template <class> class R> struct SymbolReading {
  using Step = typename R<Symbol>::Step;
  using State = typename R<Symbol>::template State<Symbol>;

  explicit SymbolReading(const R<double>& text)
      : rule(rule_with<R, Symbol>(text, symbols_of(read_options(text.field_names, option_places(text))))) {
    name_all(Step::field_names, addresses<Symbol>(k));
    name_all(State::field_names, addresses<Symbol>(state));
    k_before = k, before = state;
  }
  /// Adds the fields that the text has changed.
  template <class Fields> static void changed(Fields& now, Fields& before, Equations& to) {
    replace_changed(Fields::field_names, addresses<Symbol>(now), addresses<Symbol>(before), to);
  }
  template <class... V> static void define_shown(const Shown<V...>& shown, Equations& to) {
    define_all(shown.names, std::apply([](auto&... v) { return std::array<Symbol, sizeof...(v)>{v...}; }, shown.values), to);
  }

  R<Symbol> rule;
  Step k, k_before;
  State state, before;
  Symbol g = Symbol::named("g"), w = Symbol::named("w");
  const Symbol w_before = w;
};

template <template <class> class R> std::string equations_text(const R<double>& text, bool maximize) {
  SymbolReading<R> r(text);
  const auto k_now = addresses<Symbol>(r.k), k_before = addresses<Symbol>(r.k_before);
  r.rule.advance(r.k, Symbol::named("t"));
  Equations once, each;
  define_step(r.k.field_names, k_now, k_before, once);
  r.k = r.k_before;

  if constexpr (is_layer_rule<R>) {
    Symbol direction;
    const auto shown = r.rule.direction(r.g, r.w, r.state, r.k, direction);
    r.changed(r.state, r.before, each);
    r.define_shown(shown, each);
    each.define("direction", direction);
    const Symbol length = r.rule.length(Symbol::named("|w|"), Symbol::named("|direction|"), r.k);
    each.replace("w", r.w - length * direction, r.w_before);
  } else if constexpr (std::is_void_v<decltype(r.rule.update(r.g, r.w, r.state, r.k))>) {
    r.rule.update(r.g, r.w, r.state, r.k);
    r.changed(r.state, r.before, each);
    each.replace("w", r.w, r.w_before);
  } else {
    const auto shown = r.rule.update(r.g, r.w, r.state, r.k);
    r.changed(r.state, r.before, each);
    r.define_shown(shown, each);
    each.replace("w", r.w, r.w_before);
  }
  std::string more;
  if constexpr (requires { R<double>::curvature; }) {
    typename R<Symbol>::template State<Symbol> taken = r.before;
    r.rule.take_curvature(Symbol::named("c"), taken);
    Equations curved;
    r.changed(taken, r.before, curved);
    more += "before it, every interval steps\n  c = " + std::string(R<double>::estimate) + "\n" + curved.text();
  }
  if constexpr (requires { r.rule.evaluation_point(r.w, r.before); }) {
    Equations at;
    at.define("x", r.rule.evaluation_point(r.w_before, r.before));
    more += "evaluated at\n" + at.text();
  }
  return (mentions_any(each, k_now) ? "once per step\n" + once.text() : "") + "for every number\n" +
         (maximize ? "  g <- -g\n" : "") + each.text() + more;
}

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
