#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

GRADUS_CHOICE(LarsForm, paper, optax)

/// LARS. You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017, algorithm 1: each parameter has a
/// rate of its own, trust_coefficient*|w| / (|g| + weight_decay*|w|), and lr stands inside the velocity. Biases and norms
/// should have a group with sgd. Where a norm is 0 the rate is 1.
/// Dialect optax: the rate is trust_coefficient*|w| / (|g + weight_decay*w| + eps).
template <class S = double> struct LarsRule {
  S lr = 1e-3, momentum = 0.9, weight_decay = 0.0, trust_coefficient = 1e-3, eps = 0.0;
  bool nesterov = false;
  LarsForm dialect = LarsForm::paper;
  GRADUS_FIELDS(lr, momentum, weight_decay, trust_coefficient, eps, nesterov, dialect)
  static constexpr NamedRange ranges[] = {{"trust_coefficient", {.low = 0}}};

  template <class V> struct State {
    V velocity;
    GRADUS_FIELDS(velocity)
  };
  auto keeps() const { return std::tuple(on(momentum)); }
  struct Step {
    S rate = 0.0;
    GRADUS_FIELDS(rate)
  };
  void advance(Step&, S) const {}

  template <class V> V measured(V g, const V& w, const State<V>&, const Step&) const {
    return dialect == LarsForm::optax ? g + weight_decay * w : g;
  }
  void norms(Step& k, S w_norm, S norm) const {
    const S below = dialect == LarsForm::optax ? norm : norm + weight_decay * w_norm;
    k.rate = lr * select((w_norm <= 0) | (below <= 0), S(1.0), trust_coefficient * w_norm / (below + eps));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) g += weight_decay * w;
    V direction = k.rate * g;
    if (on(momentum)) {
      s.velocity = momentum * s.velocity + direction;
      direction = nesterov ? direction + momentum * s.velocity : s.velocity;
    }
    w -= direction;
    return GRADUS_SHOW(direction);
  }
};

GRADUS_RULE(lars, LarsRule, "You, Gitman and Ginsburg, Large batch training of CNNs, arXiv 1708.03888", 2017)
}  // namespace gradus::optim
