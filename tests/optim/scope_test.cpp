// What the rules that are not plain element rules bring along: two points, sums over everything, curvature, wrappers, rows.
#include <gradus/tests/helpers/optim.h>

#include <gradus/autograd/backward.h>
#include <gradus/autograd/checkpoint.h>
#include <gradus/optim/averaged.h>
#include <gradus/optim/rule/closure_rule.h>

#include <doctest/doctest.h>

using namespace optim_testing;

// ---- two points -----------------------------------------------------------------------------------------------------

TEST_CASE("schedule-free: eval() and train() change points bit for bit, and a step between them is refused") {
  for (const std::string name : {"schedule_free_sgd(lr=0.1)", "schedule_free_adamw"}) {
    auto opt = optim::make(name, leaves({{3, 4}, {5}}));
    opt.eval();  // the points are one before the first step
    CHECK(refuses<OptimError>([&] { step_with(opt, 1); }, "opt.train()"));
    opt.train();
    for (int t = 1; t <= 3; ++t) step_with(opt, t);
    const auto training = values(opt);
    opt.eval();
    const auto evaluation = values(opt);
    CHECK_FALSE(same_bits(training, evaluation));
    CHECK(refuses<OptimError>([&] { opt.step(); }, "evaluates, not where it trains"));
    CHECK(refuses<OptimError>([&] { opt.step([&] { return sum(opt.parameters()[0].second); }); }, "opt.train()"));
    CHECK(refuses<OptimError>([&] { opt.explain("a", 0); }, "opt.train()"));
    CHECK(same_bits(values(opt), evaluation));
    opt.eval();
    CHECK(same_bits(values(opt), evaluation));

    auto other = optim::make(name, leaves({{3, 4}, {5}}));  // saved while evaluating
    const auto parameters = other.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      Tensor(parameters[i].second).writable().assign(evaluation[i].second, "test");
    other.load_state_dict(opt.state_dict());
    CHECK(other.evaluating());
    other.train(), opt.train();
    CHECK(same_bits(values(opt), training));
    CHECK(same_bits(values(other), training));
    step_with(opt, 4), step_with(other, 4);
    CHECK(same_bits(values(opt), values(other)));
  }
  auto plain = optim::make("adamw", leaves({{3}}));
  plain.eval();
  CHECK_FALSE(plain.evaluating());
  step_with(plain, 1);
  CHECK(plain.steps() == 1);
}

// ---- sums over all parameters -----------------------------------------------------------------------------------------

TEST_CASE("global rules: one estimate for all groups, the same bits however they are cut") {
  for (const std::string name : {"prodigy(d0=0.01)", "dadapt_adam(d0=0.01)", "dog(reps_rel=0.01)"}) {
    auto whole = optim::make(name, leaves({{30, 40}, {5}, {200, 100}})),
         split = optim::make(name, leaves({{30, 40}, {5}, {200, 100}}));
    split.group("b", "weight_decay=0");
    split.group("c", "weight_decay=0.5");
    split.group("c", "weight_decay=0");
    for (int t = 1; t <= 4; ++t) step_with(whole, t), step_with(split, t);
    CHECK(same_bits(values(whole), values(split)));
    auto shared = [](const Optimizer& opt) {
      int n = 0;
      for (const auto& [key, a] : opt.state_dict()) n += key.starts_with("optimizer/step/");
      return n;
    };
    CHECK(shared(split) == 1);
    CHECK(refuses<OptimError>([&] { whole.explain("a", 0); }, "a whole model at once"));
  }
}

TEST_CASE("global rules: another rule's parameters are not in the sums") {
  auto p = leaves({{4, 4}, {4}}), q = leaves({{4, 4}});
  auto both = optim::make("dog(reps_rel=0.1)", p), alone = optim::make("dog(reps_rel=0.1)", q);
  both.group("b", "sgd(lr=0.5)");
  for (int t = 1; t <= 3; ++t) step_with(both, t), step_with(alone, t);
  CHECK(same_bits(p[0].second.array(), q[0].second.array()));
}

TEST_CASE("Prodigy counts a step once, whatever the number of parameters") {  // a published package counts two
  auto opt = optim::make("prodigy(use_bias_correction=true)", leaves({{2}, {3}, {4}}));
  for (int t = 1; t <= 3; ++t) step_with(opt, t);
  for (const auto& [key, a] : opt.state_dict())
    if (key == "optimizer/state") {
      std::string json;
      for (int64_t i = 0; i < a.size(); ++i) json += static_cast<char>(a.element(i));
      CHECK(json.find("\"rule_steps\":{\"prodigy\":3}") != std::string::npos);
    }
}

