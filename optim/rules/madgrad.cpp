#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// MADGRAD. Defazio and Jelassi, "Adaptivity without compromise: a momentumized, adaptive, dual averaged gradient method for
/// stochastic optimization", 2021, algorithm 1, as in the authors' code: eps is added to lr too. An element whose gradients
/// have all been 0 does not move. weight_decay is coupled unless decoupled_weight_decay.
template <class S = double> struct MADGRADRule {
  S lr = 1e-2, momentum = 0.9, weight_decay = 0.0, eps = 1e-6;
  bool decoupled_weight_decay = false;
  GRADUS_FIELDS(lr, momentum, weight_decay, eps, decoupled_weight_decay)
  static constexpr NamedRange ranges[] = {{"momentum", {.low = 0, .high = 1, .open_high = true}}};

  template <class V> struct State {
    V start, sum, squares;  // the first w; weighted sums of g and g^2
    GRADUS_FIELDS(start, sum, squares)
  };
  struct Step {
    S first = 0.0, weight = 0.0;
    GRADUS_FIELDS(first, weight)
  };
  void advance(Step& k, S t) const {
    k.first = select(t == 1, S(1.0), S(0.0));
    k.weight = (lr + eps) * sqrt(t);
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay) && !decoupled_weight_decay) g += weight_decay * w;
    s.start = select(V(k.first) > V(0), w, s.start);
    s.sum += k.weight * g;
    s.squares += k.weight * (g * g);
    V root = cbrt(s.squares) + eps;
    V z = s.start - select(root <= V(0), V(0), s.sum / root);
    V decay = V(0);
    if (on(weight_decay) && decoupled_weight_decay) decay = (lr + eps) * weight_decay * w;
    w = momentum * w + (1 - momentum) * z - decay;
    return GRADUS_SHOW(z);
  }
};

GRADUS_RULE(madgrad, MADGRADRule, "Defazio and Jelassi, Adaptivity without compromise, arXiv 2101.11075", 2021)
}  // namespace gradus::optim
