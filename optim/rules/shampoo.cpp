#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/linalg.h>
#include <gradus/optim/rule/matrix_rule.h>

#include <limits>

namespace gradus::optim {

/// Shampoo. Gupta, Koren and Singer, "Shampoo: preconditioned stochastic tensor optimization", 2018, algorithms 1 and 2: a
/// matrix of second moments for the rows and one for the columns, each to the power -1/(2k), k being how many there are:
/// -1/4 for a matrix, -1/2 for a vector (`exponent` replaces it). A parameter of more than two axes is seen as the matrix
/// [first axis, the rest]; a side longer than max_preconditioner_dim is left as it is. Roots are taken anew every `interval`
/// steps.
template <class S = double> struct ShampooRule {
  S lr = 1e-3, momentum = 0.0, weight_decay = 0.0, matrix_eps = 1e-6, exponent = 0.0, interval = 1,
    max_preconditioner_dim = 1024;
  GRADUS_FIELDS(lr, momentum, weight_decay, matrix_eps, exponent, interval, max_preconditioner_dim)
  static constexpr Range count{.low = 1, .whole = true};
  static constexpr NamedRange ranges[] = {{"matrix_eps", {.low = 0, .open_low = true}},
                                          {"exponent", {.low = 0}},
                                          {"interval", count},
                                          {"max_preconditioner_dim", count}};

  template <class V> struct State {
    V left, right, left_root, right_root, m;
    GRADUS_FIELDS(left, right, left_root, right_root, m)
  };
  void fit_slots(const Shape& w, std::vector<Slot>& slots) const {
    const Shape sides = as_matrix(w);
    for (int side = 0; side < 2; ++side)
      for (const std::size_t i : {std::size_t(side), std::size_t(side + 2)}) {
        slots[i].kept = side < sides.rank() && static_cast<double>(sides[side]) <= max_preconditioner_dim;
        slots[i].shape = slots[i].kept ? Shape{sides[side], sides[side]} : Shape{};
      }
    slots[4].kept = momentum != 0;
  }
  static Shape as_matrix(const Shape& w) {
    if (w.rank() == 0) return {1};
    if (w.rank() == 1) return w;
    return {w[0], w[0] == 0 ? 0 : w.size() / w[0]};
  }
  struct Step {
    S t = 0.0;
    GRADUS_FIELDS(t)
  };
  void advance(Step& k, S t) const { k.t = t; }

  Tensor root(const Tensor& moments, double power) const {
    if (!all_finite(moments.array())) return moments * std::numeric_limits<double>::quiet_NaN();  // no eigenvalues exist
    const Eigen e = eigh(moments.array());
    const Tensor values = pow(max(Tensor(e.values), scalar(matrix_eps, moments.dtype())), -power), vectors(e.vectors);
    return matmul(vectors * values, transpose(vectors, 0, 1));
  }
  Tensor with_start(const Tensor& moments, const Step& k) const {
    if (k.t > 1) return moments;
    Array start = Array::zeros(moments.shape(), moments.dtype());
    for (int64_t i = 0; i < start.dim(0); ++i)
      start.select(0, i).slice(0, i, i + 1).assign(Array::full({}, matrix_eps, start.dtype()), "shampoo");
    return moments + Tensor(start);
  }

  void update(const Tensor& given, Tensor& w, State<Tensor>& s, const Step& k) const {
    const Tensor g = on(weight_decay) ? given + weight_decay * w : given;
    const bool has_left = s.left.defined(), has_right = s.right.defined();
    const Shape sides = as_matrix(w.shape());
    const Tensor flat = reshape(g, sides.rank() == 1 ? Shape{sides[0], 1} : sides);
    if (has_left) s.left = with_start(s.left, k) + matmul(flat, transpose(flat, 0, 1));
    if (has_right) s.right = with_start(s.right, k) + matmul(transpose(flat, 0, 1), flat);
    const double power = exponent > 0 ? exponent : 1.0 / (2 * max(1, has_left + has_right));
    if (static_cast<int64_t>(k.t - 1) % static_cast<int64_t>(interval) == 0) {
      if (has_left) s.left_root = root(s.left, power);
      if (has_right) s.right_root = root(s.right, power);
    }
    Tensor step = flat;
    if (has_left) step = matmul(s.left_root, step);
    if (has_right) step = matmul(step, s.right_root);
    step = reshape(step, w.shape());
    if (momentum != 0) s.m = step = momentum * s.m + step;
    w = w - lr * step;
  }

  std::string throw_shape(const Shape&) const { return ""; }
  static constexpr const char* meaning =
      "for every parameter, as a matrix (a vector has no right side)\n"
      "  g <- g + weight_decay*w\n"
      "  left <- left + g*g', right <- right + g'*g, both begun with matrix_eps*I\n"
      "  x = left^-p * g * right^-p, p = 1/(2*number of sides) or exponent; roots every interval steps\n"
      "  m <- momentum*m + x\n"
      "  w <- w - lr*m\n";
};

GRADUS_MATRIX_RULE(shampoo, ShampooRule, "Gupta, Koren and Singer, Shampoo, arXiv 1802.09568", 2018)
}  // namespace gradus::optim
