#include <gradus/autograd/ops.h>
#include <gradus/optim/rule/closure_rule.h>

namespace gradus::optim {
namespace {

struct LookaheadOptions {
  double k = 5, alpha = 0.5;
  GRADUS_FIELDS(k, alpha)
  static constexpr NamedRange ranges[] = {{"k", {.low = 1, .whole = true}}, {"alpha", {.low = 0, .high = 1}}};
};

/// Lookahead. Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", 2019, algorithm 1: every k steps of the
/// wrapped rule the slow weights move by the fraction alpha towards the fast ones, which restart from there.
class Lookahead final : public Wrapper<RuleWith<AfterRule, LookaheadOptions>> {
 public:
  using Wrapper::Wrapper;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<Lookahead>(*this); }
  void set_inner(std::unique_ptr<AnyRule> rule) override {
    if (rule->inner() || rule->evaluates_loss() || rule->two_points())
      throw OptimError(name(), "wraps a rule that moves by gradients from one point, got " + rule->name());
    inner_ = std::move(rule);
  }

  const char* kept_name() const override { return "slow"; }
  void after(Array& w, Array& slow, std::int64_t t) const override {
    if (t % static_cast<std::int64_t>(options_.k) != 0) return;
    visit_real(w.dtype(), [&]<class T>() {
      T *fast = w.write<T>(writer()), *kept = slow.write<T>(writer());
      const T part = static_cast<T>(options_.alpha);
      for (std::int64_t i = 0; i < w.size(); ++i) fast[i] = kept[i] = kept[i] + part * (fast[i] - kept[i]);
    });
  }

  std::string equations() const override {
    return inner_->equations() + "every k steps\n  slow <- slow + alpha*(w - slow)\n  w <- slow\n";
  }
};

}  // namespace

GRADUS_RULE_CLASS(lookahead, Lookahead, "Zhang et al., Lookahead optimizer: k steps forward, 1 step back, arXiv 1907.08610",
                  2019)
}  // namespace gradus::optim
