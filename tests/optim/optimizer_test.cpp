// The Optimizer: what it accepts, groups, options, schedules, clipping, closures, saving, explaining, hyper-gradients.
#include <gradus/tests/helpers/optim.h>

#include <gradus/autograd/backward.h>
#include <gradus/core/parallel.h>

#include <doctest/doctest.h>

using namespace optim_testing;

namespace {

void set_gradients(const NamedTensors& parameters, int t) {
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].second.set_grad(gradient_at(i, t, parameters[i].second));
}

}  // namespace

TEST_CASE("parameters that cannot be moved are refused by name") {
  auto make = [](const NamedTensors& p) { optim::make("sgd", p); };
  const Tensor w = leaf(numbers({3}, 1)), v = leaf(numbers({3}, 2));
  CHECK(refuses<OptimError>([&] { make({}); }, "sgd: got an empty list of parameters"));
  CHECK(refuses<OptimError>([&] { make({{"w", zeros({3})}}); }, "parameter 0 \"w\" (f32[3]) does not require a gradient"));
  CHECK(refuses<OptimError>([&] { make({{"w", w * v}}); }, "is the result of mul"));
  CHECK(refuses<OptimError>([&] { make({{"w", Tensor()}}); }, "parameter 0 \"w\" is absent"));
  CHECK(refuses<OptimError>(
      [&] {
        make({{"w", w}, {"v", v}, {"again", w}});
      },
      "parameter 2 \"again\" (f64[3]) shares its numbers with parameter 0 \"w\""));
  CHECK(refuses<OptimError>([&] { make({{"w", w}, {"w", v}}); }, "two parameters are named \"w\""));
  Tensor view(numbers({4, 4}, 1).transpose(0, 1));
  view.requires_grad_();
  CHECK(refuses<OptimError>([&] { make({{"w", view}}); }, "is a view with gaps"));
}

TEST_CASE("a dense view is moved without touching its neighbours") {
  const Array all = numbers({5, 3}, 1), before = all.copy();
  Tensor row(all.slice(0, 0, 1));
  row.requires_grad_();
  auto opt = optim::make("adamw(lr=0.1)", std::vector<Tensor>{row});
  row.set_grad(Array::ones({1, 3}, f64));
  opt.step();
  for (int64_t i = 0; i < 15; ++i) CHECK((all.element(i) == before.element(i)) == (i >= 3));
}

TEST_CASE("writing is noticed by backward, under the rule's name") {
  const Tensor w = leaf(numbers({3}, 1));
  auto opt = optim::make("adamw", std::vector<Tensor>{w});
  const Tensor loss = sum(w * w);
  w.set_grad(Array::ones({3}, f64));
  opt.step();
  CHECK(refuses<GraphError>([&] { loss.backward(); }, "adamw"));
}

TEST_CASE("typed options and a spec make the same optimizer") {
  auto a = leaves({{3, 2}}), b = leaves({{3, 2}});
  Optimizer typed(optim::SGD{.lr = 0.1, .momentum = 0.9, .nesterov = true}, a);
  auto spec = optim::make("sgd(lr=0.1, momentum=0.9, nesterov=true)", b);
  CHECK(typed.spec() == spec.spec());
  for (int t = 1; t < 4; ++t) step_with(typed, t), step_with(spec, t);
  CHECK(same_bits(values(typed), values(spec)));
  CHECK(Optimizer(optim::AdamW{}, a).lr() == 1e-3);
}

TEST_CASE("a parameter's name is its leaf's, or its place") {
  const auto named =
      Optimizer::with_names({leaf(numbers({1}, 1), "fc.weight"), leaf(numbers({1}, 2)), leaf(numbers({1}, 3), "fc.weight")});
  CHECK(named[0].first == "fc.weight");
  CHECK(named[1].first == "1");
  CHECK(named[2].first == "2");
}

