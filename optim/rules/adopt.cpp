#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// ADOPT. Taniguchi et al., "ADOPT: modified Adam can converge with any beta2 with the optimal rate", 2024, algorithm 2: the
/// gradient is divided by the root of the v before it, clipped to t^(1/4), and only then averaged. The first step only sets
/// v. weight_decay is coupled unless decoupled_weight_decay, which decays at the first step too, as in the authors' code.
template <class S = double> struct ADOPTRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.9999, eps = 1e-6, weight_decay = 0.0;
  bool decoupled_weight_decay = false;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, decoupled_weight_decay)

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step {
    S bound = 0.0, keep = 0.0;  // of the normed gradient: 0 at the first step; beta2, 0 at the first step
    GRADUS_FIELDS(bound, keep)
  };
  void advance(Step& k, S t) const {
    k.bound = pow(t - 1, S(0.25));
    k.keep = select(t == 1, S(0.0), beta2);
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) {
      if (decoupled_weight_decay) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    V normed = g / max(V(eps), sqrt(s.v));
    V clipped = min(V(k.bound), max(V(-k.bound), normed));
    s.m = beta1 * s.m + (1 - beta1) * clipped;
    s.v = k.keep * s.v + (1 - k.keep) * g * g;
    w -= lr * s.m;
    return GRADUS_SHOW(normed, clipped);
  }
};

GRADUS_RULE(adopt, ADOPTRule, "Taniguchi et al., ADOPT: modified Adam can converge with any beta2, arXiv 2411.02853", 2024)
}  // namespace gradus::optim