TEST_CASE("Polyak's step needs the loss, and lands on the minimum of |w|^2 from anywhere") {
  const Tensor w = leaf(numbers({6}, 3));
  auto opt = optim::make("polyak(f_min=0, max_lr=10)", std::vector<Tensor>{w});
  w.set_grad(Array::ones({6}, f64));
  const Array before = w.array().copy();
  CHECK(refuses<OptimError>([&] { opt.step(); }, "polyak: uses the loss at this step and needs a closure"));
  CHECK(same_bits(w.array(), before));
  for (int k = 0; k < 60; ++k) opt.step([&] { return sum(square(w)); });  // halves the distance each time
  CHECK(sum(square(w)).item() <= 1e-16);  // a gradient whose square is below 2^-52 moves nothing
}

// ---- curvature --------------------------------------------------------------------------------------------------------

namespace {

/// 0.5 w'Aw, A symmetric.
Tensor quadratic(const Tensor& a, const Tensor& w) { return 0.5 * sum(w * matmul(a, w)); }

Tensor spd(int64_t n) {
  const Tensor q(numbers({n, n}, 8));
  return matmul(q, transpose(q, 0, 1));
}

/// A closure rule that leaves the Hessian's product with ones in place of the parameters.
class ProductRule final : public optim::ClosureRule {
 public:
  explicit ProductRule(optim::RuleInfo info) : ClosureRule(std::move(info)) {}
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<ProductRule>(*this); }
  std::string equations() const override { return "w <- H*1"; }
  double step(optim::Objective& f) override {
    const double loss = f.evaluate_for_hessian();
    const auto product = f.hessian_times(std::vector<double>(static_cast<std::size_t>(f.size()), 1.0));
    f.hessian_times(product);
    f.set_parameters(product);
    return loss;
  }

 protected:
  std::vector<optim::Option> own_options() const override { return {}; }
  void write_option(std::size_t, double) override {}
};

}  // namespace

TEST_CASE("Objective: Hessian times a vector, counted") {
  auto rule = std::make_unique<ProductRule>(optim::RuleInfo{"product", "", 2026});
  const Tensor a = spd(4), w = leaf(numbers({4}, 1)), unused = leaf(numbers({2}, 2));
  Optimizer opt(std::move(rule), {{"w", w}, {"unused", unused}});
  opt.step([&] { return quadratic(a, w) + sum(pow(w, 3)) * 0; });
  CHECK(error(w.array(), sum(a, {1}).array()) <= 1e-14);
  CHECK(unused.array().element(1) == 0);
  CHECK(opt.evaluations().loss == 1);
  CHECK(opt.evaluations().gradient == 1);
  CHECK(opt.evaluations().hessian_vector == 2);
}

TEST_CASE("curvature: due steps need a closure that leaves backward() alone; others do not") {
  const Tensor w = leaf(numbers({4}, 1)), a = spd(4);
  auto opt = optim::make("sophia_h(interval=2)", std::vector<Tensor>{w});
  w.set_grad(Array::ones({4}, f64));
  const Array before = w.array().copy();
  CHECK(refuses<OptimError>([&] { opt.step(); }, "sophia_h: estimates the curvature at this step and needs a closure"));
  CHECK(refuses<OptimError>(
      [&] {
        opt.step([&] {
          const Tensor loss = quadratic(a, w);
          loss.backward();
          return loss;
        });
      },
      "has run backward() itself"));
  CHECK(same_bits(w.array(), before));
  opt.step([&] { return quadratic(a, w); });
  CHECK(opt.evaluations().hessian_vector == 1);
  w.set_grad(Array::ones({4}, f64));
  opt.step();
  CHECK(opt.evaluations().hessian_vector == 1);
  CHECK(opt.steps() == 2);
  CHECK(refuses<OptimError>([] { optim::make("sam(adahessian)", leaves({{2}})); }, "moves by gradients alone"));
}

