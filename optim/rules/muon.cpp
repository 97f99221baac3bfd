#include <gradus/autograd/ops.h>
#include <gradus/optim/rule/matrix_rule.h>

namespace gradus::optim {

GRADUS_CHOICE(LrScale, original, match_rms_adamw)

/// Muon. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; decay and the second scale: Liu et
/// al., "Muon is scalable for LLM training", 2025, equation 4. Options and defaults are those of torch.optim.Muon; where
/// that one iterates in bfloat16, this one keeps the dtype of the weights.
template <class S = double> struct MuonRule {
  S lr = 1e-3, weight_decay = 0.1, momentum = 0.95;
  bool nesterov = true;
  S a = 3.4445, b = -4.775, c = 2.0315, eps = 1e-7, ns_steps = 5;
  LrScale adjust_lr = LrScale::original;
  GRADUS_FIELDS(lr, weight_decay, momentum, nesterov, a, b, c, eps, ns_steps, adjust_lr)
  static constexpr NamedRange ranges[] = {{"ns_steps", {.low = 1, .high = 99, .whole = true}},
                                          {"momentum", {.low = 0, .high = 1}}};

  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}

  /// Brings the singular values of x near 1 by ns_steps Newton-Schulz iterations of an odd polynomial of fifth degree.
  Tensor orthogonalized(Tensor x) const {
    const bool tall = x.dim(0) > x.dim(1);
    if (tall) x = transpose(x, 0, 1);
    x = x / max(norm(x), scalar(eps, x.dtype()));
    for (int i = 0; i < static_cast<int>(ns_steps); ++i) {
      const Tensor gram = matmul(x, transpose(x, 0, 1));
      x = a * x + matmul(b * gram + c * matmul(gram, gram), x);
    }
    return tall ? transpose(x, 0, 1) : x;
  }

  void update(const Tensor& g, Tensor& w, State<Tensor>& s, const Step&) const {
    s.m = momentum * s.m + (1 - momentum) * g;
    const Tensor direction = orthogonalized(nesterov ? momentum * s.m + (1 - momentum) * g : s.m);
    const double rows = static_cast<double>(w.dim(0)), columns = static_cast<double>(w.dim(1));
    const double scale = adjust_lr == LrScale::original ? sqrt(max(1.0, rows / columns)) : 0.2 * sqrt(max(rows, columns));
    w = (1 - lr * weight_decay) * w - (lr * scale) * direction;
  }

  std::string throw_shape(const Shape& shape) const {
    return shape.rank() == 2 ? "" : "muon moves matrices; give other parameters a group with another rule";
  }
  static constexpr const char* meaning =
      "for every matrix\n"
      "  m <- momentum*m + (1 - momentum)*g\n"
      "  x = momentum*m + (1 - momentum)*g (nesterov), else m; divided by max(|x|, eps)\n"
      "  ns_steps times: x <- a*x + (b*x*x' + c*(x*x')*(x*x'))*x\n"
      "  w <- (1 - lr*weight_decay)*w - lr*scale*x, scale = sqrt(max(1, rows/columns)) or 0.2*sqrt(max(rows, columns))\n";
};

GRADUS_MATRIX_RULE(muon, MuonRule, "Jordan et al., Muon: an optimizer for hidden layers; Liu et al., arXiv 2502.16982", 2024)
}  // namespace gradus::optim
