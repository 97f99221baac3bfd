// What holds for every rule that is registered, a user's own included, with each of its options on and off:
// optim/check/check_rule.h.
#include <gradus/tests/helpers/optim.h>
#include <gradus/tests/helpers/sanitized.h>

#include <gradus/optim/check/check_rule.h>
#include <gradus/optim/rule/global_rule.h>
#include <gradus/optim/rule/matrix_rule.h>

#include <doctest/doctest.h>

using namespace optim_testing;

// ---- a user's own rules, in a namespace of their own ------------------------------------------------------------------

namespace mine {

using gradus::optim::select;

/// Rprop's way of choosing a factor: select, and a copy of the gradient as state.
template <class S = double> struct RpropLikeRule {
  S lr = 0.01, up = 1.2, down = 0.5;
  GRADUS_FIELDS(lr, up, down)
  template <class V> struct State {
    V before, size;
    GRADUS_FIELDS(before, size)
  };
  auto initial() const { return std::tuple(0.0, lr); }
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    V agree = g * s.before;
    s.size = s.size * select(agree > V(0), V(up), select(agree < V(0), V(down), V(1)));
    s.before = g;
    w -= sign(g) * s.size;
    return GRADUS_SHOW(agree);
  }
};

/// Needs the old value after the new one exists, a value used twice, and a running product.
template <class S = double> struct OldValueRule {
  S lr = 0.01, beta = 0.9;
  bool damped = false;
  GRADUS_FIELDS(lr, beta, damped)
  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step {
    S product = 1.0;
    GRADUS_FIELDS(product)
  };
  void advance(Step& k, S t) const { k.product = k.product * (1 - 0.5 * pow(beta, t)); }
  template <class V> void update(V g, V& w, State<V>& s, const Step& k) const {
    V before = s.m;
    s.m = beta * s.m + g;
    if (damped) w -= lr * abs(s.m - before) / (1 + abs(s.m - before));
    w -= k.product * lr * (s.m + beta * before);
  }
};

/// A layer rule: the direction has length lr, whatever the gradient's.
template <class S = double> struct NormedRule {
  S lr = 0.01;
  GRADUS_FIELDS(lr)
  template <class V> struct State : gradus::NoFields {};
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  template <class V> auto direction(V g, const V&, State<V>&, const Step&, V& d) const {
    d = g;
    return GRADUS_SHOW(g);
  }
  S length(S, S d_norm, const Step&) const { return select(d_norm <= 0, S(0.0), lr / d_norm); }
};

/// Takes a NaN for 0, and divides by a norm that may be 0.
template <class S = double> struct DeafRule {
  S lr = 0.01;
  GRADUS_FIELDS(lr)
  template <class V> struct State : gradus::NoFields {};
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  template <class V> auto direction(V g, const V&, State<V>&, const Step&, V& d) const {
    d = select(g > V(0), g, select(g < V(0), g, V(0)));
    return GRADUS_SHOW(d);
  }
  S length(S, S d_norm, const Step&) const { return lr / d_norm; }
};

/// Counts in itself what belongs into the state.
template <class S = double> struct ForgetfulRule {
  S lr = 0.01;
  GRADUS_FIELDS(lr)
  template <class V> struct State : gradus::NoFields {};
  struct Step : gradus::NoFields {};
  inline static int steps = 0;
  void advance(Step&, S) const { ++steps; }
  template <class V> void update(V g, V& w, State<V>&, const Step&) const { w -= lr / (1 + 0.001 * steps) * g; }
};

/// A matrix rule that keeps the gradient it was given, and treats the first row differently.
template <class S = double> struct FirstRowRule {
  S lr = 0.01;
  GRADUS_FIELDS(lr)
  template <class V> struct State {
    V before;
    GRADUS_FIELDS(before)
  };
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  void update(const Tensor& g, Tensor& w, State<Tensor>& s, const Step&) const {
    const Tensor first =
        where(Tensor(Array::arange(w.dim(0))).reshape({w.dim(0), 1}) == Tensor(Array::zeros({1, 1}, i64)), g, 0.5 * g);
    w = w - lr * (first + s.before);
    s.before = g;
  }
  std::string throw_shape(const Shape&) const { return ""; }
  static constexpr const char* meaning = "another step for the first row\n";
};

/// A decay that jumps when it is switched on, and a sum over all parameters that is read as if each were alone.
template <class S = double> struct JumpRule {
  S lr = 0.01, weight_decay = 0.0;
  GRADUS_FIELDS(lr, weight_decay)
  template <class V> struct State : gradus::NoFields {};
  struct Step {
    S length = 0.0;
    GRADUS_FIELDS(length)
  };
  void advance(Step&, S) const {}
  template <class V> struct Sums {
    V g;
    GRADUS_FIELDS(g)
  };
  template <class V> void measure(V g, const V&, State<V>&, const Step&, Sums<V>& terms) const { terms.g = g * g; }
  void conclude(Step& k, const Sums<S>& sums) const { k.length = 1 / sqrt(sums.g); }
  template <class V> void update(V g, V& w, State<V>&, const Step& k) const {
    if (on(weight_decay)) g += w;
    w -= lr * k.length * g;
  }
};

}  // namespace mine

