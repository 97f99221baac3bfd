#include <gradus/optim/rule/global_rule.h>

namespace gradus::optim {

/// DoG. Ivgi, Hinder and Carmon, "DoG is SGD's best friend: a parameter-free dynamic step size schedule", 2023, equation 2:
/// the largest distance from the start so far, over the root of the sum of all squared gradient norms. The first distance is
/// reps_rel (1 + |w0|). Distances and norms are over all parameters; the decay is coupled. The authors recommend to
/// average the weights: optim/averaged.h.
template <class S = double> struct DogRule {
  S lr = 1.0, reps_rel = 1e-6, eps = 1e-8, weight_decay = 0.0;
  GRADUS_FIELDS(lr, reps_rel, eps, weight_decay)
  static constexpr NamedRange ranges[] = {{"reps_rel", {.low = 0, .open_low = true}}};

  template <class V> struct State {
    V w0;
    GRADUS_FIELDS(w0)
  };
  auto initial() const { return std::tuple(as_w); }
  struct Step {
    S far = 0.0, squares = 0.0, rate = 0.0;
    GRADUS_FIELDS(far, squares, rate)
  };
  void advance(Step&, S) const {}

  template <class V> struct Sums {
    V moved, start, g;
    GRADUS_FIELDS(moved, start, g)
  };
  template <class V> void measure(V g, const V& w, State<V>& s, const Step&, Sums<V>& terms) const {
    if (on(weight_decay)) g += weight_decay * w;
    terms.moved = (w - s.w0) * (w - s.w0);
    terms.start = s.w0 * s.w0;
    terms.g = g * g;
  }
  void conclude(Step& k, const Sums<S>& sums) const {
    k.far = max(max(k.far, sqrt(sums.moved)), reps_rel * (1 + sqrt(sums.start)));
    k.squares = k.squares + sums.g;
    k.rate = k.far / sqrt(k.squares + eps);
  }
  template <class V> auto update(V g, V& w, State<V>&, const Step& k) const {
    if (on(weight_decay)) g += weight_decay * w;
    V step = (lr * k.rate) * g;
    w -= step;
    return GRADUS_SHOW(step);
  }
};

GRADUS_GLOBAL_RULE(dog, DogRule, "Ivgi, Hinder and Carmon, DoG is SGD's best friend, arXiv 2302.12022", 2023)
}  // namespace gradus::optim
