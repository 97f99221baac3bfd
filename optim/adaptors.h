// From the text of a rule to an AnyRule: hyper-parameters by name, the pass, the explanation, the equations, the tensors.
#pragma once

#include <gradus/core/error.h>
#include <gradus/optim/rule/reflection.h>
#include <gradus/optim/rule/loop.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R>
inline constexpr bool is_layer_rule = requires(R<double> r) { r.length(1.0, 1.0, typename R<double>::Step()); };

/// The same rule with other hyper-parameter numbers, one for each option; flags and choices are copied.
template <template <class> class R, class N>
R<N> rule_with(const R<double>& rule, const std::vector<N>& numbers) {
  R<N> other;
  std::apply(
      [&](auto&... to) {
        std::size_t i = 0;
        auto set = [&]<class To, class From>(To& field, const From& value) {
          if constexpr (std::is_same_v<To, N>) field = numbers[i];
          else field = value;
          ++i;
        };
        std::apply([&](const auto&... from) { (set(to, from), ...); }, rule.fields());
      },
      other.fields());
  return other;
}

template <class R>
auto kept_now(const R& text) {
  return std::apply([](auto... kept) { return std::array<bool, sizeof...(kept)>{bool(kept)...}; }, kept_slots(text));
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
    const auto kept = kept_now(text_);
    const auto named = [&](std::span<const SlotStart> starts) {
      return named_slots(Text::template State<num<double>>::field_names, kept, starts);
    };
    if constexpr (requires { text_.initial(); })
      return named(std::apply([](auto... x) { return std::array<SlotStart, sizeof...(x)>{x...}; }, text_.initial()));
    else return named({});
  }
  std::vector<NamedValue> first_step() const override {
    std::vector<NamedValue> all;
    const Step k;
    add_named(all, Step::field_names, numbers_of(k));
    return all;
  }
  void advance(double* step, std::int64_t t) const override {
    Step k = step_of(step);
    text_.advance(k, static_cast<double>(t));
    write_step(k, step);
  }

 protected:
  std::vector<Option> own_options() const override { return read_options(Text::field_names, option_places(text_)); }
  void write_option(std::size_t place, double value) override { optim::write_option(option_places(text_)[place], value); }
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
    for (double* field : addresses<double>(k)) *field = *values++;
    return k;
  }
  static void write_step(Step& k, double* values) {
    for (const double* field : addresses<double>(k)) *values++ = *field;
  }
  static auto numbers_of(const Step& k) {
    return std::apply([](auto... x) { return std::array<double, sizeof...(x)>{x...}; }, k.fields());
  }

  Text text_;
};

/// A State of Tensors made of a list, and back.
template <template <class> class R>
typename R<double>::template State<Tensor> tensor_state(const std::vector<Tensor>& slots) {
  typename R<double>::template State<Tensor> state;
  copy_in(addresses<Tensor>(state), slots);
  return state;
}
template <class State>
void put_state(State& state, std::vector<Tensor>& slots) {
  copy_out(addresses<Tensor>(state), slots);
}

// ---- the readings: pack, num, Symbol, Tensor -------------------------------------------------------------------------

template <template <class> class R>
void run_text(const R<double>& text, const typename R<double>::Step& k, Dtype dtype, const Piece& p, void* out = nullptr) {
  visit_real(dtype, [&]<class T>() {
    run_pieces<T>(text, k, streams_of<T, slot_count<R<double>>>(p, out), p.factor, p.begin, p.end);
  });
}

template <class... V>
void add_shown(std::vector<NamedValue>& to, const Shown<V...>& shown) {
  add_named(to, shown.names,
            std::apply([](auto... v) { return std::array<double, sizeof...(v)>{static_cast<double>(v.v)...}; }, shown.values));
}

