// A layer rule whose norms enter its state: they must be known before anything changes.
//
//   V measured(V g, const V& w, const State<V>&, const Step&) const;   what has a norm; changes nothing
//   void norms(Step& k, S w_norm, S measured_norm) const;              brings them into the numbers of the step
//   update(V g, V& w, State<V>&, const Step& k) const;                 as of any element rule
//
// The numbers of the step belong to one parameter and are saved with it, so a second moment of a whole layer is one of them.
#pragma once

#include <gradus/optim/adaptors.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R>
inline constexpr bool is_normed_rule = requires(R<double> r, typename R<double>::Step k) { r.norms(k, 1.0, 1.0); };

/// The text read as a rule of directions: the direction is what it measures.
template <class Text>
struct MeasuredOf : Text {
  template <class V, class State, class Step>
  void direction(V g, const V& w, const State& s, const Step& k, V& d) const {
    d = this->measured(g, w, s, k);
  }
};

template <template <class> class R>
std::string normed_equations(const R<double>& text, bool maximize) {
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

template <template <class> class R>
class NormedRuleOf final : public TextRule<LayerRule, R> {
 public:
  using Base = TextRule<LayerRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<NormedRuleOf>(*this); }
  std::string equations() const override { return normed_equations<R>(this->text_, this->maximize()); }
  bool norms_first() const override { return true; }
  void direction(Dtype dtype, const Piece& p, void* out) const override {
    constexpr std::size_t n = slot_count<R<double>>;
    const MeasuredOf<R<double>> measured{this->text_};
    visit_real(dtype, [&]<class T>() {
      run_pieces<T>(measured, this->step_of(p.step), streams_of<T, n>(p, out), p.factor, p.begin, p.end);
    });
  }
  void take_norms(double* step, double w_norm, double measured_norm) const override {
    auto k = this->step_of(step);
    this->text_.norms(k, w_norm, measured_norm);
    this->write_step(k, step);
  }
  void run(Dtype dtype, const Piece& p) const override { run_text<R>(this->text_, this->step_of(p.step), dtype, p); }
  ElementValues explain(Dtype dtype, const Piece& p, double w_norm, double measured_norm) const override {
    auto k = this->step_of(p.step);
    this->text_.norms(k, w_norm, measured_norm);
    ElementValues values = visit_real(dtype, [&]<class T>() { return explain_text<T, R>(this->text_, k, p, 0); });
    values.shown.insert(values.shown.end(), {{"|w|", w_norm}, {"|measured|", measured_norm}});
    add_named(values.shown, k.field_names, this->numbers_of(k));
    return values;
  }
};

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
