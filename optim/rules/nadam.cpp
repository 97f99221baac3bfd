#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

GRADUS_CHOICE(NAdamForm, pytorch, keras, optax, tf1, paper, algoperf)

/// NAdam. Dozat, "Incorporating Nesterov momentum into Adam", 2016: algorithm 2 with the warming momentum of its appendix,
/// mu_t = beta1*(1 - 0.96^(t*momentum_decay)/2), as in PyTorch. weight_decay is coupled unless decoupled_weight_decay.
/// Dialect keras: mu_t = beta1*(1 - 0.96^t/2) whatever momentum_decay, decoupled decay; optax: mu_t = beta1, so that
/// momentum_decay is not read; algoperf (the baseline of Dahl et al., "Benchmarking neural network training algorithms",
/// 2023): the same, and m and g are both corrected by 1 - beta1^t.
template <class S = double> struct NAdamRule {
  S lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;
  NAdamForm dialect = NAdamForm::pytorch;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, momentum_decay, decoupled_weight_decay, dialect)
  static constexpr NamedRange ranges[] = {{"momentum_decay", {.low = 0}}};

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step {
    S product = 1.0, of_m = 0.0, of_g = 0.0, c2 = 1.0;  // of mu_1 ... mu_t; shares of m and g; correction of v
    GRADUS_FIELDS(product, of_m, of_g, c2)
  };
  S mu(S t) const {
    if (dialect == NAdamForm::optax || dialect == NAdamForm::algoperf) return beta1;
    return beta1 * (1 - 0.5 * pow(S(0.96), dialect == NAdamForm::keras ? t : t * momentum_decay));
  }
  void advance(Step& k, S t) const {
    k.product = k.product * mu(t);
    k.of_m = mu(t + 1) / (dialect == NAdamForm::algoperf ? 1 - k.product : 1 - k.product * mu(t + 1));
    k.of_g = (1 - mu(t)) / (1 - k.product);
    k.c2 = 1 / (1 - pow(beta2, t));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    const bool decoupled = decoupled_weight_decay || dialect == NAdamForm::keras;
    if (on(weight_decay) && !decoupled) g += weight_decay * w;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V m_hat = k.of_m * s.m + k.of_g * g;
    V v_hat = k.c2 * s.v;
    V step = lr * (m_hat / (sqrt(v_hat) + eps));
    if (on(weight_decay) && decoupled) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }
};

GRADUS_RULE(nadam, NAdamRule, "Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop", 2016)
}  // namespace gradus::optim
