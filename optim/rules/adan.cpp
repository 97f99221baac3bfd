#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Adan. Xie et al., "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models", 2022, algorithm 1, with
/// the authors' bias corrections. The betas are shares of the old value, as in the authors' code: the paper's are 1 minus
/// these. The decay is proximal, w <- (w - step)/(1 + lr*weight_decay); no_prox: w <- (1 - lr*weight_decay)*w - step.
template <class S = double> struct AdanRule {
  S lr = 1e-3, beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, eps = 1e-8, weight_decay = 0.0;
  bool no_prox = false;
  GRADUS_FIELDS(lr, beta1, beta2, beta3, eps, weight_decay, no_prox)

  template <class V> struct State {
    V m, v, n, before;  // averages of g, of its changes, and of squares; the previous g
    GRADUS_FIELDS(m, v, n, before)
  };
  struct Step {
    S seen = 0.0, c1 = 1.0, c2 = 1.0, c3 = 1.0;  // seen: 0 at the first step, which has no change
    GRADUS_FIELDS(seen, c1, c2, c3)
  };
  void advance(Step& k, S t) const {
    k.seen = select(t == 1, S(0.0), S(1.0));
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
    k.c3 = 1 / (1 - pow(beta3, t));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    V change = k.seen * (g - s.before);
    V ahead = g + beta2 * change;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * change;
    s.n = beta3 * s.n + (1 - beta3) * ahead * ahead;
    s.before = g;
    V step = lr * ((k.c1 * s.m + beta2 * k.c2 * s.v) / (sqrt(k.c3 * s.n) + eps));
    if (!on(weight_decay)) w -= step;
    else if (no_prox) w -= step + lr * weight_decay * w;
    else w = (w - step) * (1 / (1 + lr * weight_decay));
    return GRADUS_SHOW(change, step);
  }
};

GRADUS_RULE(adan, AdanRule, "Xie et al., Adan: adaptive Nesterov momentum algorithm, arXiv 2208.06677", 2022)
}  // namespace gradus::optim
