#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Adam. Kingma and Ba, "Adam: a method for stochastic optimization", 2014, algorithm 1. AMSGrad: Reddi et al., "On the
/// convergence of Adam and beyond", 2018, algorithm 2, with the bias corrections of PyTorch. weight_decay is coupled: it is
/// added to the gradient.
/// Dialects keras and tf1: eps is added to the root of the v that is not corrected (the paper's "epsilon hat"); keras:
/// decoupled decay; optax: amsgrad takes the largest of the corrected v; paper: amsgrad without bias corrections.
template <class S = double> struct AdamRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool amsgrad = false;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, amsgrad, dialect)

  template <class V> struct State {
    V m, v, v_max;
    GRADUS_FIELDS(m, v, v_max)
  };
  auto keeps() const { return std::tuple(always, always, amsgrad); }
  struct Step {
    S c1 = 1.0, c2 = 1.0;
    GRADUS_FIELDS(c1, c2)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    const bool decoupled = dialect == Dialect::keras, hat = decoupled || dialect == Dialect::tf1;
    if (on(weight_decay) && !decoupled) g += weight_decay * w;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    const bool corrected = !(amsgrad && dialect == Dialect::paper);
    V m_hat = corrected ? k.c1 * s.m : s.m;
    V v_hat = k.c2 * s.v;
    if (amsgrad && dialect == Dialect::optax) v_hat = s.v_max = max(s.v_max, v_hat);
    else if (amsgrad) {
      s.v_max = max(s.v_max, s.v);
      v_hat = corrected ? k.c2 * s.v_max : s.v_max;
    }
    V step = lr * (m_hat / (sqrt(v_hat) + (hat ? eps * sqrt(k.c2) : eps)));
    if (on(weight_decay) && decoupled) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }
};

GRADUS_RULE(adam, AdamRule, "Kingma and Ba, Adam: a method for stochastic optimization, arXiv 1412.6980", 2014)
}  // namespace gradus::optim