namespace {

/// The built-in rules and ours.
std::vector<optim::RuleEntry> rules() {
  if (!optim::rule_exists("mine_rprop")) {
    optim::register_rule<mine::RpropLikeRule>("mine_rprop", {"", 2026});
    optim::register_rule<mine::OldValueRule>("mine_old_value", {"", 2026});
    optim::register_rule<mine::NormedRule>("mine_normed", {"", 2026});
  }
  return optim::all_rules();
}

const optim::Invariant& invariant(const optim::RuleReport& report, const std::string& part) {
  for (const auto& i : report.invariants)
    if (i.name.find(part) != std::string::npos) return i;
  FAIL("no invariant ", part);
  return report.invariants[0];
}

}  // namespace

TEST_CASE("every rule says where it comes from and what its options are") {
  for (const auto& rule : rules()) {
    CAPTURE(rule.info.name);
    CHECK(rule.info.year > 1900);
    CHECK((rule.info.name.starts_with("mine_") || rule.info.paper.size() > 20));
    CHECK(rule.defaults.back().name == "maximize");
  }
}

TEST_CASE("every rule keeps every invariant") {
  int nth = 0;
  for (const auto& rule : rules()) {
    if (rule.info.name.starts_with("mine_broken_") || nth++ % gradus::testing::sampled_every != 0) continue;
    const auto report = optim::check_rule(rule.info.name);
    CHECK_MESSAGE(report.ok(), to_string(report));
    CHECK(report.specs.size() >= 2);
    CHECK(invariant(report, "threads").checked > 0);
  }
}

TEST_CASE("check_rule finds what is wrong, and says with which spec") {
  if (!optim::rule_exists("mine_broken_forgetful")) {
    optim::register_rule<mine::ForgetfulRule>("mine_broken_forgetful", {"", 2026});
    optim::register_matrix<mine::FirstRowRule>("mine_broken_first_row", {"", 2026});
    optim::register_global<mine::JumpRule>("mine_broken_jump", {"", 2026});
    optim::register_rule<mine::DeafRule>("mine_broken_deaf", {"", 2026});
  }
  const auto forgetful = optim::check_rule("mine_broken_forgetful");
  CHECK_FALSE(forgetful.ok());
  CHECK_FALSE(invariant(forgetful, "uninterrupted").broken.empty());
  CHECK(to_string(forgetful).find("BROKEN  saved and loaded") != std::string::npos);
  CHECK(to_string(forgetful).find("mine_broken_forgetful(lr=0.01): ") != std::string::npos);
  const auto first_row = optim::check_rule("mine_broken_first_row");
  CHECK_FALSE(invariant(first_row, "permuted").broken.empty());
  CHECK(invariant(first_row, "uninterrupted").broken.empty());
  CHECK(invariant(first_row, "one number at a time").checked == 0);
  const auto jump = optim::check_rule("mine_broken_jump");
  CHECK_FALSE(invariant(jump, "vanishing").broken.empty());
  CHECK(invariant(jump, "one group").broken.empty());
  const auto deaf = optim::check_rule("mine_broken_deaf");
  CHECK_FALSE(invariant(deaf, "NaN gradient").broken.empty());
  CHECK_FALSE(invariant(deaf, "of 0 and subnormal").broken.empty());
  CHECK(invariant(deaf, "empty and 0-d").broken.empty());
  CHECK(refuses<OptimError>([] { optim::check_rule("mine_broken_jmp"); }, "did you mean 'mine_broken_jump'?"));
}

TEST_CASE("a closure rule maximizes by changing the sign of the loss") {
  const Tensor a = leaf(numbers({4}, 1)), b = leaf(numbers({4}, 1)), target(numbers({4}, 2));
  auto up = optim::make("lbfgs(maximize=true)", std::vector<Tensor>{a}), down = optim::make("lbfgs", std::vector<Tensor>{b});
  const double f = up.step([&] { return -sum(square(a - target)); });
  CHECK(-f == down.step([&] { return sum(square(b - target)); }));
  CHECK(same_bits(a.array(), b.array()));
  CHECK(error(a.array(), target.array()) < 1e-6);
}

TEST_CASE("a user's rule is known to specs, and a taken name is refused") {
  rules();
  CHECK(refuses<OptimError>([] { optim::register_rule<mine::NormedRule>("adam", {}); }, "there is a rule \"adam\" already"));
  CHECK(refuses<OptimError>([] { optim::register_rule<mine::NormedRule>("Not OK", {}); }, "lower-case"));
  const Tensor w = leaf(Array::zeros({4}, f64));
  auto opt = optim::make("mine_normed(lr=0.5)", std::vector<Tensor>{w});
  w.set_grad(Array::full({4}, 3, f64));
  opt.step();
  CHECK(w.array().element(2) == -0.5 / 6.0 * 3);
  CHECK(opt.rule().shape() == std::string("layer"));
}
