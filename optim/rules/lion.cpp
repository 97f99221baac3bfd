#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Lion. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
template <class S = double> struct LionRule {
  S lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, weight_decay)

  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    V direction = sign(beta1 * s.m + (1 - beta1) * g);
    s.m = beta2 * s.m + (1 - beta2) * g;
    if (on(weight_decay)) direction += weight_decay * w;
    w -= lr * direction;
    return GRADUS_SHOW(direction);
  }
};

GRADUS_RULE(lion, LionRule, "Chen et al., Symbolic discovery of optimization algorithms, arXiv 2302.06675", 2023)
}  // namespace gradus::optim
