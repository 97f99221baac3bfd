#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// AMSGrad. Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018, algorithm 2, with the bias corrections of
/// PyTorch: adam(amsgrad=true) by a name of its own. weight_decay is coupled.
/// Dialect optax: the largest of the corrected v; paper: no bias correction at all.
template <class S = double> struct AMSGradRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, dialect)

  template <class V> struct State {
    V m, v, v_max;
    GRADUS_FIELDS(m, v, v_max)
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
    if (on(weight_decay)) g += weight_decay * w;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    const bool corrected = dialect != Dialect::paper;
    if (dialect == Dialect::optax) s.v_max = max(s.v_max, k.c2 * s.v);
    else s.v_max = max(s.v_max, s.v);
    V m_hat = corrected ? k.c1 * s.m : s.m;
    V v_hat = corrected && dialect != Dialect::optax ? k.c2 * s.v_max : s.v_max;
    V step = lr * (m_hat / (sqrt(v_hat) + eps));
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }
};

GRADUS_RULE(amsgrad, AMSGradRule, "Reddi, Kale and Kumar, On the convergence of Adam and beyond, arXiv 1904.09237", 2018)
}  // namespace gradus::optim
