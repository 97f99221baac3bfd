#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// FTRL-proximal. McMahan et al., "Ad click prediction: a view from the trenches", 2013, algorithm 1, with the options of
/// Keras: l2 counts twice (the paper's lambda2 is 2*l2), l2_shrinkage is a penalty in the loss, lr_power replaces the root.
/// An element whose |z| is at most l1 is exactly 0.
template <class S = double> struct FtrlRule {
  S lr = 1e-3, lr_power = -0.5, initial_accumulator_value = 0.1, l1 = 0.0, l2 = 0.0, l2_shrinkage = 0.0, beta = 0.0;
  GRADUS_FIELDS(lr, lr_power, initial_accumulator_value, l1, l2, l2_shrinkage, beta)
  static constexpr NamedRange ranges[] = {
      {"lr", {.low = 0, .open_low = true}}, {"lr_power", {.high = 0}}, {"l1", {.low = 0}}, {"l2", {.low = 0}},
      {"l2_shrinkage", {.low = 0}},         {"beta", {.low = 0}}};

  template <class V> struct State {
    V n, z;  // sum of squares; sum of gradients minus what the steps so far account for
    GRADUS_FIELDS(n, z)
  };
  auto initial() const { return std::tuple(initial_accumulator_value, 0.0); }
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> V root(V n) const { return on(lr_power + 0.5) ? pow(n, V(-lr_power)) : sqrt(n); }

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    V before = root(s.n);
    s.n += g * g;
    V sigma = (root(s.n) - before) / lr;
    if (on(l2_shrinkage)) g += 2 * l2_shrinkage * w;
    s.z += g - sigma * w;
    V bounded = min(V(l1), max(V(-l1), s.z));
    w = (bounded - s.z) / ((beta + root(s.n)) / lr + 2 * l2);
    return GRADUS_SHOW(sigma, bounded);
  }
};

GRADUS_RULE(ftrl, FtrlRule, "McMahan et al., Ad click prediction: a view from the trenches, KDD", 2013)
}  // namespace gradus::optim
