#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// RMSprop. Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered: Graves, "Generating sequences with
/// recurrent neural networks", 2013, equations 38 to 41. eps stands outside the root and lr outside the velocity, as in
/// PyTorch. The centered variance is kept from rounding below 0, where a root would be NaN.
/// All other dialects (paper: Graves) have eps inside the root and lr inside the velocity; keras: decoupled decay; tf1: v
/// starts from 1.
template <class S = double> struct RMSpropRule {
  S lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0.0, momentum = 0.0;
  bool centered = false;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, alpha, eps, weight_decay, momentum, centered, dialect)

  template <class V> struct State {
    V v, mean, velocity;
    GRADUS_FIELDS(v, mean, velocity)
  };
  auto keeps() const { return std::tuple(always, centered, on(momentum)); }
  auto initial() const { return std::tuple(dialect == Dialect::tf1 ? 1.0 : 0.0, 0.0, 0.0); }
  struct Step : NoFields {};
  void advance(Step&, S) const {}
  bool inside() const { return dialect != Dialect::pytorch; }

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    if (on(weight_decay)) {
      if (dialect == Dialect::keras) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    s.v = alpha * s.v + (1 - alpha) * g * g;
    V variance = s.v;
    if (centered) {
      s.mean = alpha * s.mean + (1 - alpha) * g;
      variance = max(V(0), s.v - s.mean * s.mean);
    }
    V direction = inside() ? lr * g / sqrt(variance + eps) : g / (sqrt(variance) + eps);
    if (on(momentum)) direction = s.velocity = momentum * s.velocity + direction;
    if (inside()) w -= direction;
    else w -= lr * direction;
    return GRADUS_SHOW(variance, direction);
  }
};

GRADUS_RULE(rmsprop, RMSpropRule, "Hinton, Neural networks for machine learning, lecture 6.5; Graves, arXiv 1308.0850", 2012)
}  // namespace gradus::optim
