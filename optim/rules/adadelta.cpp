#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Adadelta. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1; lr is PyTorch's, 1 in the paper.
/// weight_decay is coupled; dialect keras: decoupled.
template <class S = double> struct AdadeltaRule {
  S lr = 1.0, rho = 0.9, eps = 1e-6, weight_decay = 0.0;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, rho, eps, weight_decay, dialect)
  static constexpr NamedRange ranges[] = {{"rho", {.low = 0, .high = 1}}};

  template <class V> struct State {
    V v, moved;  // averages of squares of gradients, and of steps
    GRADUS_FIELDS(v, moved)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    if (on(weight_decay)) {
      if (dialect == Dialect::keras) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    s.v = rho * s.v + (1 - rho) * g * g;
    V step = sqrt(s.moved + eps) / sqrt(s.v + eps) * g;
    s.moved = rho * s.moved + (1 - rho) * step * step;
    w -= lr * step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_RULE(adadelta, AdadeltaRule, "Zeiler, ADADELTA: an adaptive learning rate method, arXiv 1212.5701", 2012)
}  // namespace gradus::optim