TEST_CASE("groups inherit what they do not set") {
  auto p = NamedTensors{
      {"fc.weight", leaf(numbers({3, 2}, 1))}, {"fc.bias", leaf(numbers({3}, 2))}, {"head.bias", leaf(numbers({3}, 3))}};
  auto opt = optim::make("adamw(lr=0.1, weight_decay=0.5)", p);
  opt.group("*.bias", "weight_decay=0");
  CHECK(opt.get("weight_decay", "fc.weight") == 0.5);
  CHECK(opt.get("weight_decay", "head.bias") == 0);
  CHECK(opt.get("lr", "head.bias") == 0.1);
  opt.set_lr(0.2);
  CHECK(opt.get("lr", "head.bias") == 0.2);
  opt.set("weight_decay", 0.25);
  CHECK(opt.get("weight_decay", "fc.bias") == 0);
  opt.group("*.bias", optim::AdamW{.beta1 = 0.5});
  CHECK(opt.get("beta1", "fc.bias") == 0.5);
  opt.group("*.bias", "lr=0.05");
  CHECK(opt.get("beta1", "fc.bias") == 0.5);
  CHECK(opt.get("lr", "fc.bias") == 0.05);

  CHECK(refuses<OptimError>([&] { opt.group("*.baias", "lr=1"); }, "no parameter matches \"*.baias\""));
  CHECK(refuses<OptimError>([&] { opt.group("fc.*", "lr=1"); }, "\"fc.bias\" is in groups \"*.bias\" and \"fc.*\""));
  CHECK(refuses<SpecError>([&] { opt.group("fc.weight", "lrr=1"); }, "did you mean 'lr'?"));
  CHECK(refuses<OptimError>([&] { opt.group("fc.weight", "lr=-1"); }, "lr must be finite and >= 0"));
  CHECK(opt.get("lr", "fc.weight") == 0.2);
  CHECK(refuses<OptimError>([&] { opt.get("lr", "fc.wieght"); }, "did you mean 'fc.weight'?"));
}

TEST_CASE("a group may have a rule of its own, before the first step") {
  auto p = leaves({{4, 4}, {4}}), q = leaves({{4, 4}, {4}});
  auto both = optim::make("muon(lr=0.1)", p);
  both.group("b", "sgd(lr=0.5)");
  auto a = optim::make("muon(lr=0.1)", {q[0]}), b = optim::make("sgd(lr=0.5)", {q[1]});
  for (int t = 1; t < 4; ++t) {
    set_gradients(p, t), set_gradients(q, t);
    both.step(), a.step(), b.step();
  }
  CHECK(same_bits(p[0].second.array(), q[0].second.array()));
  CHECK(same_bits(p[1].second.array(), q[1].second.array()));
  CHECK(refuses<OptimError>([&] { both.group("a", "sgd"); }, "has taken 3 steps with muon"));
  CHECK(both.spec_of("b").starts_with("sgd(lr=0.5"));
  auto lbfgs = optim::make("lbfgs", leaves({{2}, {2}}));
  CHECK(refuses<OptimError>([&] { lbfgs.group("a", "lr=0.1"); }, "moves all parameters at once"));
}

TEST_CASE("setting an option out of range changes nothing") {
  auto opt = optim::make("sgd(lr=0.1, momentum=0.9, nesterov=true)", leaves({{2}}));
  CHECK(refuses<OptimError>([&] { opt.set_lr(std::nan("")); }, "lr must be finite and >= 0, got nan"));
  CHECK(refuses<OptimError>([&] { opt.set("momentum", 0); }, "nesterov needs a momentum above 0"));
  CHECK(refuses<OptimError>([&] { opt.set("beta1", 0); }, "there is no option 'beta1'"));
  CHECK(refuses<OptimError>([&] { opt.set("nesterov", 0.5); }, "nesterov must be true or false"));
  CHECK(opt.get("momentum") == 0.9);
  CHECK(opt.lr() == 0.1);
}

TEST_CASE("a schedule is a function of the steps taken") {
  auto p = leaves({{2}, {2}});
  auto opt = optim::make("sgd", p);
  opt.group("b", "lr=0.5");
  opt.schedule("lr", [](int64_t k) { return 1.0 / static_cast<double>(1 + k); });
  CHECK(opt.lr() == 1);
  for (int t = 1; t <= 4; ++t) {
    const double before = p[0].second.array().element(0), other = p[1].second.array().element(0);
    for (auto& x : p) x.second.set_grad(Array::ones({2}, f64));
    opt.step();
    CHECK(p[0].second.array().element(0) == doctest::Approx(before - 1.0 / t));
    CHECK(p[1].second.array().element(0) == doctest::Approx(other - 0.5));
    CHECK(opt.lr() == 1.0 / t);
  }
  opt.schedule("lr", [](int64_t k) { return k < 5 ? 0.1 : -1.0; });
  opt.step();
  const auto before = values(opt);
  CHECK(refuses<OptimError>([&] { opt.step(); }, "lr must be finite and >= 0, got -1"));
  CHECK(same_bits(values(opt), before));
}

