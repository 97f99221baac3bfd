// Defects found in other libraries, numbered as they were found (D1 ... D23): what went wrong there holds here. Those about
// autograd, recurrent layers and single rules are tested where these live.
#include <gradus/tests/helpers/optim.h>

#include <gradus/optim/schedule/schedule.h>

#include <doctest/doctest.h>

using namespace optim_testing;

namespace {

std::vector<std::string> rules_that_move_by_gradients() {
  std::vector<std::string> names;
  for (const auto& rule : optim::all_rules()) {
    if (rule.info.name.starts_with("mine_")) continue;
    const auto opt = optim::make(rule.info.name, leaves({{3, 4}}));
    if (opt.rule().needs_closure()) continue;
    if (rule.shape == "element" || rule.shape == "layer" || rule.shape == "matrix") names.push_back(rule.info.name);
  }
  return names;
}

/// |w after - w before| of one number after one step with gradient g.
double first_step(const std::string& spec, double g) {
  const Tensor w = leaf(Array::full({1}, 0.5, f64));
  auto opt = optim::make(spec, std::vector<Tensor>{w});
  w.set_grad(Array::full({1}, g, f64));
  opt.step();
  return std::fabs(w.item() - 0.5);
}

}  // namespace

TEST_CASE("D1, D10: the step count advances once per step, however many parameters and groups there are") {
  auto many = leaves({{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}});
  auto opt = optim::make("adam(lr=0.1, eps=0)", many);
  opt.group("c", "beta1=0.5").group("f", "lr=0.1").group("h", "beta2=0.5");
  for (int t = 1; t <= 3; ++t) {
    const auto before = values(opt);
    for (auto& p : many) p.second.set_grad(Array::full({1}, 3, f64));  // m_hat / sqrt(v_hat) = 1 at every step
    opt.step();
    for (std::size_t i = 0; i < many.size(); ++i) {
      CHECK(before[i].second.item() - many[i].second.item() == doctest::Approx(0.1).epsilon(1e-12));
      CHECK(opt.steps(many[i].first) == t);
    }
  }
}

TEST_CASE("D2: coupled decay is lr * weight_decay in all that document it, decoupled decay too") {
  // With a gradient of 0 a thousand steps shrink a weight by (1 - lr wd)^1000.
  for (const std::string rule : {"sgd", "adamw", "lion"}) {
    const Tensor w = leaf(Array::full({1}, 1, f64));
    auto opt = optim::make(rule + "(lr=1e-3, weight_decay=0.01)", std::vector<Tensor>{w});
    w.set_grad(Array::zeros({1}, f64));
    for (int t = 0; t < 1000; ++t) opt.step();
    CHECK_MESSAGE(w.item() == doctest::Approx(std::pow(1 - 1e-5, 1000)).epsilon(1e-9), rule);
  }
}

TEST_CASE("D3, D15, D19: the first step of Adam and its kin is lr, for any gradient: the bias is divided out") {
  for (const std::string spec :
       {"adam(lr=0.01, eps=0)", "adam(lr=0.01, eps=0, amsgrad=true)", "adamw(lr=0.01, eps=0, weight_decay=0)"})
    for (const double g : {1e-6, 0.3, 1e4}) CHECK_MESSAGE(first_step(spec, g) == doctest::Approx(0.01).epsilon(1e-12), spec);
  // eps outside the corrected root, as PyTorch has it
  CHECK(first_step("adam(lr=0.01)", 1e-6) == doctest::Approx(0.01 * 1e-6 / (1e-6 + 1e-8)).epsilon(1e-12));
}

TEST_CASE("D4: after a step the gradient is what it was, whatever stands before the rule") {
  for (const std::string rule :
       {"sgd(momentum=0.9, weight_decay=0.1)", "adam(weight_decay=0.1, maximize=true)", "muon", "lamb"}) {
    auto p = leaves({{3, 4}});
    auto opt = optim::make("skip_nonfinite | accumulate(1) | agc(0.01) | clip_norm(0.1) | " + rule, p);
    for (int t = 0; t < 3; ++t) {
      const Array g = gradient_at(0, t, p[0].second), copy = g.copy();
      p[0].second.set_grad(g);
      opt.step();
      CHECK(p[0].second.grad().array().shares_storage(g));
      CHECK(same_bits(g, copy));
    }
  }
}

TEST_CASE("D9: changing options, groups and schedules does not start the momentum anew") {
  auto p = leaves({{1}}), q = leaves({{1}});
  auto changed = optim::make("sgd(lr=constant(0.1), momentum=0.9)", p), plain = optim::make("sgd(lr=0.1, momentum=0.9)", q);
  for (int t = 0; t < 5; ++t) {
    if (t == 1) changed.set("momentum", 0.9);
    if (t == 2) changed.schedule("lr", "exponential(0.1, gamma=1)");
    if (t == 3) changed.group("a", "lr=0.1");
    if (t == 4) changed.stages("clip_norm(1e9)");
    step_with(changed, t), step_with(plain, t);
    CHECK(same_bits(values(changed), values(plain)));
  }
}

