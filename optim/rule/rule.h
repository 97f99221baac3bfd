// How a rule is written and run. A rule is a struct generic in its number types, and reads like its paper:
//
//   template <class S = double> struct SignDescentRule {             // S: the type of the hyperparameters
//     S lr = 1e-3;
//     GRADUS_FIELDS(lr)                                              // bools and GRADUS_CHOICEs may be listed too
//     template <class V> struct State : gradus::NoFields {};         // or { V m, v; GRADUS_FIELDS(m, v) }
//     struct Step : gradus::NoFields {};                             // or per-step values of S, one for all elements
//     void advance(Step&, S) const {}                                // brings them to step t = 1, 2, ...
//     template <class V> auto update(V g, V& w, State<V>&, const Step&) const {
//       V step = lr * sign(g);
//       w -= step;
//       return GRADUS_SHOW(step);                                    // named values for explain()
//     }
//   };
//   gradus::optim::register_rule<SignDescentRule>("sign_descent", {.paper = "...", .year = 2018});
//
// A rule that needs norms of the parameter has `direction` and `length` in place of `update`, or `measured` and `norms`
// besides it: layer_rule.h.
//
// Optional members: `auto keeps() const { return std::tuple(always, on(momentum)); }`, which slots the options in force
// use; `auto initial() const { return std::tuple(0, start); }`, their first values; `std::string conflict() const`, why
// options do not go together; `static constexpr NamedRange ranges[]`, where a name's usual range is not meant.
//
// V is a pack in the fused pass, num<T> in explain() and in tests, Tensor in a differentiable step, Symbol in printed
// equations. So there is no `if` on a V (write select), and a number in max, min or select is written V(0). A division by a
// value of Step is written as a product with its reciprocal: a vector division per element is what a step costs.
#pragma once

#include <gradus/optim/rule/element_rule.h>
#include <gradus/optim/rule/layer_rule.h>
#include <gradus/optim/spec/registry.h>

namespace gradus::optim {
inline namespace GRADUS_ISA {

/// The source of a rule.
struct Paper {
  std::string paper;
  int year = 0;
};

/// Registers an element or layer rule under a name for specs. Errors: OptimError if the name is taken.
template <template <class> class R> void register_rule(const std::string& name, Paper about) {
  register_rule({name, std::move(about.paper), about.year}, [](RuleInfo info) -> std::unique_ptr<AnyRule> {
    if constexpr (is_layer_rule<R> || is_normed_rule<R>)
      return std::make_unique<LayerRuleOf<R>>(std::move(info), R<double>{});
    else return std::make_unique<ElementRuleOf<R>>(std::move(info), R<double>{});
  });
}

}  // namespace GRADUS_ISA
}  // namespace gradus::optim

/// The one line in optim/rules/NAME.cpp, inside namespace gradus::optim, that makes a built-in rule.
#define GRADUS_RULE(name, Rule, paper, year) \
  void register_##name();                    \
  void register_##name() { register_rule<Rule>(#name, {paper, year}); }
