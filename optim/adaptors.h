// From the text of a rule to an AnyRule: hyper-parameters by name, the pass, the explanation, the equations, the tensors.
#pragma once

#include <gradus/core/error.h>
#include <gradus/optim/loop.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R>
inline constexpr bool is_layer_rule = requires(R<double> r) { r.length(1.0, 1.0, typename R<double>::Step()); };

/// In initial(): this slot starts as the parameter itself.
struct StartsAsW {};
inline constexpr StartsAsW as_w;

/// f(name, from's field, to's field) for two structs made from one template.
template <class From, class To, class F>
void each_pair(const From& from, To& to, F f) {
  const auto names = split_names(From::field_names);
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (f(names[i], std::get<i>(from.fields()), std::get<i>(to.fields())), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(to.fields())>>());
}

/// The same rule with other hyper-parameter numbers: f(name, value) makes them; bools and choices are copied.
template <template <class> class R, class N, class F>
R<N> rule_with(const R<double>& rule, F f) {
  R<N> other;
  each_pair(rule, other, [&]<class To>(const std::string& name, const auto& value, To& to) {
    if constexpr (std::is_same_v<To, N>) to = f(name, value);
    else to = value;
  });
  return other;
}

/// The parts of AnyRule that follow from the listed fields of a rule's text.
template <class Base, template <class> class R>
class TextRule : public Base {
 public:
  using Text = R<double>;
  using Step = typename Text::Step;
  static constexpr std::size_t slots_of_text = slot_count<Text>;

  TextRule(RuleInfo info, const Text& text) : Base(std::move(info)), text_(text) {}

  std::vector<Slot> slots() const override {
    std::vector<Slot> all;
    using State = typename Text::template State<num<double>>;
    for (auto& name : split_names(State::field_names)) all.push_back({std::move(name), true, 0});
    auto each = [&](auto values, auto set) {
      std::apply([&](auto... v) { [[maybe_unused]] std::size_t i = 0; (set(all[i++], v), ...); }, values);
    };
    each(kept_slots(text_), [](Slot& s, bool kept) { s.kept = kept; });
    if constexpr (requires { text_.initial(); })
      each(text_.initial(), []<class X>(Slot& s, X x) {
        if constexpr (std::is_same_v<X, StartsAsW>) s.from_w = true;
        else s.initial = x;
      });
    return all;
  }
  std::vector<NamedValue> first_step() const override {
    std::vector<NamedValue> all;
    const Step k;
    each_field(k, [&](const std::string& name, double value) { all.push_back({name, value}); });
    return all;
  }
  void advance(double* step, std::int64_t t) const override {
    Step k = step_of(step);
    text_.advance(k, static_cast<double>(t));
    std::apply([&](const auto&... field) { ((*step++ = field), ...); }, k.fields());
  }

 protected:
  std::vector<Option> own_options() const override {
    std::vector<Option> all;
    each_field(text_, [&]<class F>(const std::string& name, const F& field) {
      if constexpr (std::is_same_v<F, bool>) all.push_back({name, Option::Kind::flag, field ? 1.0 : 0.0, {}});
      else if constexpr (std::is_enum_v<F>)
        all.push_back({name, Option::Kind::choice, static_cast<double>(field), split_names(choice_words(F()))});
      else all.push_back({name, Option::Kind::number, field, {}});
    });
    return all;
  }
  void write_option(std::size_t place, double value) override {
    std::size_t i = 0;
    auto write = [&]<class F>(F& field) {
      if (i++ != place) return;
      if constexpr (std::is_same_v<F, bool>) field = value != 0;
      else if constexpr (std::is_enum_v<F>) field = static_cast<F>(static_cast<int>(value));
      else field = value;
    };
    std::apply([&](auto&... field) { (write(field), ...); }, text_.fields());
  }
  Range range_of(const std::string& option) const override {
    if constexpr (requires { Text::ranges; })
      for (const NamedRange& r : Text::ranges)
        if (option == r.name) return r.range;
    return usual_range(option);
  }
  std::string refusal() const override {
    if constexpr (requires { text_.refuse(); }) return text_.refuse();
    else return {};
  }
  void fit_slots([[maybe_unused]] const Shape& w, [[maybe_unused]] std::vector<Slot>& slots) const override {
    if constexpr (requires { text_.fit_slots(w, slots); }) text_.fit_slots(w, slots);
  }

