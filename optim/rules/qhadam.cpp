#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// QHAdam. Ma and Yarats, "Quasi-hyperbolic momentum and Adam for deep learning", 2018, section 5, with the authors'
/// rule of thumb as defaults; nu1 = nu2 = 1 is Adam. weight_decay is coupled unless decoupled_weight_decay.
template <class S = double> struct QHAdamRule {
  S lr = 1e-3, beta1 = 0.995, beta2 = 0.999, nu1 = 0.7, nu2 = 1.0, eps = 1e-8, weight_decay = 0.0;
  bool decoupled_weight_decay = false;
  GRADUS_FIELDS(lr, beta1, beta2, nu1, nu2, eps, weight_decay, decoupled_weight_decay)
  static constexpr NamedRange ranges[] = {{"nu2", {.low = 0, .high = 1}}};  // beyond 1, a square could be negative

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
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
    if (on(weight_decay)) {
      if (decoupled_weight_decay) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V m_hat = (1 - nu1) * g + nu1 * k.c1 * s.m;
    V v_hat = (1 - nu2) * g * g + nu2 * k.c2 * s.v;
    V step = lr * (m_hat / (sqrt(v_hat) + eps));
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }
};

GRADUS_RULE(qhadam, QHAdamRule, "Ma and Yarats, Quasi-hyperbolic momentum and Adam, arXiv 1810.06801", 2018)
}  // namespace gradus::optim
