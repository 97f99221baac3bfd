// The text of a rule as an AnyRule: its listed fields, and the explanation of an element. Each kind of rule builds on it:
// element_rule.h, layer_rule.h, global_rule.h, matrix_rule.h.
#pragma once

#include <gradus/core/error.h>
#include <gradus/optim/rule/loop.h>
#include <gradus/optim/rule/reflection.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R> inline constexpr bool is_layer_rule = requires(R<double> r) {
  r.length(1.0, 1.0, typename R<double>::Step());
};

/// The same rule with hyperparameters of another type, one for each option; flags and choices are copied.
template <template <class> class R, class N> R<N> rule_with(const R<double>& rule, const std::vector<N>& numbers) {
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

template <class R> auto kept_now(const R& text) {
  return std::apply([](auto... kept) { return std::array<bool, sizeof...(kept)>{bool(kept)...}; }, kept_slots(text));
}

/// The parts of AnyRule that follow from the listed fields of a rule's text.
template <class Base, template <class> class R> class TextRule : public Base {
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
    if constexpr (requires { text_.conflict(); }) return text_.conflict();
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

/// Converts a list of Tensors to a State, and back.
template <template <class> class R>
typename R<double>::template State<Tensor> tensor_state(const std::vector<Tensor>& slots) {
  typename R<double>::template State<Tensor> state;
  copy_in(addresses<Tensor>(state), slots);
  return state;
}
template <class State> void put_state(State& state, std::vector<Tensor>& slots) {
  copy_out(addresses<Tensor>(state), slots);
}

// ---- one element -----------------------------------------------------------------------------------------------------

template <class... V> void add_shown(std::vector<NamedValue>& to, const Shown<V...>& shown) {
  const auto number = [](auto... v) { return std::array<double, sizeof...(v)>{static_cast<double>(v.v)...}; };
  add_named(to, shown.names, std::apply(number, shown.values));
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

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
