#include <gradus/optim/rule/global_rule.h>

namespace gradus::optim {

/// Prodigy. Mishchenko and Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", 2023, algorithm 4, as in
/// the authors' package: Adam with d*g in place of g, where d, one for all parameters, estimates the distance from the start
/// to the solution and only grows. beta3 = 0 stands for sqrt(beta2), growth_rate = 0 for no bound. The estimate and its
/// growth follow the first group's options; lr in a group is that group's own.
template <class S = double> struct ProdigyRule {
  S lr = 1.0, beta1 = 0.9, beta2 = 0.999, beta3 = 0.0, eps = 1e-8, weight_decay = 0.0;
  bool decouple = true, use_bias_correction = false, safeguard_warmup = false;
  S d0 = 1e-6, d_coef = 1.0, growth_rate = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, beta3, eps, weight_decay, decouple, use_bias_correction, safeguard_warmup, d0, d_coef,
                growth_rate)
  static constexpr NamedRange ranges[] = {{"beta3", {.low = 0, .high = 1, .open_high = true}},
                                          {"d0", {.low = 0, .open_low = true}},
                                          {"d_coef", {.low = 0, .open_low = true}}};
  std::string conflict() const { return growth_rate == 0 || growth_rate >= 1 ? "" : "growth_rate is 0 or at least 1"; }

  template <class V> struct State {
    V m, v, s, w0;
    GRADUS_FIELDS(m, v, s, w0)
  };
  auto initial() const { return std::tuple(0.0, 0.0, 0.0, as_w); }
  struct Step {
    S d = 0.0, d_max = 0.0, numerator = 0.0, used = 0.0, correction = 1.0, b3 = 0.0;
    GRADUS_FIELDS(d, d_max, numerator, used, correction, b3)
  };
  void advance(Step& k, S t) const {
    k.d = select(k.d > 0, k.d, d0);
    k.d_max = max(k.d_max, d0);
    k.b3 = on(beta3) ? beta3 : sqrt(beta2);
    if (use_bias_correction) k.correction = sqrt(1 - pow(beta2, t)) / (1 - pow(beta1, t));
    k.used = k.d;  // the d of this step; the new d enters its eps alone
  }

  template <class V> struct Sums {
    V along, s;
    GRADUS_FIELDS(along, s)
  };
  template <class V> void measure(V g, const V& w, State<V>& s, const Step& k, Sums<V>& terms) const {
    if (!decouple && on(weight_decay)) g += weight_decay * w;
    terms.along = (k.d / d0 * (k.d * lr * k.correction)) * (g * (s.w0 - w));
    s.m = beta1 * s.m + (k.d * (1 - beta1)) * g;
    s.v = beta2 * s.v + (k.d * k.d * (1 - beta2)) * (g * g);
    s.s = k.b3 * s.s + (k.d / d0 * (safeguard_warmup ? k.d : k.d * lr * k.correction)) * g;
    terms.s = abs(s.s);
  }
  void conclude(Step& k, const Sums<S>& sums) const {
    k.numerator = k.b3 * k.numerator + sums.along;
    S d_hat = select(sums.s > 0, d_coef * k.numerator / sums.s, k.d);
    S grown = select(k.d == d0, max(k.d, d_hat), k.d);
    k.d_max = max(k.d_max, d_hat);
    k.d = on(growth_rate) ? min(k.d_max, grown * growth_rate) : k.d_max;
  }
  template <class V> auto update(V, V& w, State<V>& s, const Step& k) const {
    V step = (k.used * lr * k.correction) * (s.m / (sqrt(s.v) + k.d * eps));
    if (decouple && on(weight_decay)) step += (k.used * lr * k.correction * weight_decay) * w;
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_GLOBAL_RULE(prodigy, ProdigyRule, "Mishchenko and Defazio, Prodigy, arXiv 2306.06101", 2023)
}  // namespace gradus::optim
