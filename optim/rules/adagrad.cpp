#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Adagrad. Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011,
/// figure 1 with the diagonal matrix. eps stands outside the root; lr_decay is PyTorch's.
/// Dialects keras and optax: eps inside the root; keras: decoupled decay; tf1: no eps, so that it needs an
/// initial_accumulator_value above 0. The libraries start the sum from 0.1.
template <class S = double> struct AdagradRule {
  S lr = 1e-2, lr_decay = 0.0, weight_decay = 0.0, initial_accumulator_value = 0.0, eps = 1e-10;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, lr_decay, weight_decay, initial_accumulator_value, eps, dialect)

  template <class V> struct State {
    V sum;
    GRADUS_FIELDS(sum)
  };
  auto initial() const { return std::tuple(initial_accumulator_value); }
  struct Step {
    S rate = 0.0;
    GRADUS_FIELDS(rate)
  };
  void advance(Step& k, S t) const { k.rate = lr / (1 + (t - 1) * lr_decay); }

  template <class V> V root(V sum) const {
    if (dialect == Dialect::keras || dialect == Dialect::optax) return sqrt(sum + eps);
    if (dialect == Dialect::tf1) return sqrt(sum);
    return sqrt(sum) + eps;
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) {
      if (dialect == Dialect::keras) w -= k.rate * weight_decay * w;
      else g += weight_decay * w;
    }
    s.sum += g * g;
    V step = k.rate * (g / root(s.sum));
    w -= step;
    return GRADUS_SHOW(step);
  }

  std::string conflict() const {
    if (dialect != Dialect::tf1 || on(initial_accumulator_value)) return {};
    return "the dialect tf1 has no eps and needs an initial_accumulator_value above 0, as in initial_accumulator_value=0.1";
  }
};

GRADUS_RULE(adagrad, AdagradRule, "Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12", 2011)
}  // namespace gradus::optim
