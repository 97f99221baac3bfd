#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/linalg.h>
#include <gradus/optim/rule/matrix_rule.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace gradus::optim {

/// SOAP. Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam", 2024, algorithm 3, as in the authors' code: Adam
/// in the slowly turning basis of Shampoo's eigenvectors. The FIRST step only finds that basis and moves nothing. Every
/// precondition_frequency steps the basis is turned by one power iteration and a QR decomposition. A parameter of more than
/// two axes is seen as the matrix [first axis, the rest]; sides longer than max_preconditioner_dim, and vectors unless
/// precondition_1d, keep their own basis. shampoo_beta = 0 stands for beta2.
template <class S = double> struct SoapRule {
  S lr = 3e-3, beta1 = 0.95, beta2 = 0.95, shampoo_beta = 0.0, eps = 1e-8, weight_decay = 0.01, precondition_frequency = 10,
    max_preconditioner_dim = 10000;
  bool precondition_1d = false, normalize_gradient = false, correct_bias = true;
  GRADUS_FIELDS(lr, beta1, beta2, shampoo_beta, eps, weight_decay, precondition_frequency, max_preconditioner_dim,
                precondition_1d, normalize_gradient, correct_bias)
  static constexpr Range count{.low = 1, .whole = true};
  static constexpr NamedRange ranges[] = {{"shampoo_beta", {.low = 0, .high = 1, .open_high = true}},
                                          {"precondition_frequency", count},
                                          {"max_preconditioner_dim", count}};

  template <class V> struct State {
    V m, v, left, right, left_basis, right_basis;
    GRADUS_FIELDS(m, v, left, right, left_basis, right_basis)
  };
  static Shape as_matrix(const Shape& w) {
    if (w.rank() < 2) return {w.size(), 1};
    return {w[0], w[0] == 0 ? 0 : w.size() / w[0]};
  }
  void fit_slots(const Shape& w, std::vector<Slot>& slots) const {
    const Shape sides = as_matrix(w);
    for (int side = 0; side < 2; ++side)
      for (const std::size_t i : {std::size_t(side + 2), std::size_t(side + 4)}) {
        const bool wanted = w.rank() > 1 || (w.rank() == 1 && side == 0 && precondition_1d);
        slots[i].kept = wanted && static_cast<double>(sides[side]) <= max_preconditioner_dim;
        slots[i].shape = slots[i].kept ? Shape{sides[side], sides[side]} : Shape{};
      }
  }
  struct Step {
    S t = 0.0, c = 1.0;
    GRADUS_FIELDS(t, c)
  };
  void advance(Step& k, S t) const {
    k.t = t;
    S moved = max(t - 1, S(1.0));  // steps that move
    if (correct_bias) k.c = sqrt(1 - pow(beta2, moved)) / (1 - pow(beta1, moved));
  }

  static Tensor columns(const Tensor& a, const std::vector<int64_t>& order) {
    return transpose(embedding(transpose(a, 0, 1), tensor<int64_t>({static_cast<int64_t>(order.size())}, order)), 0, 1);
  }
  static Tensor rows(const Tensor& a, const std::vector<int64_t>& order) {
    return embedding(a, tensor<int64_t>({static_cast<int64_t>(order.size())}, order));
  }
  /// The eigenvectors, largest eigenvalue first.
  static Tensor basis_of(const Tensor& moments) {
    if (!all_finite(moments.array())) return moments * std::numeric_limits<double>::quiet_NaN();  // no eigenvectors exist
    std::vector<int64_t> order(static_cast<std::size_t>(moments.dim(0)));
    std::iota(order.rbegin(), order.rend(), 0);
    return columns(Tensor(eigh(moments.array()).vectors), order);
  }
  /// Turns the basis by one power iteration. Returns the new order of the old vectors.
  static std::vector<int64_t> turn(const Tensor& moments, Tensor& basis) {
    const Tensor product = matmul(moments, basis), values = sum(basis * product, {0});
    std::vector<int64_t> order(static_cast<std::size_t>(values.size()));
    std::iota(order.begin(), order.end(), 0);
    if (!all_finite(product.array())) {
      basis = product * std::numeric_limits<double>::quiet_NaN();
      return order;
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return values.array().element(a) > values.array().element(b); });
    basis = Tensor(qr(columns(product, order).array()).q);
    return order;
  }

  void update(const Tensor& given, Tensor& w, State<Tensor>& s, const Step& k) const {
    const Shape sides = as_matrix(w.shape());
    const Tensor g = reshape(given, sides);
    auto into = [&](Tensor x) {  // into the basis
      if (s.left.defined()) x = matmul(transpose(s.left_basis, 0, 1), x);
      return s.right.defined() ? matmul(x, s.right_basis) : x;
    };
    auto back = [&](Tensor x) {
      if (s.left.defined()) x = matmul(s.left_basis, x);
      return s.right.defined() ? matmul(x, transpose(s.right_basis, 0, 1)) : x;
    };
    if (k.t > 1) {
      const Tensor m = reshape(s.m, sides) + (1 - beta1) * (g - reshape(s.m, sides));
      const Tensor v = reshape(s.v, sides) + (1 - beta2) * (square(into(g)) - reshape(s.v, sides));
      Tensor step = back(into(m) / (sqrt(v) + eps));
      if (normalize_gradient) step = step / (sqrt(mean(square(step))) + eps);
      s.m = reshape(m, w.shape());
      s.v = reshape(v, w.shape());
      w = w - (lr * k.c) * reshape(step, w.shape());
      if (on(weight_decay)) w = (1 - lr * weight_decay) * w;
    }
    const double fresh = 1 - (shampoo_beta > 0 ? shampoo_beta : beta2);
    if (s.left.defined()) s.left = s.left + fresh * (matmul(g, transpose(g, 0, 1)) - s.left);
    if (s.right.defined()) s.right = s.right + fresh * (matmul(transpose(g, 0, 1), g) - s.right);
    if (k.t == 1) {
      if (s.left.defined()) s.left_basis = basis_of(s.left);
      if (s.right.defined()) s.right_basis = basis_of(s.right);
    } else if (static_cast<int64_t>(k.t - 1) % static_cast<int64_t>(precondition_frequency) == 0) {
      Tensor v = reshape(s.v, sides);
      if (s.left.defined()) v = rows(v, turn(s.left, s.left_basis));
      if (s.right.defined()) v = columns(v, turn(s.right, s.right_basis));
      s.v = contiguous(reshape(v, w.shape()));
    }
  }

  std::string throw_shape(const Shape&) const { return ""; }
  static constexpr const char* meaning =
      "for every parameter, as a matrix; L, R: bases (a vector has none unless precondition_1d)\n"
      "  at the first step nothing moves; afterwards\n"
      "    m <- beta1*m + (1 - beta1)*g\n"
      "    v <- beta2*v + (1 - beta2)*(L'*g*R)^2\n"
      "    x = L*((L'*m*R) / (sqrt(v) + eps))*R'\n"
      "    w <- (1 - lr*weight_decay)*(w - lr*sqrt(1 - beta2^(t-1))/(1 - beta1^(t-1))*x)\n"
      "  left <- b*left + (1 - b)*g*g', right <- b*right + (1 - b)*g'*g, b = shampoo_beta or beta2\n"
      "  L, R = eigenvectors of left, right at the first step;\n"
      "  every precondition_frequency steps: L = Q of the QR decomposition of left*L, R of right*R, largest first\n";
};

GRADUS_MATRIX_RULE(soap, SoapRule, "Vyas et al., SOAP: improving and stabilizing Shampoo using Adam, arXiv 2409.11321", 2024)
}  // namespace gradus::optim