TEST_CASE("curvature: Hutchinson's estimate is a function of the seed, and its mean is the Hessian's diagonal") {
  const Tensor a = spd(3);
  // beta2 = 0: h is the last estimate.
  auto estimate = [&](const std::string& seed, int steps) {
    const Tensor w = leaf(numbers({3}, 1));
    auto opt = optim::make("sophia_h(lr=0, weight_decay=0, beta2=0, interval=1, seed=" + seed + ")", std::vector<Tensor>{w});
    Array mean = Array::zeros({3}, f64);
    for (int k = 0; k < steps; ++k) {
      opt.step([&] { return quadratic(a, w); });
      for (const auto& [key, h] : opt.state_dict())
        if (key == "sophia_h/h/0") mean = (Tensor(mean) + Tensor(h) / static_cast<double>(steps)).array();
    }
    return mean;
  };
  CHECK(same_bits(estimate("1", 2), estimate("1", 2)));
  CHECK_FALSE(same_bits(estimate("1", 2), estimate("2", 2)));
  const Array mean = estimate("3", 600);
  for (int64_t i = 0; i < 3; ++i) CHECK(std::fabs(mean.element(i) - a.array().at({i, i})) <= 0.2);
}

TEST_CASE("sophia_g: the second closure's gradient squared, and the first one's gradient kept") {
  const Tensor w = leaf(numbers({4}, 1)), v(numbers({4}, 2)), u(numbers({4}, 3));
  auto opt =
      optim::make("sophia_g(lr=0.1, beta1=0.5, beta2=0.5, gamma=2, weight_decay=0.1, interval=2, batch_size=8, clip=0.3)",
                  std::vector<Tensor>{w});
  CHECK(refuses<OptimError>([&] { opt.step([&] { return sum(w * v); }); }, "needs a second closure"));
  std::vector<double> x(4), m(4, 0.0), h(4, 0.0);
  for (int64_t i = 0; i < 4; ++i) x[static_cast<std::size_t>(i)] = w.array().element(i);
  for (int t = 0; t < 6; ++t) {
    const double scale = 1 + 0.3 * t;
    opt.step([&] { return scale * sum(w * v); }, [&] { return scale * sum(w * u); });
    for (std::size_t i = 0; i < 4; ++i) {
      const double g = scale * v.array().element(static_cast<int64_t>(i)),
                   s = scale * u.array().element(static_cast<int64_t>(i));
      m[i] = 0.5 * m[i] + 0.5 * g;
      if (t % 2 == 0) h[i] = 0.5 * h[i] + 0.5 * 8 * s * s;
      x[i] = x[i] * (1 - 0.01) - 0.1 * std::clamp(m[i] / std::max(2 * h[i], 1e-15), -0.3, 0.3);
      CHECK(std::fabs(w.array().element(static_cast<int64_t>(i)) - x[i]) <= 1e-13);
    }
  }
  CHECK(opt.evaluations().gradient == 6 + 3);
}

TEST_CASE("AdaHessian averages its estimate over a convolution's kernel") {
  const Tensor w = leaf(numbers({2, 1, 3, 3}, 1)), h(numbers({2, 1, 3, 3}, 2));
  auto opt = optim::make("adahessian(lr=0, beta2=0)", std::vector<Tensor>{w});
  opt.step([&] { return 0.5 * sum(h * square(w)); });
  const Tensor expected = square(expand(mean(abs(h), {2, 3}, true), h.shape()));
  for (const auto& [key, v] : opt.state_dict())
    if (key == "adahessian/v/0") CHECK(error(v, expected.array()) <= 1e-14);
}

// ---- matrices -----------------------------------------------------------------------------------------------------------

TEST_CASE("SOAP's first step moves nothing; without preconditioning it is Adam, one step later") {
  const Tensor w = leaf(numbers({4, 3}, 1)), other = leaf(numbers({4, 3}, 1));
  auto opt = optim::make("soap(lr=0.1, beta1=0.9, beta2=0.9, eps=0, weight_decay=0, max_preconditioner_dim=2)",
                         std::vector<Tensor>{w});
  auto adam = optim::make("adam(lr=0.1, beta1=0.9, beta2=0.9, eps=0)", std::vector<Tensor>{other});
  w.set_grad(numbers({4, 3}, 50));
  opt.step();
  CHECK(same_bits(w.array(), other.array()));
  for (unsigned t = 1; t <= 4; ++t) {
    w.set_grad(numbers({4, 3}, 60 + t));
    other.set_grad(numbers({4, 3}, 60 + t));
    opt.step(), adam.step();
    CHECK(error(w.array(), other.array()) <= 1e-13);
  }
}

