#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Averaged SGD. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with the step lengths
/// of Bottou's sgd and PyTorch: eta_t = lr/(1 + lambd*lr*(t - 1))^alpha. The point to evaluate is the state "average", the
/// mean of w since step t0; before that it is w itself. weight_decay is coupled; lambd decays w by eta_t.
template <class S = double> struct ASGDRule {
  S lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0.0;
  GRADUS_FIELDS(lr, lambd, alpha, t0, weight_decay)
  static constexpr NamedRange ranges[] = {{"lambd", {.low = 0}}, {"alpha", {.low = 0}}, {"t0", {.low = 0}}};

  template <class V> struct State {
    V average;
    GRADUS_FIELDS(average)
  };
  struct Step {
    S eta = 0.0, share = 1.0;  // of w in the average
    GRADUS_FIELDS(eta, share)
  };
  void advance(Step& k, S t) const {
    k.eta = lr / pow(1 + lambd * lr * (t - 1), alpha);
    k.share = 1 / max(S(1.0), t - 1 - t0);
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) g += weight_decay * w;
    V step = k.eta * (g + lambd * w);
    w -= step;
    s.average = (1 - k.share) * s.average + k.share * w;
    return GRADUS_SHOW(step);
  }
};

GRADUS_RULE(asgd, ASGDRule, "Polyak and Juditsky, Acceleration of stochastic approximation by averaging, SIAM JCO 30", 1992)
}  // namespace gradus::optim
