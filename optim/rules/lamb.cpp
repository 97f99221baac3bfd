#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// LAMB. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2019, algorithm 2, with the
/// identity for phi. A parameter or direction of norm 0 moves by lr alone.
template <class S = double> struct LambRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay)

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

  template <class V> auto direction(V g, const V& w, State<V>& s, const Step& k, V& d) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V m_hat = k.c1 * s.m;
    V v_hat = k.c2 * s.v;
    d = m_hat / (sqrt(v_hat) + eps);
    if (on(weight_decay)) d += weight_decay * w;
    return GRADUS_SHOW(m_hat, v_hat);
  }
  S length(S w_norm, S d_norm, const Step&) const {
    return lr * select((w_norm <= 0) | (d_norm <= 0), S(1.0), w_norm / d_norm);
  }
};

GRADUS_RULE(lamb, LambRule, "You et al., Large batch optimization for deep learning, arXiv 1904.00962", 2019)
}  // namespace gradus::optim