TEST_CASE("Adafactor keeps one number per row and column") {
  auto opt = optim::make("adafactor", leaves({{100, 200}, {50}}));
  step_with(opt, 1);
  CHECK(opt.state_bytes_per_parameter() == doctest::Approx(8.0 * (300 + 50) / 20050));
  for (const auto& [key, a] : opt.state_dict()) {
    if (key == "adafactor/row/a") CHECK(a.shape() == Shape{100, 1});
    if (key == "adafactor/column/a") CHECK(a.shape() == Shape{1, 200});
    CHECK(key != "adafactor/v/a");
    CHECK(key != "adafactor/row/b");
  }
  auto other = optim::make("adafactor", leaves({{100, 200}, {50}}));
  auto state = opt.state_dict();
  for (auto& [key, a] : state)
    if (key == "adafactor/row/a") a = Array::zeros({100, 200}, f64);
  CHECK(refuses<OptimError>([&] { other.load_state_dict(state); },
                            "adafactor/row/a is f64[100,200] where f64[100,1] is needed"));
}

// ---- wrappers -----------------------------------------------------------------------------------------------------------

TEST_CASE("lookahead: options reach the wrapped rule, groups may differ, and what cannot be wrapped is refused") {
  auto opt = optim::make("lookahead(adamw(lr=0.1, weight_decay=0.5), k=2, alpha=0.25)", leaves({{2}, {3}}));
  CHECK(opt.lr() == 0.1);
  opt.group("b", "weight_decay=0, alpha=1");
  CHECK(opt.get("alpha", "b") == 1);
  CHECK(opt.spec().starts_with("lookahead(adamw(lr=0.1"));
  const auto start = values(opt);
  step_with(opt, 1);
  step_with(opt, 2);
  CHECK(opt.equations().find("slow <- slow + alpha*(w - slow)") != std::string::npos);
  auto plain = optim::make("adamw(lr=0.1, weight_decay=0.5)", leaves({{2}, {3}}));
  plain.group("b", "weight_decay=0");
  step_with(plain, 1), step_with(plain, 2);
  const auto fast = values(plain), slow = values(opt);
  CHECK(error(slow[0].second, (0.75 * Tensor(start[0].second) + 0.25 * Tensor(fast[0].second)).array()) <= 1e-15);
  CHECK(same_bits(slow[1].second, fast[1].second));
  for (const std::string inner : {"lbfgs", "lookahead", "sam", "schedule_free_sgd"})
    CHECK(refuses<OptimError>([&] { optim::make("lookahead(" + inner + ")", leaves({{2}})); }, "wraps a rule"));
}

TEST_CASE("ASAM follows its equations") {
  const Tensor p = leaf(numbers({4}, 1)), b(numbers({4}, 2));
  auto opt = optim::make("asam(sgd(lr=0.1, momentum=0.9), rho=0.3, eta=0.05)", std::vector<Tensor>{p});
  std::vector<double> w(4), v(4, 0.0);
  for (std::size_t i = 0; i < 4; ++i) w[i] = p.array().element(static_cast<int64_t>(i));
  auto gradient = [&](const std::vector<double>& x) {
    std::vector<double> g(4);
    for (std::size_t i = 0; i < 4; ++i) g[i] = x[i] * x[i] * x[i] - b.array().element(static_cast<int64_t>(i));
    return g;
  };
  for (int t = 0; t < 10; ++t) {
    opt.step([&] { return sum(pow(p, 4) * 0.25 - b * p); });
    const auto g = gradient(w);
    double squares = 0;
    for (std::size_t i = 0; i < 4; ++i) squares += std::pow((std::fabs(w[i]) + 0.05) * g[i], 2);
    auto up = w;
    for (std::size_t i = 0; i < 4; ++i) up[i] += 0.3 * std::pow(std::fabs(w[i]) + 0.05, 2) * g[i] / std::sqrt(squares);
    const auto h = gradient(up);
    for (std::size_t i = 0; i < 4; ++i) {
      v[i] = 0.9 * v[i] + h[i];
      w[i] -= 0.1 * v[i];
      CHECK(std::fabs(p.array().element(static_cast<int64_t>(i)) - w[i]) <= 1e-13);
    }
  }
}

TEST_CASE("averages: swapped and back bit for bit, saved, copied") {
  auto p = leaves({{2, 3}, {4}});
  auto average = optim::Averaged::exponential(p, 0.5), other = optim::Averaged::exponential(p, 0.5);
  CHECK(refuses<OptimError>([&] { average.swap(); }, "no average before the first update"));
  for (int t = 0; t < 3; ++t) {
    for (auto& x : p) x.second.writable().assign(numbers(x.second.shape(), static_cast<unsigned>(t)), "test");
    average.update();
  }
  const Array own = p[0].second.array().copy(), mean = average.averages()[0].second;
  average.swap();
  CHECK(same_bits(p[0].second.array(), mean));
  CHECK(same_bits(average.averages()[0].second, mean));
  CHECK(refuses<OptimError>([&] { average.update(); }, "hold the averages now"));
  other.load_state_dict(average.state_dict());
  other.swap();
  CHECK(same_bits(p[0].second.array(), own));
  const auto model = leaves({{2, 3}, {4}});
  other.copy_to(model);
  CHECK(same_bits(model[0].second.array(), mean));
  CHECK(refuses<OptimError>([&] { other.copy_to({model[0]}); }, "no tensor \"b\""));
  CHECK(refuses<OptimError>(
      [&] {
        optim::Averaged::equal(leaves({{2}, {4}})).load_state_dict(average.state_dict());
      },
      "nothing was loaded"));
  CHECK(refuses<OptimError>([&] { optim::Averaged::exponential(p, 1); }, "decay must lie in [0, 1)"));
}

