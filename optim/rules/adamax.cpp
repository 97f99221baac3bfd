#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Adamax. Kingma and Ba, "Adam: a method for stochastic optimization", 2014, algorithm 2, with PyTorch's eps inside the
/// maximum. weight_decay is coupled.
/// Dialect keras: eps is added to u, and the decay is decoupled; paper: no eps, and an element whose gradients have all
/// been 0 does not move.
template <class S = double> struct AdamaxRule {
  S lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, dialect)

  template <class V> struct State {
    V m, u;
    GRADUS_FIELDS(m, u)
  };
  struct Step {
    S rate = 0.0;
    GRADUS_FIELDS(rate)
  };
  void advance(Step& k, S t) const { k.rate = lr / (1 - pow(beta1, t)); }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    const bool outside = dialect == Dialect::keras, none = dialect == Dialect::paper;
    if (on(weight_decay)) {
      if (outside) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    s.m = beta1 * s.m + (1 - beta1) * g;
    if (outside || none) s.u = max(beta2 * s.u, abs(g));
    else s.u = max(beta2 * s.u, abs(g) + eps);
    V ratio = s.m / s.u;
    if (outside) ratio = s.m / (s.u + eps);
    if (none) ratio = select(s.u <= V(0), V(0), ratio);
    V step = k.rate * ratio;
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_RULE(adamax, AdamaxRule, "Kingma and Ba, Adam: a method for stochastic optimization, arXiv 1412.6980", 2014)
}  // namespace gradus::optim
