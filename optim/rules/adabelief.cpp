#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// AdaBelief. Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", 2020, algorithm
/// 2: s is the variance of the gradient around m, and eps is added to it at every step, besides the one outside the root.
/// weight_decay is decoupled, as in the authors' code.
template <class S = double> struct AdaBeliefRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-16, weight_decay = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay)

  template <class V> struct State {
    V m, s;
    GRADUS_FIELDS(m, s)
  };
  struct Step {
    S c1 = 1.0, c2 = 1.0;
    GRADUS_FIELDS(c1, c2)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    V surprise = g - s.m;
    s.s = beta2 * s.s + (1 - beta2) * surprise * surprise + eps;
    V m_hat = k.c1 * s.m;
    V s_hat = k.c2 * s.s;
    V step = lr * (m_hat / (sqrt(s_hat) + eps));
    if (on(weight_decay)) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(surprise, m_hat, s_hat, step);
  }
};

GRADUS_RULE(adabelief, AdaBeliefRule, "Zhuang et al., AdaBelief optimizer, arXiv 2010.07468", 2020)
}  // namespace gradus::optim
