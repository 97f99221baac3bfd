// Defects found in other libraries, each by its number in our survey, and that no rule of ours has them, in any dialect.
// Those of the optimizer around the rules: optim_defects_test.cpp. D5, D6, D10, D13, D14, D16 and D23 are of other rooms or
// rules.
#include <gradus/tests/helpers/optim.h>

#include <doctest/doctest.h>

using namespace optim_testing;

namespace {

/// One parameter of one number under `spec`, moved by these gradients.
double moved(const std::string& spec, double w0, const std::vector<double>& gradients, Dtype dtype = f64) {
  const Tensor w = leaf(Array::full({1}, w0, dtype));
  auto opt = optim::make(spec, std::vector<Tensor>{w});
  for (const double g : gradients) {
    w.set_grad(Array::full({1}, g, dtype));
    opt.step();
  }
  return w.item();
}
double step_size(const std::string& spec, double g = 0.3) { return 1 - moved(spec, 1, {g}); }

const std::vector<std::string> bias_corrected{"adam(lr=0.01)",
                                              "adam(lr=0.01, amsgrad=true)",
                                              "adam(lr=0.01, dialect=keras)",
                                              "adam(lr=0.01, dialect=tf1)",
                                              "adamax(lr=0.01)",
                                              "adamw(lr=0.01, weight_decay=0)",
                                              "adamax(lr=0.01, dialect=keras)",
                                              "amsgrad(lr=0.01)",
                                              "amsgrad(lr=0.01, dialect=optax)"};

}  // namespace

TEST_CASE("D1, D12: bias corrections advance once a step, however many parameters there are") {
  for (const char* spec : {"adam", "adamax", "nadam", "nadamw", "radam", "amsgrad", "yogi", "adabelief", "adan", "mars",
                           "adopt", "ademamix(alpha_warmup=5, beta3_warmup=5)", "qhadam", "madgrad", "asgd", "novograd"}) {
    CAPTURE(spec);
    const std::vector<Shape> shapes{{3}, {2, 2}, {5}, {1}, {4}, {2}, {6}, {3, 5}};
    auto many = optim::make(spec, leaves(shapes));
    for (int t = 1; t <= 4; ++t) step_with(many, t);
    for (std::size_t i : {std::size_t(0), std::size_t(7)}) {
      const Tensor w = leaf(numbers(shapes[i], static_cast<unsigned>(i) + 1));
      auto alone = optim::make(spec, std::vector<Tensor>{w});
      for (int t = 1; t <= 4; ++t) {
        w.set_grad(gradient_at(i, t, w));
        alone.step();
      }
      CHECK(same_bits(w.array(), values(many)[i].second));
    }
  }
}

TEST_CASE("D2: weight_decay means one of two things, and which is the rule's word") {
  // Coupled: the same as a gradient of g + weight_decay*w.
  for (const std::string name :
       {"sgd", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam", "radam", "amsgrad", "asgd", "qhm", "qhadam",
        "madgrad", "adopt", "lars(dialect=optax)", "sgd(dialect=optax)", "rmsprop(dialect=tf1)"}) {
    CAPTURE(name);
    const Tensor a = leaf(numbers({7}, 1)), b = leaf(numbers({7}, 1));
    auto with = optim::make(name, std::vector<Tensor>{a}), without = optim::make(name, std::vector<Tensor>{b});
    with.set("lr", 0.01), without.set("lr", 0.01);
    with.set("weight_decay", 0.1);
    for (int t = 1; t <= 5; ++t) {
      const Array g = numbers({7}, 90u + static_cast<unsigned>(t));
      a.set_grad(g);
      b.set_grad((Tensor(g) + 0.1 * Tensor(b.array().copy())).array());
      with.step(), without.step();
      CHECK(error(a.array(), b.array()) <= 1e-13);
    }
  }
  // Decoupled: w <- (1 - lr*weight_decay)*w beside the step, so that 1000 steps without a gradient leave 0.990 of it.
  for (const char* spec : {"adamw",
                           "nadamw",
                           "adabelief",
                           "ademamix",
                           "mars",
                           "signum",
                           "lion",
                           "adan(no_prox=true)",
                           "adan",
                           "nadam(decoupled_weight_decay=true)",
                           "radam(decoupled_weight_decay=true)",
                           "adopt(decoupled_weight_decay=true)",
                           "qhm(decoupled_weight_decay=true)",
                           "qhadam(decoupled_weight_decay=true)",
                           "sgd(dialect=keras)",
                           "adam(dialect=keras)",
                           "adagrad(dialect=keras)",
                           "rmsprop(dialect=keras)",
                           "adamax(dialect=keras)",
                           "nadam(dialect=keras)",
                           "adadelta(dialect=keras)",
                           "adamw(dialect=keras)",
                           "adamw(dialect=optax)"}) {
    CAPTURE(spec);
    const Tensor w = leaf(Array::full({1}, 1, f64));
    auto opt = optim::make(spec, std::vector<Tensor>{w});
    opt.set("lr", 1e-3), opt.set("weight_decay", 1e-2);
    w.set_grad(Array::zeros({1}, f64));
    for (int t = 0; t < 1000; ++t) opt.step();
    CHECK(w.item() == doctest::Approx(std::pow(1 - 1e-5, 1000)).epsilon(1e-7));
  }
}

