#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// NovoGrad. Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for training of deep networks",
/// 2019, algorithm 1: one second moment v for a whole parameter, |g|^2 at the first step. The decay is inside the moment.
/// grad_averaging multiplies what enters it by 1 - beta1, as in the authors' code.
template <class S = double> struct NovoGradRule {
  S lr = 1e-3, beta1 = 0.95, beta2 = 0.98, eps = 1e-8, weight_decay = 0.0;
  bool grad_averaging = false;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, grad_averaging)

  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step {
    S keep = 0.0, v = 0.0, scale = 0.0;  // beta2, 0 at the first step; of the whole parameter
    GRADUS_FIELDS(keep, v, scale)
  };
  void advance(Step& k, S t) const { k.keep = select(t == 1, S(0.0), beta2); }

  template <class V> V measured(V g, const V&, const State<V>&, const Step&) const { return g; }
  void norms(Step& k, S, S g_norm) const {
    k.v = k.keep * k.v + (1 - k.keep) * g_norm * g_norm;
    k.scale = 1 / (sqrt(k.v) + eps);
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    V normed = k.scale * g;
    if (on(weight_decay)) normed += weight_decay * w;
    s.m = beta1 * s.m + (grad_averaging ? (1 - beta1) * normed : normed);
    w -= lr * s.m;
    return GRADUS_SHOW(normed);
  }
};

GRADUS_RULE(novograd, NovoGradRule, "Ginsburg et al., Stochastic gradient methods with layer-wise moments, 1905.11286", 2019)
}  // namespace gradus::optim
