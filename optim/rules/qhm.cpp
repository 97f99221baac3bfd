#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// QHM. Ma and Yarats, "Quasi-hyperbolic momentum and Adam for deep learning", 2018, section 3, with the authors'
/// rule of thumb as defaults. The momentum is dampened: lr is 1/(1 - momentum) times that of sgd. nu = 0 is SGD, nu = 1
/// momentum. weight_decay is coupled unless decoupled_weight_decay.
template <class S = double> struct QHMRule {
  S lr = 1.0, momentum = 0.999, nu = 0.7, weight_decay = 0.0;
  bool decoupled_weight_decay = false;
  GRADUS_FIELDS(lr, momentum, nu, weight_decay, decoupled_weight_decay)

  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    if (on(weight_decay)) {
      if (decoupled_weight_decay) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    s.m = momentum * s.m + (1 - momentum) * g;
    V direction = (1 - nu) * g + nu * s.m;
    w -= lr * direction;
    return GRADUS_SHOW(direction);
  }
};

GRADUS_RULE(qhm, QHMRule, "Ma and Yarats, Quasi-hyperbolic momentum and Adam, arXiv 1810.06801", 2018)
}  // namespace gradus::optim