TEST_CASE("D11: no state is a gradient's own numbers") {
  for (const auto& rule : rules_that_move_by_gradients()) {
    CAPTURE(rule);
    auto p = leaves({{3, 4}}), q = leaves({{3, 4}});
    auto reused = optim::make(rule, p), fresh = optim::make(rule, q);
    Array g = numbers({3, 4}, 1);
    for (int t = 0; t < 3; ++t) {
      g.assign(gradient_at(0, t, p[0].second), "test");  // one buffer for every step
      p[0].second.set_grad(g);
      q[0].second.set_grad(gradient_at(0, t, q[0].second));
      reused.step(), fresh.step();
    }
    CHECK(same_bits(values(reused), values(fresh)));
  }
}

TEST_CASE("D12: a parameter moves the same alone or among others") {
  for (const auto& rule : rules_that_move_by_gradients()) {
    CAPTURE(rule);
    auto p = leaves({{3, 4}, {5, 2}, {4, 4}}), q = leaves({{3, 4}, {5, 2}, {4, 4}});
    auto together = optim::make(rule, p), alone = optim::make(rule, {q[2]});
    for (int t = 0; t < 3; ++t) {
      step_with(together, t);
      q[2].second.set_grad(gradient_at(2, t, q[2].second));
      alone.step();
    }
    CHECK(same_bits(p[2].second.array(), q[2].second.array()));
  }
}

TEST_CASE("D14: Muon's decay is decoupled, it is not lost in the orthogonalisation") {
  auto p = leaves({{4, 3}}), q = leaves({{4, 3}});
  auto with = optim::make("muon(lr=0.02, weight_decay=0.5)", p), without = optim::make("muon(lr=0.02, weight_decay=0)", q);
  const Array before = p[0].second.array().copy();
  step_with(with, 1), step_with(without, 1);
  const Tensor difference = Tensor(q[0].second.array()) - Tensor(p[0].second.array());
  CHECK(error(difference.array(), (0.01 * Tensor(before)).array()) <= 1e-13);
}

TEST_CASE("D16: LAMB's decay is inside the trust ratio: the step has length lr |w|") {
  auto p = leaves({{4, 3}});
  auto opt = optim::make("lamb(lr=0.1, weight_decay=0.5)", p);
  const Array before = p[0].second.array().copy();
  step_with(opt, 1);
  const Array moved = (Tensor(before) - Tensor(p[0].second.array())).array();
  CHECK(optim::global_norm({moved}) == doctest::Approx(0.1 * optim::global_norm({before})).epsilon(1e-12));
}

TEST_CASE("D17: what a group leaves unset it inherits, typed options included, now and later") {
  auto opt = optim::make("adamw(lr=0.5, beta1=0.8)", leaves({{2}, {2}}));
  opt.group("b", optim::AdamW{.weight_decay = 0});
  CHECK(opt.get("lr", "b") == 0.5);
  CHECK(opt.get("beta1", "b") == 0.8);
  opt.schedule("lr", "linear(0.25, total=4)");
  CHECK(opt.get("lr", "b") == 0.25);
  opt.set("beta1", 0.7);
  CHECK(opt.get("beta1", "b") == 0.7);
}

TEST_CASE("D20, D21: defaults stand in one place, and are PyTorch's") {
  const auto spec = [](const char* rule) { return optim::make(rule, leaves({{2, 2}})).spec(); };
  CHECK(spec("sgd").starts_with("sgd(lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=false"));
  CHECK(spec("adam").starts_with("adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0, amsgrad=false"));
  CHECK(spec("adamw").starts_with("adamw(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01, amsgrad=false"));
  CHECK(spec("rmsprop").starts_with("rmsprop(lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0, momentum=0, centered=false"));
  CHECK(spec("adagrad").starts_with("adagrad(lr=0.01, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10"));
  CHECK(Optimizer(optim::SGD{}, leaves({{2, 2}})).spec() == spec("sgd"));
  CHECK(Optimizer(optim::Adam{}, leaves({{2, 2}})).spec() == spec("adam"));
  CHECK(Optimizer(optim::AdamW{}, leaves({{2, 2}})).spec() == spec("adamw"));
}

TEST_CASE("D22: SGD decays without momentum, and its first step is not dampened") {
  CHECK(first_step("sgd(lr=0.1, weight_decay=0.5)", 1) == doctest::Approx(0.1 * (1 + 0.5 * 0.5)));
  CHECK(first_step("sgd(lr=0.1, momentum=0.9, dampening=0.5)", 1) == doctest::Approx(0.1));
}

TEST_CASE("D23: a schedule resumed at a high step has the values of one that got there") {
  const optim::Schedule restarts("cosine_restarts(0.1, period=10, mult=2)");
  const auto all = restarts.preview(5000);
  for (const int64_t k : {9, 10, 29, 30, 69, 70, 1000, 4999})
    CHECK(optim::Schedule(restarts.spec()).at(k) == all[static_cast<std::size_t>(k)]);
  auto p = leaves({{3}});
  auto opt = optim::make("sgd(lr=cosine_restarts(0.1, period=10, mult=2))", p);
  for (int t = 0; t < 75; ++t) step_with(opt, t);
  auto resumed = optim::make("sgd", leaves({{3}}));
  resumed.load_state_dict(opt.state_dict());
  step_with(opt, 1), step_with(resumed, 1);
  CHECK(resumed.lr() == opt.lr());
  CHECK(resumed.lr() == all[75]);
}
