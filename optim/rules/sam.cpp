#include <gradus/optim/rule/sharpness.h>

namespace gradus::optim {
namespace {

struct SamOptions {
  double rho = 0.05;
  GRADUS_FIELDS(rho)
  static constexpr NamedRange ranges[] = {{"rho", {.low = 0}}};
};

/// SAM. Foret et al., "Sharpness-aware minimization for efficiently improving generalization", 2020, algorithm 1, p = 2: the
/// wrapped rule steps from w with the gradient found at w + rho g / |g|, |g| over all parameters.
class Sam final : public Wrapper<ClosureRuleWith<SamOptions>> {
 public:
  using Wrapper::Wrapper;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<Sam>(*this); }
  void set_inner(std::unique_ptr<AnyRule> rule) override { inner_ = moves_by_gradients(*this, std::move(rule)); }

  double step(Objective& f) override {
    return step_by_uphill_gradient(f, options_.rho, [](double) { return 1.0; });
  }

  std::string equations() const override {
    return "g = gradient at w + rho*g0 / |g0|, g0 the gradient at w\n" + inner_->equations();
  }
};

}  // namespace

GRADUS_RULE_CLASS(sam, Sam, "Foret et al., Sharpness-aware minimization, arXiv 2010.01412", 2020)
}  // namespace gradus::optim