TEST_CASE("D3: AMSGrad corrects its bias: the first step is lr, and only the paper's dialect makes it 3.16 lr") {
  CHECK(step_size("amsgrad(lr=0.01)") == doctest::Approx(0.01).epsilon(1e-6));
  CHECK(step_size("amsgrad(lr=0.01, dialect=optax)") == doctest::Approx(0.01).epsilon(1e-6));
  CHECK(step_size("amsgrad(lr=0.01, dialect=paper)") == doctest::Approx(0.01 * 0.1 / std::sqrt(0.001)).epsilon(1e-6));
}

TEST_CASE("D4: after a step the gradient is still the gradient") {
  for (const auto& rule : optim::all_rules()) {
    if (rule.info.name.starts_with("mine_") || optim::new_rule(rule.info.name)->needs_closure()) continue;
    CAPTURE(rule.info.name);
    const Tensor w = leaf(numbers({4, 5}, 1));
    auto opt = optim::make(rule.info.name, std::vector<Tensor>{w});
    if (opt.rule().has("weight_decay")) opt.set("weight_decay", 0.1);
    for (unsigned t = 1; t <= 3; ++t) {
      w.set_grad(numbers({4, 5}, 10 + t));
      opt.step();
      CHECK(same_bits(w.grad().array(), numbers({4, 5}, 10 + t)));
    }
  }
}

TEST_CASE("D7: NAdam's product of momenta has each of them once, in double") {
  const double b1 = 0.9, mu1 = b1 * (1 - 0.5 * std::pow(0.96, 0.004)), mu2 = b1 * (1 - 0.5 * std::pow(0.96, 0.008)), g = 0.3;
  const double m_hat = mu2 * (0.1 * g) / (1 - mu1 * mu2) + (1 - mu1) * g / (1 - mu1);
  CHECK(step_size("nadam(lr=0.01)", g) == doctest::Approx(0.01 * m_hat / (g + 1e-8)).epsilon(1e-12));
  const Tensor w = leaf(Array::full({1}, 1, f32));
  auto opt = optim::make("nadam", std::vector<Tensor>{w});
  double product = 1;
  for (int t = 1; t <= 50; ++t) {
    w.set_grad(Array::full({1}, 1, f32));
    product *= b1 * (1 - 0.5 * std::pow(0.96, t * 0.004));
    opt.step();
  }
  product *= b1 * (1 - 0.5 * std::pow(0.96, 51 * 0.004));
  CHECK(opt.explain("0", 0).once[0].name == "product");
  CHECK(opt.explain("0", 0).once[0].value == doctest::Approx(product).epsilon(1e-14));
}

TEST_CASE("D8: a centered variance that rounds below 0 is 0, in every dialect") {
  for (const char* dialect : {"pytorch", "keras", "optax", "tf1", "paper"}) {
    CAPTURE(dialect);
    const Tensor w = leaf(Array::full({2}, 0.5, f32));
    auto opt = optim::make(join("rmsprop(lr=1e-12, centered=true, dialect=", dialect, ")"), std::vector<Tensor>{w});
    for (int t = 0; t < 3000; ++t) {
      w.set_grad(Array::of<float>({2}, std::vector<float>{0.1f, t % 2 ? 3.3f + 1e-5f : 3.3f - 1e-5f}));
      opt.step();
    }
    CHECK(std::isfinite(w.array().element(0)));
    CHECK(std::isfinite(w.array().element(1)));
  }
}

TEST_CASE("D9: Signum's momentum has an effect") {
  CHECK(moved("signum(lr=0.25, momentum=0.9)", 1, {1, -0.5}) == 0.5);  // m = 0.1, then 0.04: down both times
  CHECK(moved("signum(lr=0.25, momentum=0)", 1, {1, -0.5}) == 1);
  CHECK(moved("signum(lr=0.25, momentum=0.9)", 1, {1, -0.5, -0.5, -0.5}) == 1);
}

