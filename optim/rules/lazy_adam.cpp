#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Lazy Adam: Adam (Kingma and Ba, 2014) that moves only the rows to which some op accumulated a gradient, as an embedding
/// does for the rows its indices name; moments of other rows wait. The options and the place of eps are those of
/// torch.optim.SparseAdam. Touched rows: autograd/touched_rows.h. Parameters of one axis move as a whole.
template <class S = double> struct LazyAdamRule {
  S lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  GRADUS_FIELDS(lr, beta1, beta2, eps)
  static constexpr bool touched_rows_only = true;

  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step {
    S rate = 1.0;
    GRADUS_FIELDS(rate)
  };
  void advance(Step& k, S t) const { k.rate = lr * sqrt(1 - pow(beta2, t)) / (1 - pow(beta1, t)); }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.v = beta2 * s.v + (1 - beta2) * g * g;
    V step = k.rate * s.m / (sqrt(s.v) + eps);
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_RULE(lazy_adam, LazyAdamRule, "Kingma and Ba, Adam, arXiv 1412.6980; the rows an embedding read", 2014)
}  // namespace gradus::optim
