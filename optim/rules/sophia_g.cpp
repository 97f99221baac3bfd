#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Sophia-G. Liu et al., "Sophia: a scalable stochastic second-order optimizer for language model pre-training", 2023,
/// algorithms 2 and 3: as sophia_h, with the Gauss-Newton-Bartlett estimate batch_size*g*g of the Hessian's diagonal, where
/// g is the gradient of the mean loss of labels sampled from the model's own output. Every `interval` steps it needs
///   opt.step([&] { return loss; }, [&] { return loss_of_sampled_labels; })
template <class S = double> struct SophiaGRule {
  S lr = 1e-4, beta1 = 0.965, beta2 = 0.99, eps = 1e-15, weight_decay = 0.1, gamma = 0.04, clip = 1.0, interval = 10,
    batch_size = 1;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, gamma, clip, interval, batch_size)
  static constexpr NamedRange ranges[] = {{"gamma", {.low = 0, .open_low = true}},
                                          {"clip", {.low = 0, .open_low = true}},
                                          {"interval", {.low = 1, .whole = true}},
                                          {"batch_size", {.low = 1, .whole = true}}};
  static constexpr Curvature curvature = Curvature::sampled;
  static constexpr const char* estimate = "batch_size*g*g, g of sampled labels";

  template <class V> struct State {
    V m, h;
    GRADUS_FIELDS(m, h)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> void take_curvature(const V& c, State<V>& s) const { s.h = beta2 * s.h + (1 - beta2) * batch_size * c; }
  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    V direction = s.m / max(V(eps), gamma * s.h);
    V step = max(V(-clip), min(V(clip), direction));
    if (on(weight_decay)) w -= lr * weight_decay * w;
    w -= lr * step;
    return GRADUS_SHOW(direction, step);
  }
};

GRADUS_RULE(sophia_g, SophiaGRule, "Liu et al., Sophia: a scalable stochastic second-order optimizer, arXiv 2305.14342",
            2023)
}  // namespace gradus::optim