TEST_CASE("D11: the last gradient is a copy, also if the next one is written into the same numbers") {
  for (const char* spec : {"mars", "adan", "rprop"}) {
    CAPTURE(spec);
    const Tensor a = leaf(numbers({6}, 1)), b = leaf(numbers({6}, 1));
    auto reuses = optim::make(spec, std::vector<Tensor>{a}), fresh = optim::make(spec, std::vector<Tensor>{b});
    Array buffer = Array::zeros({6}, f64);
    a.set_grad(buffer);
    for (unsigned t = 1; t <= 4; ++t) {
      double* x = a.leaf()->grad.writable().write<double>("test");
      const Array g = numbers({6}, 20 + t);
      for (int64_t i = 0; i < 6; ++i) x[i] = g.element(i);
      b.set_grad(g);
      reuses.step(), fresh.step();
      CHECK(same_bits(a.array(), b.array()));
    }
  }
}

TEST_CASE("D15, D19: bias correction is on and divides: the first step of the Adams is lr") {
  for (const auto& spec : bias_corrected) {
    CAPTURE(spec);
    CHECK(step_size(spec) == doctest::Approx(0.01).epsilon(2e-6));
  }
}

TEST_CASE("D17: a group that sets one option inherits the others, flags and choices too") {
  auto p = leaves({{3}, {3}});
  auto opt = optim::make("nadam(lr=0.1, weight_decay=0.2, decoupled_weight_decay=true, dialect=optax)", p);
  opt.group("b", "lr=0.5");
  CHECK(opt.get("weight_decay", "b") == 0.2);
  CHECK(opt.get("decoupled_weight_decay", "b") == 1);
  CHECK(opt.get("dialect", "b") == opt.get("dialect"));
  CHECK(opt.get("lr", "b") == 0.5);
}

TEST_CASE("D20: two names of one rule have one set of defaults") {
  for (const auto& pair : std::vector<std::pair<std::string, std::string>>{
           {"amsgrad", "adam(amsgrad=true)"},
           {"nadamw", "nadam(weight_decay=0.01, decoupled_weight_decay=true)"},
           {"nadamw(dialect=optax)", "nadam(weight_decay=0.01, decoupled_weight_decay=true, dialect=optax)"}}) {
    const auto &one = pair.first, &other = pair.second;
    CAPTURE(one);
    auto a = optim::make(one, leaves({{5}})), b = optim::make(other, leaves({{5}}));
    for (int t = 1; t <= 5; ++t) step_with(a, t), step_with(b, t);
    CHECK(same_bits(values(a), values(b)));
  }
}

TEST_CASE("D21: the defaults are those the users compare with") {
  auto option = [](const std::string& rule, const std::string& name) { return optim::new_rule(rule)->get(name); };
  CHECK(option("sgd", "dampening") == 0);
  CHECK(option("rmsprop", "momentum") == 0);
  for (const char* rule : {"adam", "adamw", "rmsprop", "nadam", "nadamw", "radam", "adamax", "amsgrad"})
    CHECK(option(rule, "eps") == 1e-8);
  CHECK(option("adagrad", "eps") == 1e-10);
  CHECK(option("adadelta", "lr") == 1);
  CHECK(option("adadelta", "eps") == 1e-6);
}

TEST_CASE("D22: decay without momentum, an undampened first velocity, and ADOPT's order") {
  CHECK(moved("sgd(lr=0.1, weight_decay=0.5)", 2, {1}) == doctest::Approx(2 - 0.1 * (1 + 0.5 * 2)).epsilon(1e-15));
  CHECK(moved("sgd(lr=0.1, momentum=0.9, dampening=0.5)", 2, {1}) == doctest::Approx(1.9).epsilon(1e-15));
  CHECK(moved("sgd(lr=0.1, momentum=0.9, dampening=0.5)", 2, {1, 1}) == doctest::Approx(1.9 - 0.1 * 1.4).epsilon(1e-15));
  CHECK(moved("adopt(lr=0.1)", 2, {4}) == 2);  // the first gradient only sets v
  CHECK(moved("adopt(lr=0.1)", 2, {4, 2}) == doctest::Approx(2 - 0.1 * 0.1 * (2.0 / 4)).epsilon(1e-13));  // by the last v
  CHECK(moved("adopt(lr=0.1)", 2, {4, 40}) == doctest::Approx(2 - 0.1 * 0.1 * 1).epsilon(1e-13));         // clipped to 1
}
