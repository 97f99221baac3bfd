#include <gradus/optim/rule/global_rule.h>

namespace gradus::optim {

/// Polyak's step. Polyak, "Introduction to optimization", 1987, section 5.3: the length (loss - f_min) / |g|^2 along -g, |g|
/// over all parameters; at most max_lr, as in Loizou et al., "Stochastic Polyak step-size for SGD", 2020, equation 3 with c
/// = 1 / lr. With positive=true a loss below f_min moves nothing. Needs step(closure).
template <class S = double> struct PolyakRule {
  S lr = 1.0, f_min = 0.0, max_lr = 1.0, eps = 0.0;
  bool positive = false;
  GRADUS_FIELDS(lr, f_min, max_lr, eps, positive)
  static constexpr NamedRange ranges[] = {{"max_lr", {.low = 0}}};

  template <class V> struct State : NoFields {};
  struct Step {
    S rate = 0.0;
    GRADUS_FIELDS(rate)
  };
  void advance(Step&, S) const {}

  template <class V> struct Sums {
    V g;
    GRADUS_FIELDS(g)
  };
  template <class V> void measure(V g, const V&, State<V>&, const Step&, Sums<V>& terms) const { terms.g = g * g; }
  void conclude(Step& k, const Sums<S>& sums, S loss) const {
    S gap = loss - f_min;
    if (positive) gap = max(gap, S(0.0));
    k.rate = lr * select(sums.g + eps > 0x1p-52, min(gap / (sums.g + eps), max_lr), S(0.0));
  }
  template <class V> auto update(V g, V& w, State<V>&, const Step& k) const {
    V step = k.rate * g;
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_GLOBAL_RULE(polyak, PolyakRule, "Polyak, Introduction to optimization; Loizou et al., arXiv 2002.10542", 1987)
}  // namespace gradus::optim