TEST_CASE("an option turned on later gets its state then") {
  auto p = leaves({{5}});
  auto opt = optim::make("rmsprop", p);
  step_with(opt, 1);
  opt.set("momentum", 0.9);
  opt.set("centered", 1);
  for (int t = 2; t < 5; ++t) step_with(opt, t);
  CHECK(opt.state_bytes_per_parameter() == 24);
  opt.set("momentum", 0);
  step_with(opt, 5);
  CHECK(opt.state_bytes_per_parameter() == 16);
}

TEST_CASE("clip_grad_norm scales a common norm and leaves shared gradients alone") {
  auto p = leaves({{3, 4}, {5}, {100, 900}});
  set_gradients(p, 1);
  p[1].second.zero_grad();
  double squares = 0;
  std::vector<Array> before;
  for (const auto& x : p)
    if (x.second.grad().defined())
      for (int64_t i = 0; i < x.second.size(); ++i) squares += std::pow(x.second.grad().array().element(i), 2);
  const Array shared = p[0].second.grad().array(), copy = shared.copy();
  const double norm = std::sqrt(squares), clipped = optim::clip_grad_norm(p, 2.0);
  CHECK(clipped == doctest::Approx(norm).epsilon(1e-13));
  CHECK(same_bits(shared, copy));
  CHECK_FALSE(p[1].second.grad().defined());
  CHECK(p[0].second.grad().array().element(3) == doctest::Approx(copy.element(3) * 2.0 / (norm + 1e-6)).epsilon(1e-14));
  CHECK(optim::clip_grad_norm(p, 100.0) == doctest::Approx(2).epsilon(1e-6));
  const Array kept = p[0].second.grad().array();
  optim::clip_grad_norm(p, 100.0);
  CHECK(p[0].second.grad().array().shares_storage(kept));
  CHECK(refuses<OptimError>([&] { optim::clip_grad_norm(p, 0); }, "max_norm must be > 0, got 0"));

  const int threads_before = threads();
  std::vector<double> norms;
  for (const int n : {1, 2, 3, 7}) {
    set_threads(n);
    set_gradients(p, 2);
    norms.push_back(optim::clip_grad_norm(p, 1e-3));
  }
  set_threads(threads_before);
  CHECK(std::all_of(norms.begin(), norms.end(), [&](double x) { return x == norms[0]; }));

  p[0].second.set_grad(Array::full({3, 4}, INFINITY, f64));
  CHECK(std::isinf(optim::clip_grad_norm(p, 1)));
  CHECK(std::isinf(p[0].second.grad().array().element(0)));
}

TEST_CASE("clip_norm in a spec is clip_grad_norm before the step") {
  auto a = leaves({{3, 4}, {5}}), b = leaves({{3, 4}, {5}});
  auto inside = optim::make("clip_norm(0.5) | adamw(lr=0.1)", a), outside = optim::make("adamw(lr=0.1)", b);
  for (int t = 1; t < 4; ++t) {
    set_gradients(a, t), set_gradients(b, t);
    const Array g = a[0].second.grad().array().copy();
    inside.step();
    CHECK(same_bits(a[0].second.grad().array(), g));
    optim::clip_grad_norm(b, 0.5);
    outside.step();
    CHECK(error(a[0].second.array(), b[0].second.array()) <= 1e-14);
  }
}

