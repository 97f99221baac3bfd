#include <gradus/optim/rule/global_rule.h>

namespace gradus::optim {

/// Adam with D-Adaptation. Defazio and Mishchenko, "Learning-rate-free learning by D-adaptation", 2023, algorithm 4, as in
/// the authors' package: d, one for all parameters, bounds the distance from the start to the solution from below.
/// growth_rate = 0 stands for no bound. The estimate follows the first group's options; lr in a group is that group's own.
template <class S = double> struct DAdaptAdamRule {
  S lr = 1.0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool decouple = false, use_bias_correction = false;
  S d0 = 1e-6, growth_rate = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, decouple, use_bias_correction, d0, growth_rate)
  static constexpr NamedRange ranges[] = {{"d0", {.low = 0, .open_low = true}}};
  std::string conflict() const { return growth_rate == 0 || growth_rate >= 1 ? "" : "growth_rate is 0 or at least 1"; }

  template <class V> struct State {
    V m, v, s;
    GRADUS_FIELDS(m, v, s)
  };
  struct Step {
    S d = 0.0, numerator = 0.0, used = 0.0, correction = 1.0;
    GRADUS_FIELDS(d, numerator, used, correction)
  };
  void advance(Step& k, S t) const {
    k.d = select(k.d > 0, k.d, d0);
    if (use_bias_correction) k.correction = sqrt(1 - pow(beta2, t)) / (1 - pow(beta1, t));
    k.used = k.d * k.correction;
  }

  template <class V> struct Sums {
    V along, s;
    GRADUS_FIELDS(along, s)
  };
  template <class V> void measure(V g, const V& w, State<V>& s, const Step& k, Sums<V>& terms) const {
    if (!decouple && on(weight_decay)) g += weight_decay * w;
    terms.along = (k.used * lr) * (g * (s.s / (sqrt(s.v) + eps)));
    s.m = beta1 * s.m + (k.used * lr * (1 - beta1)) * g;
    s.v = beta2 * s.v + (1 - beta2) * (g * g);
    s.s = sqrt(beta2) * s.s + (k.used * lr * (1 - sqrt(beta2))) * g;
    terms.s = abs(s.s);
  }
  void conclude(Step& k, const Sums<S>& sums) const {
    k.numerator = sqrt(beta2) * k.numerator + (1 - sqrt(beta2)) * sums.along;
    S d_hat = select(sums.s > 0, k.numerator / ((1 - sqrt(beta2)) * sums.s), k.d);
    if (on(growth_rate)) d_hat = min(d_hat, k.d * growth_rate);
    k.d = max(k.d, d_hat);
  }
  template <class V> auto update(V, V& w, State<V>& s, const Step& k) const {
    V step = s.m / (sqrt(s.v) + eps);
    if (decouple && on(weight_decay)) step += (k.used * lr * weight_decay) * w;
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_GLOBAL_RULE(dadapt_adam, DAdaptAdamRule,
                   "Defazio and Mishchenko, Learning-rate-free learning by D-adaptation, arXiv 2301.07733", 2023)
}  // namespace gradus::optim