/// The update of one element with V = num<T>, on copies. For a layer rule `length` multiplies the direction.
template <class T, template <class> class R>
ElementValues explain_text(const R<double>& text, const typename R<double>::Step& k, const Piece& p, double length) {
  using V = num<T>;
  const auto at = streams_of<T, slot_count<R<double>>>(p);
  const auto kept = kept_now(text);
  typename R<double>::template State<V> state;
  const auto fields = addresses<V>(state);
  auto add_slots = [&](std::vector<NamedValue>& to) {
    std::array<double, std::tuple_size_v<decltype(kept)>> values{};
    for (std::size_t j = 0; j < values.size(); ++j) values[j] = static_cast<double>(fields[j]->v);
    add_named(to, state.field_names, values, kept);
  };
  ElementValues values;
  V w = V::of(at.w[p.begin]), g = V::of(at.g[p.begin]);
  if (p.factor != 1) g = p.factor * g;
  for (std::size_t j = 0; j < fields.size(); ++j)
    if (kept[j]) *fields[j] = V::of(at.slot[j][p.begin]);
  values.before = {{"g", static_cast<double>(g.v)}, {"w", static_cast<double>(w.v)}};
  add_slots(values.before);
  if constexpr (is_layer_rule<R>) {
    V direction;
    add_shown(values.shown, text.direction(g, w, state, k, direction));
    values.shown.push_back({"direction", static_cast<double>(direction.v)});
    w -= length * direction;
  } else if constexpr (std::is_void_v<decltype(text.update(g, w, state, k))>) {
    text.update(g, w, state, k);
  } else {
    add_shown(values.shown, text.update(g, w, state, k));
  }
  add_slots(values.after);
  values.after.push_back({"w", static_cast<double>(w.v)});
  return values;
}

/// A rule's text over symbols: every number named, and what it was called before the text ran.
template <template <class> class R>
struct SymbolReading {
  using Step = typename R<Symbol>::Step;
  using State = typename R<Symbol>::template State<Symbol>;

  explicit SymbolReading(const R<double>& text)
      : rule(rule_with<R, Symbol>(text, symbols_of(read_options(text.field_names, option_places(text))))) {
    name_all(Step::field_names, addresses<Symbol>(k));
    name_all(State::field_names, addresses<Symbol>(state));
    k_before = k, before = state;
  }
  /// The fields that are no longer called by their own names.
  template <class Fields>
  static void changed(Fields& now, Fields& before, Equations& to) {
    replace_changed(Fields::field_names, addresses<Symbol>(now), addresses<Symbol>(before), to);
  }
  template <class... V>
  static void define_shown(const Shown<V...>& shown, Equations& to) {
    define_all(shown.names, std::apply([](auto&... v) { return std::array<Symbol, sizeof...(v)>{v...}; }, shown.values), to);
  }

  R<Symbol> rule;
  Step k, k_before;
  State state, before;
  Symbol g = Symbol::named("g"), w = Symbol::named("w");
  const Symbol w_before = w;
};

template <template <class> class R>
std::string equations_text(const R<double>& text, bool maximize) {
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

template <template <class> class R>
void step_tensors_text(const R<double>& text, const AnyRule& described, TensorState& s, const Tensor& gradient,
                       const NamedTensors& hyper, double factor) {
  const auto options = read_options(text.field_names, option_places(text));
  const R<Tensor> rule = rule_with<R, Tensor>(text, tensors_of(options, hyper, s.w.dtype()));
  typename R<Tensor>::Step k;
  typename R<Tensor>::template State<Tensor> state;
  const auto numbers = addresses<Tensor>(k);
  const auto slots = addresses<Tensor>(state);
  begin(s, described.slots(), described.first_step());
  copy_in(numbers, s.step);
  copy_in(slots, s.slots);
  rule.advance(k, scalar(static_cast<double>(++s.t), s.w.dtype()));
  rule.update(factor == 1 ? gradient : factor * gradient, s.w, state, k);
  copy_out(numbers, s.step);
  copy_out(slots, s.slots);
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
    step_tensors_text<R>(this->text_, *this, state, g, hyper, this->maximize() ? -1 : 1);
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
