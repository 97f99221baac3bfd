// Element rules: rules that move each element by itself.
#pragma once

#include <gradus/optim/rule/rule_equations.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

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

template <template <class> class R> class ElementRuleOf final : public TextRule<ElementRule, R> {
 public:
  using Base = TextRule<ElementRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<ElementRuleOf>(*this); }
  std::string equations() const override { return equations_text<R>(this->text_, this->maximize()); }
  void run(Dtype dtype, const Piece& p) const override { run_pieces(this->text_, this->step_of(p.step), dtype, p); }
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
  bool touched_rows_only() const override {
    return requires { Text::touched_rows_only; };
  }

 private:
  using Text = R<double>;
  static constexpr bool has_two_points = requires(Text r, Tensor w, typename Text::template State<Tensor> s) {
    r.evaluation_point(w, s);
  };
  static constexpr bool asks_curvature = requires { Text::curvature; };
};

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
