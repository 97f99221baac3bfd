#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Sophia-H. Liu et al., "Sophia: a scalable stochastic second-order optimizer for language model pre-training", 2023,
/// algorithms 1 and 3: momentum over an average of the Hessian's diagonal, each element clipped. The diagonal is estimated
/// every `interval` steps by Hutchinson's u*(Hu), u random signs that are a function of (seed, step, parameter): those steps
/// need step(closure), and the closure leaves backward() to the optimizer.
template <class S = double> struct SophiaHRule {
  S lr = 1e-4, beta1 = 0.96, beta2 = 0.99, eps = 1e-12, weight_decay = 0.1, gamma = 0.01, clip = 1.0, interval = 10,
    seed = 0;
  bool bias_correction = false;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, gamma, clip, interval, seed, bias_correction)
  static constexpr NamedRange ranges[] = {{"gamma", {.low = 0, .open_low = true}},
                                          {"clip", {.low = 0, .open_low = true}},
                                          {"interval", {.low = 1, .whole = true}},
                                          {"seed", {.low = 0, .whole = true}}};
  static constexpr Curvature curvature = Curvature::hutchinson;
  static constexpr const char* estimate = "u*(H*u), u random signs";

  template <class V> struct State {
    V m, h;
    GRADUS_FIELDS(m, h)
  };
  struct Step {
    S c1 = 1.0;
    GRADUS_FIELDS(c1)
  };
  void advance(Step& k, S t) const {
    if (bias_correction) k.c1 = 1 / (1 - pow(beta1, t));
  }

  template <class V> void take_curvature(const V& c, State<V>& s) const { s.h = beta2 * s.h + (1 - beta2) * c; }
  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    V direction = k.c1 * s.m / max(V(eps), gamma * s.h);
    V step = max(V(-clip), min(V(clip), direction));
    if (on(weight_decay)) w -= lr * weight_decay * w;
    w -= lr * step;
    return GRADUS_SHOW(direction, step);
  }
};

GRADUS_RULE(sophia_h, SophiaHRule, "Liu et al., Sophia: a scalable stochastic second-order optimizer, arXiv 2305.14342",
            2023)
}  // namespace gradus::optim