  static Step step_of(const double* values) {
    Step k;
    std::apply([&](auto&... field) { ((field = *values++), ...); }, k.fields());
    return k;
  }

  Text text_;
};

/// A State of Tensors made of a list, and back.
template <template <class> class R>
typename R<double>::template State<Tensor> tensor_state(const std::vector<Tensor>& slots) {
  typename R<double>::template State<Tensor> state;
  std::size_t i = 0;
  each_field(state, [&](const std::string&, Tensor& x) { x = slots[i++]; });
  return state;
}
template <class State>
void put_state(State& state, std::vector<Tensor>& slots) {
  std::size_t i = 0;
  each_field(state, [&](const std::string&, Tensor& x) { slots[i++] = x; });
}

// ---- the readings: pack, num, Symbol, Tensor -------------------------------------------------------------------------

template <template <class> class R>
void run_text(const R<double>& text, const typename R<double>::Step& k, Dtype dtype, const Piece& p, void* out = nullptr) {
  visit_real(dtype, [&]<class T>() {
    run_pieces<T>(text, k, streams_of<T, slot_count<R<double>>>(p, out), p.factor, p.begin, p.end);
  });
}

template <class Shown>
void append_shown(const Shown& shown, std::vector<NamedValue>& to) {
  auto names = split_names(shown.names);
  auto append = [&, i = std::size_t(0)](const auto& v) mutable { to.push_back({names[i++], static_cast<double>(v.v)}); };
  std::apply([&](const auto&... v) { (append(v), ...); }, shown.values);
}

/// The update of one element with V = num<T>, on copies. For a layer rule `length` multiplies the direction.
template <class T, template <class> class R>
ElementValues explain_text(const R<double>& text, const typename R<double>::Step& k, const Piece& p, double length) {
  using V = num<T>;
  const auto at = streams_of<T, slot_count<R<double>>>(p);
  const auto kept = kept_slots(text);
  typename R<double>::template State<V> state;
  ElementValues values;
  V w = V::of(at.w[p.begin]), g = V::of(at.g[p.begin]);
  if (p.factor != 1) g = p.factor * g;
  values.before = {{"g", g.v}, {"w", w.v}};
  auto each_kept = [&](auto f) {
    const auto names = split_names(state.field_names);
    [&]<std::size_t... j>(std::index_sequence<j...>) {
      ((std::get<j>(kept) ? f(names[j], at.slot[j], std::get<j>(state.fields())) : void()), ...);
    }(std::make_index_sequence<std::tuple_size_v<decltype(kept)>>());
  };
  each_kept([&](const std::string& name, const T* slot, V& field) {
    values.before.push_back({name, (field = V::of(slot[p.begin])).v});
  });
  if constexpr (is_layer_rule<R>) {
    V direction;
    append_shown(text.direction(g, w, state, k, direction), values.shown);
    values.shown.push_back({"direction", direction.v});
    w -= length * direction;
  } else if constexpr (std::is_void_v<decltype(text.update(g, w, state, k))>) {
    text.update(g, w, state, k);
  } else {
    append_shown(text.update(g, w, state, k), values.shown);
  }
  each_kept([&](const std::string& name, const T*, V& field) { values.after.push_back({name, field.v}); });
  values.after.push_back({"w", w.v});
  return values;
}

