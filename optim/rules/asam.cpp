#include <gradus/optim/rule/sharpness.h>

namespace gradus::optim {
namespace {

struct AsamOptions {
  double rho = 0.5, eta = 0.01;
  GRADUS_FIELDS(rho, eta)
  static constexpr NamedRange ranges[] = {{"rho", {.low = 0}}, {"eta", {.low = 0}}};
};

/// ASAM. Kwon et al., "ASAM: adaptive sharpness-aware minimization for scale-invariant learning of deep neural networks",
/// 2021, algorithm 1, p = 2: as SAM, but uphill by rho T T g / |T g| with T = |w| + eta for each element, |.| over all
/// parameters.
class Asam final : public Wrapper<ClosureRuleWith<AsamOptions>> {
 public:
  using Wrapper::Wrapper;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<Asam>(*this); }
  void set_inner(std::unique_ptr<AnyRule> rule) override { inner_ = moves_by_gradients(*this, std::move(rule)); }

  double step(Objective& f) override {
    return step_by_uphill_gradient(f, options_.rho, [this](double w) { return std::fabs(w) + options_.eta; });
  }

  std::string equations() const override {
    return "T = |w| + eta\ng = gradient at w + rho*T*T*g0 / |T*g0|, g0 the gradient at w\n" + inner_->equations();
  }
};

}  // namespace

GRADUS_RULE_CLASS(asam, Asam, "Kwon et al., ASAM: adaptive sharpness-aware minimization, arXiv 2102.11600", 2021)
}  // namespace gradus::optim