TEST_CASE("a closure is run by one protocol, whether it calls backward or not") {
  auto a = leaves({{3}}), b = leaves({{3}});
  auto plain = optim::make("adam(lr=0.1)", a), torch_like = optim::make("adam(lr=0.1)", b);
  for (int t = 0; t < 3; ++t) {
    const double x = plain.step([&] { return sum(square(a[0].second)); });
    const double y = torch_like.step([&] {
      torch_like.zero_grad();
      Tensor loss = sum(square(b[0].second));
      loss.backward(t == 1);
      return loss;
    });
    CHECK(x == y);
  }
  CHECK(same_bits(a[0].second.array(), b[0].second.array()));
  CHECK(plain.evaluations().loss == 3);
  CHECK(plain.evaluations().gradient == 3);
  CHECK(refuses<OptimError>([&] { plain.step([&] { return square(a[0].second); }); }, "a loss of one number, got f64[3]"));
  for (const std::string spec : {"adam", "lbfgs", "sam(sgd(lr=0.1))", "sophia_h"}) {
    CAPTURE(spec);
    auto opt = optim::make(spec, a);
    const auto before = values(opt);
    CHECK(refuses<OptimError>([&] { opt.step([&] { return sum(square(a[0].second.detach())); }); },
                              "the closure's loss has no history"));
    CHECK(same_bits(values(opt), before));
  }
  CHECK(refuses<OptimError>([] { optim::make("lbfgs", leaves({{2}})).step(); },
                            "lbfgs: evaluates the loss itself and needs a closure"));
}

TEST_CASE("a closure that throws leaves parameters and state as they were") {
  for (const std::string spec :
       {"lbfgs(max_iter=2, max_eval=9, line_search_fn=strong_wolfe)", "sam(sgd(lr=0.1, momentum=0.9))"}) {
    CAPTURE(spec);
    auto p = leaves({{3}});
    auto opt = optim::make(spec, p);
    int calls = 0, fail_at = 1000;
    auto closure = [&] {
      if (++calls == fail_at) throw std::runtime_error("no data");
      return sum(pow(p[0].second, 4) + p[0].second);
    };
    opt.step(closure);
    const auto before = values(opt), state = opt.state_dict();
    calls = 0, fail_at = 2;
    CHECK_THROWS_AS(opt.step(closure), std::runtime_error);
    CHECK(same_bits(values(opt), before));
    CHECK(same_bits(opt.state_dict(), state));
  }
}

TEST_CASE("the state of another model is refused, name by name") {
  auto p = leaves({{3, 2}, {4}});
  auto opt = optim::make("adamw", p);
  step_with(opt, 1);
  const auto state = opt.state_dict();
  auto with = [](const std::vector<Shape>& shapes, const char* spec = "adamw") { return optim::make(spec, leaves(shapes)); };
  CHECK(refuses<OptimError>(
      [&] {
        with({{3, 2}}).load_state_dict(state);
      },
      "unexpected: adamw/m/b, adamw/step/b, adamw/v/b, parameter_steps/b"));
  CHECK(refuses<OptimError>([&] { with({{3, 2}, {4}, {1}}).load_state_dict(state); }, "missing: parameter_steps/c"));
  CHECK(refuses<OptimError>(
      [&] {
        with({{2, 3}, {4}}).load_state_dict(state);
      },
      "adamw/m/a is f64[3,2] where f64[2,3] is needed"));
  CHECK(refuses<OptimError>([&] { with({{3, 2}, {4}}, "adam").load_state_dict(state); }, "the state is of adamw("));
  CHECK(refuses<OptimError>([&] { opt.load_state_dict({}); }, "missing: optimizer/state"));
  auto grouped = optim::make("adamw", leaves({{3, 2}, {4}}));
  grouped.group("b", "weight_decay=0");
  CHECK(refuses<OptimError>([&] { grouped.load_state_dict(state); }, "has 0 parameter groups, this optimizer has 1"));
  CHECK(same_bits(opt.state_dict(), state));

  opt.group("b", "weight_decay=0, lr=0.5");
  opt.set_lr(0.25);
  const auto saved = opt.state_dict();
  grouped.load_state_dict(saved);
  CHECK(grouped.lr() == 0.25);
  CHECK(grouped.get("lr", "b") == 0.5);
  grouped.set_lr(1);
  CHECK(grouped.get("lr", "b") == 0.5);
  CHECK(grouped.get("lr", "a") == 1);
}

TEST_CASE("state bytes are those of the slots in use") {
  auto bytes = [](const char* spec) { return optim::make(spec, leaves({{3, 2}, {4}}, f32)).state_bytes_per_parameter(); };
  CHECK(bytes("sgd") == 0);
  CHECK(bytes("sgd(momentum=0.9)") == 4);
  CHECK(bytes("adam") == 8);
  CHECK(bytes("adam(amsgrad=true)") == 12);
  CHECK(bytes("rmsprop") == 4);
  CHECK(bytes("sam(adamw)") == 8);
}

