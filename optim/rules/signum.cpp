#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Signum. Bernstein et al., "signSGD: compressed optimisation for non-convex problems", 2018, algorithm 2; momentum = 0 is
/// signSGD, algorithm 1. weight_decay is decoupled. The sign of 0 is 0.
template <class S = double> struct SignumRule {
  S lr = 1e-3, momentum = 0.9, weight_decay = 0.0;
  GRADUS_FIELDS(lr, momentum, weight_decay)
  static constexpr NamedRange ranges[] = {{"momentum", {.low = 0, .high = 1, .open_high = true}}};

  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  auto keeps() const { return std::tuple(on(momentum)); }
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    if (on(momentum)) g = s.m = momentum * s.m + (1 - momentum) * g;
    V direction = sign(g);
    if (on(weight_decay)) direction += weight_decay * w;
    w -= lr * direction;
    return GRADUS_SHOW(direction);
  }
};

GRADUS_RULE(signum, SignumRule, "Bernstein et al., signSGD: compressed optimisation, arXiv 1802.04434", 2018)
}  // namespace gradus::optim