// ---- touched rows -------------------------------------------------------------------------------------------------------

TEST_CASE("rows that an embedding read are told from rows with a gradient of zero") {
  const Tensor w = leaf(numbers({6, 2}, 1));
  const Tensor index = tensor<int64_t>({4}, {1, 4, 4, 2});
  const Tensor weights = tensor<double>({4, 2}, {1, 2, 3, 4, -3, -4, 0, 0});  // rows 4 and 2 get a gradient of 0
  auto rows = [&](const Tensor& loss) {
    w.zero_grad();
    loss.backward();
    std::string touched;
    for (int64_t r = 0; r < 6; ++r) touched += w.leaf()->touched.holds(r) ? '1' : '0';
    return touched;
  };
  const auto read = [&](std::vector<int64_t> of) {
    const auto n = static_cast<int64_t>(of.size());
    return sum(embedding(w, tensor<int64_t>({n}, of)));
  };
  CHECK(rows(sum(embedding(w, index) * weights)) == "011010");
  CHECK(rows(sum(embedding(w, index) * weights) + read({0}) * 0) == "111010");
  CHECK(rows(-2 * sum(embedding(w, index) * weights)) == "011010");
  CHECK(rows(read({})) == "000000");
  CHECK(rows(sum(embedding(w, index) * weights) + sum(w) * 0) == "111111");  // tied weights: a dense gradient touches all
  CHECK(rows(sum(w) * 0 + read({2})) == "111111");
  CHECK(rows(read({2}) + sum(w * 0)) == "111111");
  CHECK(rows(read({3})) == "000100");  // nothing is left of the pass before
  const auto checkpointed = [&](const std::vector<Tensor>& x) { return embedding(x[0], index); };
  CHECK(rows(sum(checkpoint(checkpointed, {w}))) == "011010");
  CHECK(rows(sum(checkpoint([&](const std::vector<Tensor>&) { return embedding(w, index); }, {Tensor(1.0)})) + read({5})) ==
        "011011");
  w.zero_grad();
  read({1}).backward();
  read({4}).backward();  // gathers
  CHECK(w.leaf()->touched.runs(w.shape()).size() == 2);
  CHECK(w.leaf()->touched.runs(w.shape())[1].begin == 8);
  CHECK_FALSE(w.leaf()->touched.holds_element(w.shape(), 7));
  w.set_grad(Array::zeros({6, 2}, f64));  // of which nobody knows more
  CHECK(w.leaf()->touched.all());
}

TEST_CASE("lazy_adam: untouched rows and their moments wait, whatever the sign or the clipping") {
  for (const std::string spec :
       {"lazy_adam(lr=0.1)", "lazy_adam(lr=0.1, maximize=true)", "clip_norm(0.1) | lazy_adam(lr=0.1)"}) {
    const Tensor w = leaf(numbers({5, 3}, 1), "w"), bias = leaf(numbers({3}, 2), "b");
    auto opt = optim::make(spec, std::vector<Tensor>{w, bias});
    auto step = [&](std::vector<int64_t> rows) {
      const auto n = static_cast<int64_t>(rows.size());
      opt.step([&] { return sum(square(embedding(w, tensor<int64_t>({n}, rows)))) + sum(bias); });
    };
    step({0, 1, 4});
    const Array before = w.array().copy();
    CHECK(refuses<OptimError>([&] { opt.explain("w", {2, 1}); }, "no op has handed a gradient"));
    step({1, 2});
    for (const int64_t r : {0, 3, 4}) CHECK(same_bits(w.array().select(0, r).copy(), before.select(0, r).copy()));
    for (const int64_t r : {1, 2}) CHECK_FALSE(same_bits(w.array().select(0, r).copy(), before.select(0, r).copy()));
    CHECK(opt.steps("w") == 2);
  }
}