TEST_CASE("explain names every value of the step to come and changes nothing") {
  const Tensor w = leaf(Array::of<float>({2, 2}, {1, 2, 3, 4}));
  auto opt = optim::make("adamw(lr=0.1)", NamedTensors{{"head.weight", w}});
  CHECK(refuses<OptimError>([&] { opt.explain("head.weight", 0); }, "has no gradient"));
  w.set_grad(Array::of<float>({2, 2}, {1, -2, 3, 0.5}));
  const auto e = opt.explain("head.weight", {1, 1});
  CHECK(e.index == 3);
  CHECK(e.t == 1);
  CHECK(e.once[0].name == "c1");
  CHECK(e.once[0].value == doctest::Approx(10));
  std::string names;
  for (const auto* list : {&e.values.before, &e.values.shown, &e.values.after})
    for (const auto& v : *list) names += v.name + " ";
  CHECK(names == "g w m v m_hat v_hat step m v w ");
  CHECK(e.values.after.back().value == doctest::Approx(4 - 0.1 - 0.1 * 0.01 * 4));
  CHECK(w.array().element(3) == 4);
  CHECK(opt.steps("head.weight") == 0);
  CHECK(to_string(e).find("m_hat 0.5") != std::string::npos);
  CHECK(refuses<IndexError>([&] { opt.explain("head.weight", 4); }, "element 4 is outside"));
  CHECK(refuses<IndexError>([&] { opt.explain("head.weight", {2, 0}); }, "index 2 of axis 0"));
  CHECK(refuses<OptimError>([&] { opt.explain("head.wieght", 0); }, "did you mean 'head.weight'?"));
}

TEST_CASE("hyper-gradients: d loss / d option through five recorded steps, against differences") {
  const Tensor target(numbers({6}, 4));
  auto loss_of = [&](const Tensor& w) { return sum(square(w - target) * square(w)); };
  auto final_loss = [&](const std::string& rule_name, const NamedTensors& hyper) {
    const auto rule = optim::new_rule(rule_name);
    if (rule_name == "sgd") rule->set("momentum", 0.9);
    optim::TensorState state{leaf(numbers({6}, 3)), {}, {}, 0};
    for (int t = 0; t < 5; ++t) {
      const Tensor g = grad({loss_of(state.w)}, {state.w}, {.create_graph = true})[0];
      static_cast<const optim::ElementRule&>(*rule).step_tensors(state, g, hyper);
    }
    return loss_of(state.w);
  };
  struct Case {
    std::string rule, option;
    double at;
  };
  for (const Case& c : {Case{"adamw", "lr", 0.05},
                        {"adamw", "weight_decay", 0.1},
                        {"adamw", "beta1", 0.8},
                        {"sgd", "lr", 0.01},
                        {"sgd", "momentum", 0.5},
                        {"rmsprop", "alpha", 0.9}}) {
    const double at = c.at, h = 1e-5;
    const Tensor x = leaf(Array::full({}, at, f64));
    const double exact = grad({final_loss(c.rule, {{c.option, x}})}, {x})[0].item();
    auto value = [&](double v) { return final_loss(c.rule, {{c.option, scalar(v, f64)}}).item(); };
    const double differences = (8 * (value(at + h) - value(at - h)) - (value(at + 2 * h) - value(at - 2 * h))) / (12 * h);
    CHECK_MESSAGE(exact == doctest::Approx(differences).epsilon(1e-7), c.rule, " ", c.option);
  }
}

TEST_CASE("a first step that no gradient has come to is refused; a later one moves nothing") {
  const Tensor w = leaf(numbers({3}, 1), "w");
  optim::Optimizer opt = optim::make("adam(lr=0.1)", NamedTensors{{"w", w}});
  CHECK(refuses<OptimError>([&] { opt.step(); }, "no gradient has come to any of the 1 parameters (\"w\", ...)"));
  CHECK(opt.steps() == 0);
  set_gradients({{"w", w}}, 0);
  opt.step();
  const Array moved = w.array().copy();
  opt.zero_grad();
  opt.step();
  CHECK(opt.steps() == 2);
  CHECK(same_bits(w.array(), moved));
}
