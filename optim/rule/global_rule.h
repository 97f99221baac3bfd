// How to write a rule whose step depends on sums over all parameters: two passes, and between them the sums.
//
//   template <class S = double> struct MyGlobalRule {
//     S lr = 1;
//     GRADUS_FIELDS(lr)
//     template <class V> struct State { V w0; GRADUS_FIELDS(w0) };
//     auto initial() const { return std::tuple(as_w); }
//     struct Step { S length = 0.0; GRADUS_FIELDS(length) };              // one set of values for all parameters
//     void advance(Step& k, S t) const {}
//     template <class V> struct Sums { V far; GRADUS_FIELDS(far) };
//     template <class V> void measure(V g, const V& w, State<V>& s, const Step& k, Sums<V>& terms) const {
//       terms.far = (w - s.w0) * (w - s.w0);                              // the terms of one element; may change the state
//     }
//     void conclude(Step& k, const Sums<S>& sums) const { k.length = sqrt(sums.far); }
//     template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const { ... }
//   };
//   gradus::optim::register_global<MyGlobalRule>("mine", {.paper = "...", .year = 2023});
//
// Written as conclude(k, sums, loss), the rule needs step(closure). Sums run over the parameters with a gradient and this
// rule, whatever their group; in double, in an order that depends on shapes alone. Per-step values follow the options of the
// first group that has the rule; an option read in measure or update is the group's own.
#pragma once

#include <gradus/core/simd/lanes.h>
#include <gradus/optim/rule/rule.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

inline constexpr std::size_t sum_lanes = 16;  // a multiple of every pack's width: the order of addition is the same for all

/// The sums of rule R, each in sixteen partial sums, one per lane.
template <class R> struct LaneSums {
  static constexpr std::size_t count =
      std::tuple_size_v<decltype(std::declval<typename R::template Sums<double>&>().fields())>;
  double lane[count][sum_lanes] = {};

  double total(std::size_t i) {
    return fold(lane[i], static_cast<int>(sum_lanes), [](double a, double b) { return a + b; });
  }
};

/// Adds the terms of elements begin..end-1, in packs of which `valid` elements count, beginning in lane `lane`.
template <class T, class R>
[[gnu::flatten, gnu::noinline]] void measure_packs(const R rule, const typename R::Step k,
                                                   const Streams<T, slot_count<R>> at, const double factor,
                                                   const std::int64_t begin, const std::int64_t end, const std::size_t valid,
                                                   std::size_t lane, LaneSums<R>& sums) {
  using P = pack<T>;
  using State = typename R::template State<P>;
  constexpr std::size_t width = P::width;
  const auto kept = kept_slots(rule);
  const P scale(factor);
  for (std::int64_t i = begin; i < end; i += P::width, lane = (lane + width) % sum_lanes) {
    State state = load_state<P, State>(at, i, kept);
    const P w = P::load(at.w + i), g = scale * P::load(at.g + i);
    typename R::template Sums<P> terms;
    rule.measure(g, w, state, k, terms);
    store_state(state, at, i, kept);
    std::apply(
        [&](const auto&... term) {
          std::size_t j = 0;
          auto add = [&](const P& x) {
            alignas(64) T number[width];
            x.store(number);
            for (std::size_t l = 0; l < valid; ++l) sums.lane[j][lane + l] += static_cast<double>(number[l]);
            ++j;
          };
          (add(term), ...);
        },
        terms.fields());
  }
}

/// Adds the terms of elements begin..end-1; begin is a multiple of sum_lanes. A partial pack goes through a buffer.
template <class T, class R>
void measure_pieces(const R& rule, const typename R::Step& k, const Streams<T, slot_count<R>>& at, double factor,
                    std::int64_t begin, std::int64_t end, double* to) {
  constexpr std::size_t n = slot_count<R>;
  constexpr std::int64_t width = pack<T>::width;
  LaneSums<R> sums;
  const std::int64_t whole = begin + (end - begin) / width * width;
  if (whole > begin) measure_packs<T>(rule, k, at, factor, begin, whole, static_cast<std::size_t>(width), 0, sums);
  if (whole < end) {
    alignas(64) T buffer[n + 2][static_cast<std::size_t>(width)] = {};
    Streams<T, n> in_buffer{buffer[0], buffer[1], nullptr, {}};
    const auto bytes = static_cast<std::size_t>(end - whole) * sizeof(T);
    std::memcpy(buffer[0], at.w + whole, bytes);
    std::memcpy(buffer[1], at.g + whole, bytes);
    for (std::size_t j = 0; j < n; ++j) {
      in_buffer.slot[j] = buffer[j + 2];
      if (at.slot[j]) std::memcpy(buffer[j + 2], at.slot[j] + whole, bytes);
    }
    measure_packs<T>(rule, k, in_buffer, factor, 0, width, static_cast<std::size_t>(end - whole),
                     static_cast<std::size_t>(whole - begin) % sum_lanes, sums);
    for (std::size_t j = 0; j < n; ++j)
      if (at.slot[j]) std::memcpy(at.slot[j] + whole, buffer[j + 2], bytes);
  }
  for (std::size_t i = 0; i < sums.count; ++i) to[i] = sums.total(i);
}