template <template <class> class R>
std::string equations_text(const R<double>& text, bool maximize) {
  const auto rule = rule_with<R, Symbol>(text, [](const std::string& name, double v) { return Symbol::named(name, v); });
  auto name_all = [](auto& s) { each_field(s, [](const std::string& name, Symbol& x) { x = Symbol::named(name); }); };
  auto changed = [](auto& now, auto& before, Equations& to) {
    each_pair(now, before, [&](const std::string& name, const Symbol& x, const Symbol& b) { to.replace(name, x, b); });
  };
  typename R<Symbol>::Step k;
  name_all(k);
  const auto k_before = k;
  rule.advance(k, Symbol::named("t"));
  Equations once, each;
  each_pair(k, k_before, [&](const std::string& name, const Symbol& x, const Symbol& b) {
    Equations own;
    own.define(name, x);
    if (own.mentions(b)) once.replace(name, x, b);  // a running product
    else once.define(name, x);
  });
  name_all(k);

  typename R<Symbol>::template State<Symbol> state;
  name_all(state);
  const auto before = state;
  Symbol g = Symbol::named("g"), w = Symbol::named("w");
  const Symbol w_before = w;
  auto define_shown = [&](const auto& shown) {
    changed(state, before, each);
    const auto names = split_names(shown.names);
    std::apply([&](const auto&... v) { std::size_t i = 0; (each.define(names[i++], v), ...); }, shown.values);
  };
  if constexpr (is_layer_rule<R>) {
    Symbol direction;
    define_shown(rule.direction(g, w, state, k, direction));
    each.define("direction", direction);
    const Symbol length = rule.length(Symbol::named("|w|"), Symbol::named("|direction|"), k);
    each.replace("w", w - length * direction, w_before);
  } else if constexpr (std::is_void_v<decltype(rule.update(g, w, state, k))>) {
    rule.update(g, w, state, k);
    changed(state, before, each);
    each.replace("w", w, w_before);
  } else {
    define_shown(rule.update(g, w, state, k));
    each.replace("w", w, w_before);
  }
  bool uses_step = false;
  each_field(k, [&](const std::string&, const Symbol& x) { uses_step |= each.mentions(x); });
  std::string more;
  if constexpr (requires { R<double>::curvature; }) {
    typename R<Symbol>::template State<Symbol> taken = before;
    rule.take_curvature(Symbol::named("c"), taken);
    Equations curved;
    changed(taken, before, curved);
    more += "before it, every interval steps\n  c = " + std::string(R<double>::estimate) + "\n" + curved.text();
  }
  if constexpr (requires { rule.evaluation_point(w, before); }) {
    Equations at;
    at.define("x", rule.evaluation_point(w_before, before));
    more += "evaluated at\n" + at.text();
  }
  return (uses_step ? "once per step\n" + once.text() : "") + "for every number\n" + (maximize ? "  g <- -g\n" : "") +
         each.text() + more;
}

template <template <class> class R>
void step_tensors_text(const R<double>& text, const std::vector<Slot>& slots, TensorState& s, const Tensor& gradient,
                       const NamedTensors& hyper, double factor) {
  const auto constant = [&](double x) { return scalar(x, s.w.dtype()); };
  const R<Tensor> rule = rule_with<R, Tensor>(text, [&](const std::string& name, double v) {
    for (const auto& h : hyper)
      if (h.first == name) return h.second;
    return constant(v);
  });
  typename R<Tensor>::Step k;
  typename R<Tensor>::template State<Tensor> state;
  if (s.step.empty()) each_field(k, [&](const std::string&, Tensor& x) { s.step.push_back(constant(x.item())); });
  if (s.slots.empty())
    for (const Slot& slot : slots)
      s.slots.push_back(slot.from_w ? s.w : Tensor(Array::full(s.w.shape(), slot.initial, s.w.dtype())));
  auto read = [](auto& fields, const std::vector<Tensor>& from) {
    std::size_t i = 0;
    each_field(fields, [&](const std::string&, Tensor& x) { x = from[i++]; });
  };
  auto write = [](auto& fields, std::vector<Tensor>& to) {
    std::size_t i = 0;
    each_field(fields, [&](const std::string&, Tensor& x) { to[i++] = x; });
  };
  read(k, s.step);
  read(state, s.slots);
  rule.advance(k, constant(static_cast<double>(++s.t)));
  rule.update(factor == 1 ? gradient : factor * gradient, s.w, state, k);
  write(k, s.step);
  write(state, s.slots);
}

