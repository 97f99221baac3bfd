#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Yogi. Zaheer et al., "Adaptive methods for nonconvex optimization", 2018, algorithm 2: v moves towards g^2 by a share of
/// g^2, whatever their difference. Both moments start from initial_accumulator_value and are corrected as Adam's, as in the
/// authors' code and Optax.
template <class S = double> struct YogiRule {
  S lr = 1e-2, beta1 = 0.9, beta2 = 0.999, eps = 1e-3, initial_accumulator_value = 1e-6;
  GRADUS_FIELDS(lr, beta1, beta2, eps, initial_accumulator_value)

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  auto initial() const { return std::tuple(initial_accumulator_value, initial_accumulator_value); }
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
    s.v -= (1 - beta2) * sign(s.v - g * g) * (g * g);
    V m_hat = k.c1 * s.m;
    V v_hat = k.c2 * s.v;
    V step = lr * (m_hat / (sqrt(v_hat) + eps));
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }
};

GRADUS_RULE(yogi, YogiRule, "Zaheer et al., Adaptive methods for nonconvex optimization, NeurIPS", 2018)
}  // namespace gradus::optim
