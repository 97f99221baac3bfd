#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// RAdam. Liu et al., "On the variance of the adaptive learning rate and beyond", 2019, algorithm 2: plain momentum until
/// the variance of 1/sqrt(v) is known (rho > 5), then Adam times the rectification r. weight_decay is coupled unless
/// decoupled_weight_decay; eps is added to the root of the v that is not corrected, as in PyTorch.
template <class S = double> struct RAdamRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool decoupled_weight_decay = false;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, decoupled_weight_decay)

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step {
    S c1 = 1.0, c2 = 1.0, rho = 0.0, r = 0.0;
    GRADUS_FIELDS(c1, c2, rho, r)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
    const S rho_inf = 2 / (1 - beta2) - 1;
    k.rho = rho_inf - 2 * t * pow(beta2, t) * k.c2;
    const S known = max(k.rho, S(5.0));  // an unused root must not be NaN either
    k.r = sqrt((known - 4) * (known - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * known));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay) && !decoupled_weight_decay) g += weight_decay * w;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V m_hat = k.c1 * s.m;
    V rectified = k.r / sqrt(k.c2) * m_hat / (sqrt(s.v) + eps);
    V step = lr * select(V(k.rho) > V(5), rectified, m_hat);
    if (on(weight_decay) && decoupled_weight_decay) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(m_hat, step);
  }
};

GRADUS_RULE(radam, RAdamRule, "Liu et al., On the variance of the adaptive learning rate and beyond, arXiv 1908.03265", 2019)
}  // namespace gradus::optim
