#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Rprop, for gradients of the full batch. Riedmiller and Braun, "A direct adaptive method for faster backpropagation
/// learning", 1993, in the form iRprop- of Igel and Huesken, 2000, as in PyTorch: where the sign of the gradient changes the
/// step is skipped and forgotten. lr is the first length of a step.
template <class S = double> struct RpropRule {
  S lr = 1e-2, etaminus = 0.5, etaplus = 1.2, step_size_min = 1e-6, step_size_max = 50.0;
  GRADUS_FIELDS(lr, etaminus, etaplus, step_size_min, step_size_max)
  static constexpr NamedRange ranges[] = {{"etaminus", {.low = 0, .high = 1, .open_low = true, .open_high = true}},
                                          {"etaplus", {.low = 1, .open_low = true}},
                                          {"step_size_min", {.low = 0}},
                                          {"step_size_max", {.low = 0}}};

  template <class V> struct State {
    V before, length;  // the previous gradient, and the length of the next step
    GRADUS_FIELDS(before, length)
  };
  auto initial() const { return std::tuple(0.0, lr); }
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    V agree = g * s.before;
    V factor = select(agree > V(0), V(etaplus), select(agree < V(0), V(etaminus), V(1)));
    s.length = min(V(step_size_max), max(V(step_size_min), factor * s.length));
    s.before = select(agree < V(0), V(0), g);
    w -= sign(s.before) * s.length;
    return GRADUS_SHOW(agree, factor);
  }
};

GRADUS_RULE(rprop, RpropRule, "Riedmiller and Braun, A direct adaptive method for faster backpropagation learning", 1993)
}  // namespace gradus::optim