template <template <class> class R> std::string global_equations(const R<double>& text, bool maximize) {
  SymbolReading<R> r(text);
  Equations once, each, then, last;
  r.rule.advance(r.k, Symbol::named("t"));
  r.changed(r.k, r.k_before, once);

  typename R<Symbol>::template Sums<Symbol> terms, sums;
  r.rule.measure(r.g, r.w, r.state, r.k_before, terms);
  r.changed(r.state, r.before, each);
  std::string sum_lines;
  const auto term = addresses<Symbol>(terms);
  name_all(sums.field_names, addresses<Symbol>(sums));
  for (std::size_t i = 0; const std::string& name : split_names(sums.field_names)) {
    each.define("a_" + name, *term[i++]);
    sum_lines += "  " + name + " = sum of a_" + name + "\n";
  }
  r.k = r.k_before;
  if constexpr (requires { r.rule.conclude(r.k, sums, r.w); }) r.rule.conclude(r.k, sums, Symbol::named("loss"));
  else r.rule.conclude(r.k, sums);
  r.changed(r.k, r.k_before, then);

  r.state = r.before;
  r.rule.update(r.g, r.w, r.state, r.k_before);
  r.changed(r.state, r.before, last);
  last.replace("w", r.w, r.w_before);
  return "once per step\n" + once.text() + "for every number\n" + (maximize ? "  g <- -g\n" : "") + each.text() +
         "over all parameters\n" + sum_lines + then.text() + "for every number\n" + last.text();
}

template <template <class> class R> class GlobalRuleOf final : public TextRule<GlobalRule, R> {
 public:
  using Base = TextRule<GlobalRule, R>;
  using Base::Base;
  using Text = R<double>;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<GlobalRuleOf>(*this); }
  std::string equations() const override { return global_equations<R>(this->text_, this->maximize()); }
  std::size_t sums() const override { return LaneSums<Text>::count; }
  bool uses_loss() const override { return needs_loss; }
  void measure(Dtype dtype, const Piece& p, double* to) const override {
    visit_real(dtype, [&]<class T>() {
      measure_pieces<T>(this->text_, this->step_of(p.step), streams_of<T, slot_count<Text>>(p), p.factor, p.begin, p.end,
                        to);
    });
  }
  void conclude(double* step, const double* sums, double loss) const override {
    auto k = this->step_of(step);
    typename Text::template Sums<double> all;
    for (double* sum : addresses<double>(all)) *sum = *sums++;
    if constexpr (needs_loss) this->text_.conclude(k, all, loss);
    else this->text_.conclude(k, all);
    this->write_step(k, step);
  }
  void run(Dtype dtype, const Piece& p) const override { run_pieces(this->text_, this->step_of(p.step), dtype, p); }

 private:
  static constexpr bool needs_loss = requires(Text r, typename Text::Step k, typename Text::template Sums<double> s) {
    r.conclude(k, s, 0.0);
  };
};

/// Registers a global rule under a name for specs. Errors: OptimError if the name is taken.
template <template <class> class R> void register_global(const std::string& name, Paper about) {
  register_rule({name, std::move(about.paper), about.year}, [](RuleInfo info) -> std::unique_ptr<AnyRule> {
    return std::make_unique<GlobalRuleOf<R>>(std::move(info), R<double>{});
  });
}

}  // namespace GRADUS_ISA
}  // namespace gradus::optim

#define GRADUS_GLOBAL_RULE(name, Rule, paper, year) \
  void register_##name();                           \
  void register_##name() { register_global<Rule>(#name, {paper, year}); }
