// How to write a rule that needs a whole parameter at once: in ops on Tensors.
//
//   template <class S = double> struct MyMatrixRule {
//     S lr = 1e-3;
//     GRADUS_FIELDS(lr)
//     template <class V> struct State { V m; GRADUS_FIELDS(m) };     // V is Tensor; optional members as in rule.h
//     struct Step : gradus::NoFields {};
//     void advance(Step&, S) const {}
//     void update(const Tensor& g, Tensor& w, State<Tensor>& s, const Step& k) const;
//     std::string throw_shape(const Shape& shape) const;            // "" or what shape it needs
//     static constexpr const char* meaning = "...";                  // its equations, as lines of text
//     void fit_slots(const Shape& w, std::vector<Slot>& slots) const; // optional: slots of other shapes, or not kept
//   };
//   gradus::optim::register_matrix<MyMatrixRule>("mine", {.paper = "...", .year = 2024});
#pragma once

#include <gradus/optim/rule/rule.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <template <class> class R> class MatrixRuleOf final : public TextRule<MatrixRule, R> {
 public:
  using Base = TextRule<MatrixRule, R>;
  using Base::Base;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<MatrixRuleOf>(*this); }
  std::string equations() const override { return R<double>::meaning; }
  std::string throw_shape(const Shape& shape) const override { return this->text_.throw_shape(shape); }
  void update(const Tensor& g, Tensor& w, std::vector<Tensor>& slots, const double* step) const override {
    auto state = tensor_state<R>(slots);
    this->text_.update(g, w, state, this->step_of(step));
    put_state(state, slots);
  }
};

/// Registers a matrix rule under a name for specs. Errors: OptimError if the name is taken.
template <template <class> class R> void register_matrix(const std::string& name, Paper about) {
  register_rule({name, std::move(about.paper), about.year}, [](RuleInfo info) -> std::unique_ptr<AnyRule> {
    return std::make_unique<MatrixRuleOf<R>>(std::move(info), R<double>{});
  });
}

}  // namespace GRADUS_ISA
}  // namespace gradus::optim

#define GRADUS_MATRIX_RULE(name, Rule, paper, year) \
  void register_##name();                           \
  void register_##name() { register_matrix<Rule>(#name, {paper, year}); }
