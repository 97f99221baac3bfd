// A rule that needs norms of a whole parameter, in one of two forms. Either each element has a direction, which may change
// its state, and the norms determine the length of the step (rules/lamb.cpp):
//
//   auto direction(V g, const V& w, State<V>&, const Step&, V& d) const;
//   S length(S w_norm, S direction_norm, const Step&) const;             w -= length * d
//
// or the norms enter the state, and must be known before anything changes (rules/novograd.cpp):
//
//   V measured(V g, const V& w, const State<V>&, const Step&) const;     the value to take the norm of
//   void norms(Step& k, S w_norm, S measured_norm) const;                stores them in the per-step values
//   update(V g, V& w, State<V>&, const Step& k) const;                   as of any element rule
//
// The per-step values belong to one parameter and are saved with it, so a second moment of a whole layer is one of them.
#pragma once

#include <gradus/optim/rule/rule_equations.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R>
inline constexpr bool is_normed_rule = requires(R<double> r, typename R<double>::Step k) {
  r.norms(k, 1.0, 1.0);
};

/// The rule of the first form in the second one: the direction is what it measures.
template <class Text> struct MeasuredOf : Text {
  template <class V, class State, class Step> void direction(V g, const V& w, const State& s, const Step& k, V& d) const {
    d = this->measured(g, w, s, k);
  }
};

template <template <class> class R> std::string normed_equations(const R<double>& text, bool maximize) {
  SymbolReading<R> r(text);
  Equations once, first, then, each;
  r.rule.advance(r.k, Symbol::named("t"));
  r.changed(r.k, r.k_before, once);

  const Symbol measured = r.rule.measured(r.g, r.w, r.state, r.k_before);
  first.define("measured", measured);
  r.k = r.k_before;
  r.rule.norms(r.k, Symbol::named("|w|"), Symbol::named(measured.get() == r.g.get() ? "|g|" : "|measured|"));
  r.changed(r.k, r.k_before, then);
  const auto shown = r.rule.update(r.g, r.w, r.state, r.k_before);
  r.changed(r.state, r.before, each);
  r.define_shown(shown, each);
  each.replace("w", r.w, r.w_before);
  const std::string once_lines = once.text(), first_lines = first.text(), sign = maximize ? "  g <- -g\n" : "";
  return (once_lines.empty() ? "" : "once per step\n" + once_lines) +
         (first_lines.empty() ? "" : "for every number\n" + sign + first_lines) + "once per parameter\n" + then.text() +
         "for every number\n" + sign + each.text();
}

template <template <class> class R> class LayerRuleOf final : public TextRule<LayerRule, R> {
 public:
  using Base = TextRule<LayerRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<LayerRuleOf>(*this); }
  std::string equations() const override {
    if constexpr (norms_enter) return normed_equations<R>(this->text_, this->maximize());
    else return equations_text<R>(this->text_, this->maximize());
  }
  void measure(Dtype dtype, const Piece& p, void* out) const override {
    if constexpr (norms_enter) run_pieces(MeasuredOf<R<double>>{this->text_}, this->step_of(p.step), dtype, p, out);
    else run_pieces(this->text_, this->step_of(p.step), dtype, p, out);
  }
  void take_norms([[maybe_unused]] double* step, [[maybe_unused]] const LayerNorms& norms) const override {
    if constexpr (norms_enter) {
      auto k = this->step_of(step);
      this->text_.norms(k, norms.w, norms.measured);
      this->write_step(k, step);
    }
  }
  void move(Dtype dtype, const Piece& p, [[maybe_unused]] const void* measured,
            [[maybe_unused]] const LayerNorms& norms) const override {
    if constexpr (norms_enter) run_pieces(this->text_, this->step_of(p.step), dtype, p);
    else subtract_direction(dtype, p, measured, this->text_.length(norms.w, norms.measured, this->step_of(p.step)));
  }
  ElementValues explain(Dtype dtype, const Piece& p, const LayerNorms& norms) const override {
    auto k = this->step_of(p.step);
    double length = 0;
    if constexpr (norms_enter) this->text_.norms(k, norms.w, norms.measured);
    else length = this->text_.length(norms.w, norms.measured, k);
    ElementValues values = visit_real(dtype, [&]<class T>() { return explain_text<T, R>(this->text_, k, p, length); });
    values.shown.insert(values.shown.end(),
                        {{"|w|", norms.w}, {norms_enter ? "|measured|" : "|direction|", norms.measured}});
    if constexpr (norms_enter) add_named(values.shown, k.field_names, this->numbers_of(k));
    else values.shown.push_back({"length", length});
    return values;
  }

 private:
  static constexpr bool norms_enter = is_normed_rule<R>;
};

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