template <template <class> class R>
class ElementRuleOf final : public TextRule<ElementRule, R> {
 public:
  using Base = TextRule<ElementRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<ElementRuleOf>(*this); }
  std::string equations() const override { return equations_text<R>(this->text_, this->maximize()); }
  void run(Dtype dtype, const Piece& p) const override { run_text<R>(this->text_, this->step_of(p.step), dtype, p); }
  ElementValues explain(Dtype dtype, const Piece& p) const override {
    return visit_real(dtype, [&]<class T>() { return explain_text<T, R>(this->text_, this->step_of(p.step), p, 0); });
  }
  void step_tensors(TensorState& state, const Tensor& g, const NamedTensors& hyper) const override {
    step_tensors_text<R>(this->text_, this->slots(), state, g, hyper, this->maximize() ? -1 : 1);
  }

  bool needs_closure() const override { return asks_curvature; }
  bool two_points() const override { return has_two_points; }
  Tensor evaluation_point(const Tensor& w, [[maybe_unused]] const std::vector<Tensor>& slots) const override {
    if constexpr (has_two_points) return this->text_.evaluation_point(w, tensor_state<R>(slots));
    else return w;
  }
  Curvature curvature([[maybe_unused]] std::int64_t steps) const override {
    if constexpr (asks_curvature)
      return steps % static_cast<std::int64_t>(this->text_.interval) == 0 ? Text::curvature : Curvature::none;
    else return Curvature::none;
  }
  void take_curvature([[maybe_unused]] const Tensor& estimate, [[maybe_unused]] std::vector<Tensor>& slots) const override {
    if constexpr (asks_curvature) {
      auto state = tensor_state<R>(slots);
      this->text_.take_curvature(estimate, state);
      put_state(state, slots);
    }
  }
  std::uint64_t seed() const override {
    if constexpr (requires { this->text_.seed; }) return static_cast<std::uint64_t>(this->text_.seed);
    else return 0;
  }
  bool touched_rows_only() const override { return requires { Text::touched_rows_only; }; }

 private:
  using Text = R<double>;
  static constexpr bool has_two_points =
      requires(Text r, Tensor w, typename Text::template State<Tensor> s) { r.evaluation_point(w, s); };
  static constexpr bool asks_curvature = requires { Text::curvature; };
};

template <template <class> class R>
class LayerRuleOf final : public TextRule<LayerRule, R> {
 public:
  using Base = TextRule<LayerRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<LayerRuleOf>(*this); }
  std::string equations() const override { return equations_text<R>(this->text_, this->maximize()); }
  void direction(Dtype dtype, const Piece& p, void* out) const override {
    run_text<R>(this->text_, this->step_of(p.step), dtype, p, out);
  }
  double length(double w_norm, double direction_norm, const double* step) const override {
    return this->text_.length(w_norm, direction_norm, this->step_of(step));
  }
  ElementValues explain(Dtype dtype, const Piece& p, double w_norm, double direction_norm) const override {
    const double l = length(w_norm, direction_norm, p.step);
    ElementValues values =
        visit_real(dtype, [&]<class T>() { return explain_text<T, R>(this->text_, this->step_of(p.step), p, l); });
    values.shown.insert(values.shown.end(), {{"|w|", w_norm}, {"|direction|", direction_norm}, {"length", l}});
    return values;
  }
};

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
