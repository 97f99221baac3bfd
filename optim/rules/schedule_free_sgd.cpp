#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Schedule-Free SGD. Defazio et al., "The road less scheduled", 2024, equations 3 to 5, with the warm-up and the weights of
/// the authors' package: z makes plain steps, x is a weighted average of the z, gradients are taken at
/// y = momentum x + (1 - momentum) z. The parameters hold y, and x after Optimizer::eval().
template <class S = double> struct ScheduleFreeSgdRule {
  S lr = 1.0, momentum = 0.9, weight_decay = 0.0, warmup_steps = 0.0, r = 0.0, weight_lr_power = 2.0;
  GRADUS_FIELDS(lr, momentum, weight_decay, warmup_steps, r, weight_lr_power)
  static constexpr NamedRange ranges[] = {{"momentum", {.low = 0, .high = 1, .open_low = true, .open_high = true}},
                                          {"warmup_steps", {.low = 0, .whole = true}}};

  template <class V> struct State {
    V z;
    GRADUS_FIELDS(z)
  };
  auto initial() const { return std::tuple(as_w); }
  struct Step {
    S rate = 0.0, largest = 0.0, weights = 0.0, c = 1.0;
    GRADUS_FIELDS(rate, largest, weights, c)
  };
  void advance(Step& k, S t) const {
    k.rate = lr;
    if (on(warmup_steps)) k.rate = lr * min(t / warmup_steps, S(1.0));
    k.largest = max(k.largest, k.rate);
    S weight = pow(t, r) * pow(k.largest, weight_lr_power);
    k.weights = k.weights + weight;
    k.c = select(k.weights > 0, weight / k.weights, S(0.0));
  }

  template <class V> void update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) g += weight_decay * w;
    w += k.c * (s.z - w) - k.rate * (1 - momentum * (1 - k.c)) * g;
    s.z -= k.rate * g;
  }
  template <class V> V evaluation_point(const V& w, const State<V>& s) const { return w + (1 - 1 / momentum) * (s.z - w); }
};

GRADUS_RULE(schedule_free_sgd, ScheduleFreeSgdRule, "Defazio et al., The road less scheduled, arXiv 2405.15682", 2024)
}  // namespace gradus::optim
