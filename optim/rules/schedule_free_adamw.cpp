#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Schedule-Free AdamW. Defazio et al., "The road less scheduled", 2024, algorithm 1, as in the authors' package: the
/// decay is that of y. The parameters hold y, and x, the average, after Optimizer::eval().
template <class S = double> struct ScheduleFreeAdamWRule {
  S lr = 2.5e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0, warmup_steps = 0.0, r = 0.0,
    weight_lr_power = 2.0;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, warmup_steps, r, weight_lr_power)
  static constexpr NamedRange ranges[] = {{"beta1", {.low = 0, .high = 1, .open_low = true, .open_high = true}},
                                          {"warmup_steps", {.low = 0, .whole = true}}};

  template <class V> struct State {
    V z, v;
    GRADUS_FIELDS(z, v)
  };
  auto initial() const { return std::tuple(as_w, 0.0); }
  struct Step {
    S rate = 0.0, largest = 0.0, weights = 0.0, c = 1.0, c2 = 1.0;
    GRADUS_FIELDS(rate, largest, weights, c, c2)
  };
  void advance(Step& k, S t) const {
    k.c2 = 1 / (1 - pow(beta2, t));
    k.rate = lr;
    if (on(warmup_steps)) k.rate = lr * min(t / warmup_steps, S(1.0));
    k.largest = max(k.largest, k.rate);
    S weight = pow(t, r) * pow(k.largest, weight_lr_power);
    k.weights = k.weights + weight;
    k.c = select(k.weights > 0, weight / k.weights, S(0.0));
  }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V direction = g / (sqrt(k.c2 * s.v) + eps);
    if (on(weight_decay)) direction += weight_decay * w;
    w += k.c * (s.z - w) - k.rate * (1 - beta1 * (1 - k.c)) * direction;
    s.z -= k.rate * direction;
    return GRADUS_SHOW(direction);
  }
  template <class V> V evaluation_point(const V& w, const State<V>& s) const { return w + (1 - 1 / beta1) * (s.z - w); }
};

GRADUS_RULE(schedule_free_adamw, ScheduleFreeAdamWRule, "Defazio et al., The road less scheduled, arXiv 2405.15682", 2024)
}  // namespace gradus::optim
