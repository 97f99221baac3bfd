#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// AdaHessian. Yao et al., "AdaHessian: an adaptive second order optimizer for machine learning", 2020, algorithm 1: Adam
/// with an estimate of the Hessian's diagonal in place of the gradient in the second moment, Hutchinson's u*(Hu) with random
/// signs u that are a function of (seed, step, parameter). For weights of convolutions the estimate is averaged over
/// the kernel (equation 10). Every `interval` steps it needs step(closure), and the closure leaves backward() to the
/// optimizer.
template <class S = double> struct AdaHessianRule {
  S lr = 0.1, beta1 = 0.9, beta2 = 0.999, eps = 1e-4, weight_decay = 0.0, hessian_power = 1.0, interval = 1, seed = 0;
  bool average_kernel = true;
  GRADUS_FIELDS(lr, beta1, beta2, eps, weight_decay, hessian_power, interval, seed, average_kernel)
  static constexpr NamedRange ranges[] = {{"hessian_power", {.low = 0, .high = 1}},
                                          {"interval", {.low = 1, .whole = true}},
                                          {"seed", {.low = 0, .whole = true}}};
  static constexpr Curvature curvature = Curvature::hutchinson;
  static constexpr const char* estimate = "u*(H*u), u random signs; averaged over a kernel [.., .., h, w]";

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step {
    S c1 = 1.0, c2 = 1.0;
    GRADUS_FIELDS(c1, c2)
  };
  void advance(Step& k, S t) const {
    k.c1 = 1 / (1 - pow(beta1, t));
    k.c2 = 1 / (1 - pow(beta2, t));
  }

  template <class V> void take_curvature(V c, State<V>& s) const {
    if constexpr (std::is_same_v<V, Tensor>)
      if (average_kernel && c.rank() == 4) c = expand(mean(abs(c), {2, 3}, true), c.shape());
    s.v = beta2 * s.v + (1 - beta2) * c * c;
  }
  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    V m_hat = k.c1 * s.m;
    V curved = pow(k.c2 * s.v, V(0.5 * hessian_power));
    if (on(weight_decay)) w -= lr * weight_decay * w;
    V step = lr * m_hat / (curved + eps);
    w -= step;
    return GRADUS_SHOW(m_hat, curved, step);
  }
};

GRADUS_RULE(adahessian, AdaHessianRule, "Yao et al., AdaHessian: an adaptive second order optimizer, arXiv 2006.00719", 2020)
}  // namespace gradus::optim
