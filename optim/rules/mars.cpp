#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// MARS. Yuan et al., "MARS: unleashing the power of variance reduction for training large models", 2024, algorithm 2
/// (MARS-AdamW) in its approximate form: the last gradient stands for the one at the last point, and is 0 at the first step,
/// as in the authors' code. c is cut to norm 1 in each parameter. weight_decay is decoupled. The authors move parameters of
/// one dimension by AdamW: give them a group.
template <class S = double> struct MarsRule {
  S lr = 3e-3, beta1 = 0.95, beta2 = 0.99, gamma = 0.025, eps = 1e-8, weight_decay = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, gamma, eps, weight_decay)
  static constexpr NamedRange ranges[] = {{"gamma", {.low = 0}}};

  template <class V> struct State {
    V m, v, before;  // before: the gradient of the previous step
    GRADUS_FIELDS(m, v, before)
  };
  struct Step {
    S c1 = 1.0, c2 = 1.0, scale = 1.0;  // scale of c, so that its norm is at most 1
    GRADUS_FIELDS(c1, c2, scale)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
  }

  template <class V> V measured(V g, const V&, const State<V>& s, const Step&) const {
    return g + gamma * beta1 / (1 - beta1) * (g - s.before);
  }
  void norms(Step& k, S, S c_norm) const { k.scale = 1 / max(S(1.0), c_norm); }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    V c = k.scale * measured(g, w, s, k);
    s.m = beta1 * s.m + (1 - beta1) * c;
    s.v = beta2 * s.v + (1 - beta2) * c * c;
    s.before = g;
    V m_hat = k.c1 * s.m;
    V v_hat = k.c2 * s.v;
    V step = lr * (m_hat / (sqrt(v_hat) + eps));
    if (on(weight_decay)) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(c, m_hat, v_hat, step);
  }
};

GRADUS_RULE(mars, MarsRule, "Yuan et al., MARS: unleashing the power of variance reduction, arXiv 2411.10438", 2024)
}  // namespace gradus::optim
