#include <gradus/autograd/ops.h>
#include <gradus/optim/rule/matrix_rule.h>

namespace gradus::optim {

GRADUS_CHOICE(AdafactorForm, pytorch, paper, optax, keras)

/// Adafactor. Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018, algorithms 4 and 5:
/// the second moment of a parameter with two axes or more is kept as one number per row and one per column. The dialects
/// differ in where eps1 goes, what lr means and what is decayed:
///   pytorch  eps1 bounds the moments from below (0: the dtype's epsilon); the step is max(eps2, rms(w)) min(lr, 1/sqrt(t)),
///            the decay lr weight_decay
///   paper    eps1 is added to g*g (0: 1e-30); the rest as pytorch
///   optax    as the paper, but the step is lr max(eps2, rms(w)); the two longest axes are factored, and only if the
///            shorter has min_dim elements; the step may have a momentum; the decay is weight_decay alone
///   keras    as the paper, but 1/sqrt(t) bounds lr only if relative_step
template <class S = double> struct AdafactorRule {
  S lr = 1e-2, beta2_decay = -0.8, eps1 = 0.0, eps2 = 1e-3, d = 1.0, weight_decay = 0.0;
  bool relative_step = true;
  S min_dim = 128, momentum = 0.0;
  AdafactorForm dialect = AdafactorForm::pytorch;
  GRADUS_FIELDS(lr, beta2_decay, eps1, eps2, d, weight_decay, relative_step, min_dim, momentum, dialect)
  static constexpr NamedRange ranges[] = {{"beta2_decay", {.high = 0}},
                                          {"eps1", {.low = 0}},
                                          {"eps2", {.low = 0}},
                                          {"d", {.low = 0, .open_low = true}},
                                          {"min_dim", {.low = 1, .whole = true}}};
  std::string conflict() const {
    return momentum != 0 && dialect != AdafactorForm::optax ? "momentum is part of dialect=optax" : "";
  }

  /// The means of g*g along one axis each, or g*g's average for every element.
  template <class V> struct State {
    V row, column, v, m;
    GRADUS_FIELDS(row, column, v, m)
  };
  struct Axes {
    int row, column;  ///< the axis along which `row` is a mean, and that of `column`
    bool factored;
  };
  Axes axes(const Shape& w) const {
    const int n = w.rank();
    if (n < 2) return {0, 0, false};
    if (dialect != AdafactorForm::optax) return {n - 1, n - 2, true};
    int longest = 0, next = -1;  // of equal lengths the last one
    for (int i = 1; i < n; ++i)
      if (w[i] >= w[longest]) next = longest, longest = i;
      else if (next < 0 || w[i] >= w[next]) next = i;
    return {longest, next, static_cast<double>(w[next]) >= min_dim};
  }
  void fit_slots(const Shape& w, std::vector<Slot>& slots) const {
    const Axes at = axes(w);
    slots[0].kept = slots[1].kept = at.factored;
    slots[2].kept = !at.factored;
    slots[3].kept = momentum != 0;
    if (!at.factored) return;
    slots[0].shape[at.row] = 1;
    slots[1].shape[at.column] = 1;
  }

  struct Step {
    S fresh = 1.0, bound = 1.0;  ///< 1 - beta2 of this step, and 1/sqrt(t)
    GRADUS_FIELDS(fresh, bound)
  };
  void advance(Step& k, S t) const {
    k.fresh = pow(t, beta2_decay);
    k.bound = 1 / sqrt(t);
  }

  static double rms(const Tensor& x) { return norm(x).item() / sqrt(static_cast<double>(x.size())); }
  static Tensor mixed(const Tensor& old, const Tensor& now, double fresh) { return old + fresh * (now - old); }

  /// The estimate of g*g for the step; `inside` is added to g*g, `floor` bounds the divisor from below.
  Tensor second_moment(const Tensor& g, State<Tensor>& s, const Step& k, double inside, double floor) const {
    const Tensor squares = inside > 0 ? square(g) + inside : square(g);
    const Axes at = axes(g.shape());
    if (!at.factored) return s.v = mixed(s.v, squares, k.fresh);
    s.row = mixed(s.row, mean(squares, {at.row}, true), k.fresh);
    s.column = mixed(s.column, mean(squares, {at.column}, true), k.fresh);
    const Tensor middle = mean(s.row, {at.column}, true);
    const Tensor share = s.row / (floor > 0 ? max(middle, scalar(floor, g.dtype())) : middle);
    return share * s.column;  // row * column may leave the range of f32 where the quotient does not
  }

  void update(const Tensor& g, Tensor& w, State<Tensor>& s, const Step& k) const {
    const bool pytorch = dialect == AdafactorForm::pytorch, optax = dialect == AdafactorForm::optax;
    const double epsilon = g.dtype() == f32 ? 0x1p-23 : 0x1p-52;
    const double small = eps1 > 0 ? eps1 : pytorch ? epsilon : 1e-30;
    const bool bounded = !optax && (dialect != AdafactorForm::keras || relative_step);
    const double rho = bounded ? min(lr, k.bound) : lr, alpha = max(eps2, rms(w)) * rho;

    Tensor moment = second_moment(g, s, k, pytorch ? 0 : small, pytorch ? small : 0);
    if (pytorch) moment = max(moment, scalar(small * small, g.dtype()));
    Tensor step = g / sqrt(moment);
    step = (alpha / max(1.0, rms(step) / d)) * step;
    if (momentum != 0) s.m = step = momentum * s.m + (1 - momentum) * step;
    if (on(weight_decay)) step = step + (optax ? weight_decay : lr * weight_decay) * w;
    w = w - step;
  }

  std::string throw_shape(const Shape&) const { return ""; }
  static constexpr const char* meaning =
      "once per step\n"
      "  fresh = t^beta2_decay\n"
      "  rho = min(lr, 1/sqrt(t))                        (optax, keras without relative_step: lr)\n"
      "for every parameter with two axes or more\n"
      "  row <- row + fresh*(mean of g*g along the last axis - row)\n"
      "  column <- column + fresh*(mean of g*g along the axis before it - column)\n"
      "  v = row*column / max(mean of row, eps1), at least eps1*eps1  (others: eps1 is added to g*g)\n"
      "for every other parameter\n"
      "  v <- v + fresh*(g*g - v)\n"
      "for all\n"
      "  u = g / sqrt(v)\n"
      "  w <- w - lr*weight_decay*w - max(eps2, rms(w))*rho*u / max(1, rms(u)/d)\n";
};

GRADUS_MATRIX_RULE(adafactor, AdafactorRule, "Shazeer and Stern, Adafactor, arXiv 1804.04235", 2018)
}  // namespace gradus::optim
