#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// AdEMAMix. Pagliardini, Ablin and Grangier, "The AdEMAMix optimizer: better, faster, older", 2024, algorithm 1: Adam with
/// a second, slow average of gradients, which is not bias-corrected. weight_decay is decoupled. alpha_warmup steps bring
/// alpha from 0 to its value in a line, beta3_warmup steps bring beta3 from beta1 so that the half-life grows in a line
/// (section 3.1); 0: at once.
template <class S = double> struct AdEMAMixRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, beta3 = 0.9999, alpha = 5.0, eps = 1e-8, weight_decay = 0.0;
  S alpha_warmup = 0.0, beta3_warmup = 0.0;
  GRADUS_FIELDS(lr, beta1, beta2, beta3, alpha, eps, weight_decay, alpha_warmup, beta3_warmup)
  static constexpr NamedRange ranges[] = {{"alpha", {.low = 0}}, {"alpha_warmup", {.low = 0}}, {"beta3_warmup", {.low = 0}}};

  template <class V> struct State {
    V m, slow, v;
    GRADUS_FIELDS(m, slow, v)
  };
  struct Step {
    S c1 = 1.0, c2 = 1.0, mix = 0.0, keep = 0.0;  // alpha and beta3 at this step of a warm-up
    GRADUS_FIELDS(c1, c2, mix, keep)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
    if (on(alpha_warmup)) k.mix = alpha * min(t / alpha_warmup, S(1.0));
    if (on(beta3_warmup)) {
      const S done = min(t / beta3_warmup, S(1.0));
      k.keep = exp(1 / ((1 - done) / log(beta1) + done / log(beta3)));
    }
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    const S mix = on(alpha_warmup) ? k.mix : alpha, keep = on(beta3_warmup) ? k.keep : beta3;
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.slow = keep * s.slow + (1 - keep) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V m_hat = k.c1 * s.m;
    V v_hat = k.c2 * s.v;
    V step = lr * ((m_hat + mix * s.slow) / (sqrt(v_hat) + eps));
    if (on(weight_decay)) step += lr * weight_decay * w;
    w -= step;
    return GRADUS_SHOW(m_hat, v_hat, step);
  }

  std::string conflict() const {
    if (!on(beta3_warmup) || (on(beta1) && on(beta3))) return {};
    return join("beta3_warmup needs beta1 and beta3 above 0, got beta1=", text(beta1), ", beta3=", text(beta3));
  }
};

GRADUS_RULE(ademamix, AdEMAMixRule, "Pagliardini, Ablin and Grangier, The AdEMAMix optimizer, arXiv 2409.03137", 2024)
}  // namespace gradus::optim
