// Stages before a rule: clipping, accumulation, the guard, hooks; what they do, save and refuse. And audit().
#include <gradus/tests/helpers/optim.h>

#include <gradus/core/parallel.h>
#include <gradus/optim/norms.h>

#include <doctest/doctest.h>

using namespace optim_testing;

namespace {

const std::vector<Shape> shapes{{3, 4}, {5}, {2, 3, 2}};

void set_gradients(const NamedTensors& parameters, int t, double scale = 1) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor g = scale * Tensor(gradient_at(i, t, parameters[i].second));
    parameters[i].second.set_grad(g.array());
  }
}

/// w before and after one step of sgd(lr=1) behind the stage: the gradient that came through.
std::vector<Array> through(const std::string& stage, const std::vector<Array>& gradients) {
  NamedTensors p;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    p.emplace_back(std::string(1, static_cast<char>('a' + i)),
                   leaf(numbers(gradients[i].shape(), static_cast<unsigned>(i) + 1)));
    p.back().second.set_grad(gradients[i]);
  }
  auto opt = optim::make(stage + " | sgd(lr=1)", p);
  std::vector<Array> before, passed;
  for (const auto& x : p) before.push_back(x.second.array().copy());
  opt.step();
  for (std::size_t i = 0; i < p.size(); ++i) passed.push_back((Tensor(before[i]) - Tensor(p[i].second.array())).array());
  return passed;
}

const std::vector<std::string> stages = {"accumulate(3)",
                                         "agc(0.05)",
                                         "centralize",
                                         "clip_norm(0.5)",
                                         "clip_value(0.25)",
                                         "skip_nonfinite",
                                         "skip_nonfinite | accumulate(2) | centralize | clip_norm(0.5)",
                                         "clip_value(0.5) | clip_norm(1) | accumulate(4)",
                                         "clip_norm(linear(0.1, total=6, end=2))"};

}  // namespace

TEST_CASE("clip_value limits every number") {
  const Array g = numbers({40}, 3), got = through("clip_value(0.25)", {g})[0];
  int cut = 0;
  for (int64_t i = 0; i < 40; ++i) {
    CHECK(got.element(i) == doctest::Approx(std::clamp(g.element(i), -0.25, 0.25)).epsilon(1e-12));
    cut += std::fabs(g.element(i)) > 0.25;
  }
  CHECK(cut > 20);
}

TEST_CASE("agc limits the norm of each row to a share of its weights'") {
  const Array g = numbers({3, 4}, 7), small = (1e-4 * Tensor(numbers({5}, 8))).array(),
              big = (50 * Tensor(numbers({5}, 9))).array();
  const auto got = through("agc(0.1)", {g, small, big});
  const auto norm = [](const Array& a, int64_t from, int64_t n) {
    double s = 0;
    for (int64_t i = from; i < from + n; ++i) s += a.element(i) * a.element(i);
    return std::sqrt(s);
  };
  const Array w = numbers({3, 4}, 1), wc = numbers({5}, 3);
  for (int64_t row = 0; row < 3; ++row) {
    const double limit = 0.1 * std::max(norm(w, row * 4, 4), 1e-3), length = norm(g, row * 4, 4);
    CHECK(length > limit);
    for (int64_t i = row * 4; i < row * 4 + 4; ++i)
      CHECK(got[0].element(i) == doctest::Approx(g.element(i) * std::min(1.0, limit / length)).epsilon(1e-12));
  }
  CHECK(error(got[1], small) <= 1e-11);  // below its limit: as it is, but for w - (w - g)
  CHECK(norm(got[2], 0, 5) == doctest::Approx(0.1 * norm(wc, 0, 5)).epsilon(1e-12));
}

TEST_CASE("centralize takes the mean off each row and leaves vectors") {
  const Array g = numbers({3, 4}, 7), b = numbers({5}, 8);
  const auto got = through("centralize", {g, b});
  for (int64_t row = 0; row < 3; ++row) {
    double mean = 0;
    for (int64_t i = 0; i < 4; ++i) mean += g.element(row * 4 + i) / 4;
    for (int64_t i = 0; i < 4; ++i) CHECK(std::fabs(got[0].element(row * 4 + i) - (g.element(row * 4 + i) - mean)) <= 1e-14);
  }
  CHECK(error(got[1], b) <= 1e-14);
}

TEST_CASE("stages pass from left to right") {
  const Array g = (10 * Tensor(numbers({20}, 3))).array();
  const auto norm_last = through("clip_value(1) | clip_norm(0.5)", {g})[0],
             norm_first = through("clip_norm(0.5) | clip_value(1)", {g})[0];
  CHECK(optim::global_norm({norm_last}) == doctest::Approx(0.5).epsilon(1e-5));
  double largest = 0, smallest = 1;
  for (int64_t i = 0; i < 20; ++i) {
    largest = std::max(largest, std::fabs(norm_last.element(i)));
    smallest = std::min(smallest, std::fabs(std::fabs(norm_last.element(i)) - std::fabs(norm_first.element(i))));
  }
  CHECK(error(norm_last, norm_first) > 0.1);
}

TEST_CASE("every stage passes on which rows ops have touched; accumulate gathers them, and saves them") {
  for (const auto& s : stages) {
    CAPTURE(s);
    const Tensor w = leaf(numbers({5, 3}, 1), "w");
    auto opt = optim::make(s + " | lazy_adam(lr=0.1)", std::vector<Tensor>{w});
    const Array before = w.array().copy();
    for (int call = 0; call < 12 && opt.steps() == 0; ++call) {
      opt.zero_grad();
      sum(embedding(w, tensor<int64_t>({1}, {call == 0 ? 1 : 3})) * tensor<double>({1, 3}, {0.5, -0.25, 1})).backward();
      opt.step();
      auto next = optim::make(s + " | lazy_adam(lr=0.1)", std::vector<Tensor>{w});
      next.load_state_dict(opt.state_dict());
      opt = std::move(next);
    }
    REQUIRE(opt.steps() == 1);
    for (int64_t r = 0; r < 5; ++r) {
      const bool moved = r == 1 || (r == 3 && s.find("accumulate") != s.npos);
      CHECK(gradus::same_bits(w.array().select(0, r).copy(), before.select(0, r).copy()) == !moved);
    }
  }
}

TEST_CASE("accumulate steps every n-th call with the mean, and counts only those steps") {
  auto a = leaves(shapes), b = leaves(shapes);
  auto gathered = optim::make("accumulate(4) | adam(lr=exponential(0.1, gamma=0.5))", a);
  auto plain = optim::make("adam(lr=exponential(0.1, gamma=0.5))", b);
  for (int big = 0; big < 3; ++big) {
    std::vector<Tensor> means(shapes.size());
    for (int k = 0; k < 4; ++k) {
      const auto before = values(gathered);
      const int t = big * 4 + k;
      set_gradients(a, t);
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        const Tensor g(gradient_at(i, t, a[i].second));
        means[i] = means[i].defined() ? means[i] + g : g;
      }
      gathered.step();
      CHECK(same_bits(values(gathered), before) == (k < 3));
      CHECK(gathered.steps() == (k < 3 ? big : big + 1));
    }
    for (std::size_t i = 0; i < shapes.size(); ++i) b[i].second.set_grad((0.25 * means[i]).array());
    plain.step();
    CHECK(same_bits(values(gathered), values(plain)));  // a quarter is exact
  }
  CHECK(gathered.lr() == 0.1 * 0.25);
}

TEST_CASE("accumulate: a parameter without any gradient stays, one with some counts the absent ones as zero") {
  auto p = leaves(shapes);
  auto opt = optim::make("accumulate(2) | sgd(lr=1)", p);
  const auto before = values(opt);
  const Array g = gradient_at(0, 1, p[0].second);
  p[0].second.set_grad(g);
  opt.step();
  p[0].second.zero_grad();
  p[1].second.set_grad(gradient_at(1, 1, p[1].second));
  opt.step();
  CHECK(error((Tensor(before[0].second) - Tensor(p[0].second.array())).array(), (0.5 * Tensor(g)).array()) <= 1e-14);
  CHECK(same_bits(p[2].second.array(), before[2].second));
  CHECK(opt.steps("a") == 1);
  CHECK(opt.steps("c") == 0);
}

TEST_CASE("skip_nonfinite: nothing changes, the call is counted and the parameter named") {
  for (const double bad : {NAN, INFINITY, -INFINITY}) {
    auto p = leaves(shapes), q = leaves(shapes);
    auto guarded = optim::make("skip_nonfinite | clip_norm(1) | adam(lr=linear(0.1, total=9))", p);
    auto plain = optim::make("clip_norm(1) | adam(lr=linear(0.1, total=9))", q);
    for (int t = 0; t < 3; ++t) {
      set_gradients(p, t), set_gradients(q, t);
      guarded.step(), plain.step();
      const auto before = values(guarded);
      const auto steps = guarded.steps();
      Array g = gradient_at(1, 50, p[1].second);
      g.write<double>("test")[4] = bad;
      p[1].second.set_grad(g);
      guarded.step();
      CHECK(same_bits(values(guarded), before));
      CHECK(guarded.steps() == steps);
      CHECK(guarded.skipped().count == t + 1);
      CHECK(guarded.skipped().parameter == "b");
      CHECK(refuses<OptimError>([&] { guarded.explain("a", 0); }, "the gradient of \"b\" is not finite"));
      CHECK(guarded.skipped().count == t + 1);
    }
    CHECK(same_bits(values(guarded), values(plain)));
  }
  auto p = leaves({{3}});
  auto opt = optim::make("skip_nonfinite | sgd", p);
  p[0].second.set_grad(Array::full({3}, 1e200, f64));  // finite, though its square is not
  opt.step();
  CHECK(opt.skipped().count == 0);
  CHECK(opt.steps() == 1);
}

TEST_CASE("skip_nonfinite before accumulate leaves out the micro-batch") {
  auto p = leaves({{3}}), q = leaves({{3}});
  auto guarded = optim::make("skip_nonfinite | accumulate(2) | sgd(lr=0.1)", p),
       plain = optim::make("accumulate(2) | sgd(lr=0.1)", q);
  for (int t = 0; t < 4; ++t) {
    set_gradients(p, t), set_gradients(q, t);
    guarded.step(), plain.step();
    p[0].second.set_grad(Array::full({3}, NAN, f64));
    guarded.step();
  }
  CHECK(same_bits(values(guarded), values(plain)));
  CHECK(guarded.skipped().count == 4);
}

TEST_CASE("every stage: gradients are not modified, the same bits with 1, 2, 3 and 7 threads") {
  const int threads_before = threads();
  for (const auto& s : stages) {
    CAPTURE(s);
    NamedArrays one;
    for (const int n : {1, 2, 3, 7}) {
      set_threads(n);
      auto p = leaves({{300, 250}, {70}, {100, 17, 10}}, f32);
      auto opt = optim::make(s + " | adamw(lr=0.1)", p);
      for (int t = 0; t < 4; ++t) {
        set_gradients(p, t);
        const Array g = p[0].second.grad().array(), copy = g.copy();
        opt.step();
        CHECK(same_bits(g, copy));
        CHECK(p[0].second.grad().array().shares_storage(g));
      }
      if (n == 1) one = values(opt);
      else CHECK_MESSAGE(same_bits(values(opt), one), n, " threads");
    }
  }
  set_threads(threads_before);
}

TEST_CASE("every stage: saved and loaded at any call is uninterrupted") {
  std::vector<std::string> rules{"adamw(lr=cosine(0.1, total=5))", "sam(sgd(momentum=0.9), rho=linear(0.05, total=9))"};
  if (optim::rule_exists("lookahead")) rules.push_back("lookahead(adamw(lr=cosine(0.1, total=5)), k=3)");
  for (const auto& rule : rules)
    for (const auto& s : stages) {
      const std::string spec = s + " | " + rule;
      CAPTURE(spec);
      const auto run = [](Optimizer& opt, int from, int to) {
        for (int t = from; t < to; ++t) step_with(opt, t);
      };
      auto whole = optim::make(spec, leaves(shapes));
      run(whole, 0, 9);
      CHECK(whole.spec().starts_with(s + " | "));
      for (int stop = 0; stop < 9; ++stop) {
        auto first = optim::make(spec, leaves(shapes));
        run(first, 0, stop);
        const auto state = first.state_dict();
        const auto at_stop = values(first);
        run(first, 77, 79);  // what was saved is a copy
        auto parameters = leaves(shapes);
        for (std::size_t i = 0; i < parameters.size(); ++i)
          parameters[i].second.writable().assign(at_stop[i].second, "test");
        auto second = optim::make(stop % 2 ? spec : rule, parameters);  // the stages are in the state
        second.load_state_dict(state);
        CHECK(same_bits(second.state_dict(), state));
        run(second, stop, 9);
        CHECK(same_bits(values(second), values(whole)));
        CHECK(same_bits(second.state_dict(), whole.state_dict()));
      }
    }
}

TEST_CASE("the accumulated gradients of another model are refused, and nothing is loaded") {
  auto p = leaves(shapes);
  auto opt = optim::make("accumulate(3) | sgd", p);
  set_gradients(p, 1);
  opt.step();
  auto other = optim::make("accumulate(3) | sgd", leaves({{4, 3}, {5}, {2, 3, 2}}));
  const auto before = other.state_dict();
  CHECK(refuses<OptimError>([&] { other.load_state_dict(opt.state_dict()); },
                            "accumulate/sum/a is f64[3,4] where f64[4,3] is needed"));
  CHECK(same_bits(other.state_dict(), before));
}

TEST_CASE("explain passes the gradient through the stages, and they do not notice") {
  for (const std::string s : {"agc(0.05)", "clip_value(0.25) | clip_norm(0.5)", "centralize", "accumulate(1)"}) {
    auto p = leaves(shapes);
    auto opt = optim::make(s + " | adam(lr=0.1)", p);
    for (int t = 0; t < 3; ++t) {
      set_gradients(p, t);
      const double expected = opt.explain("a", 5).values.after.back().value;
      CHECK(opt.explain("a", 5).values.after.back().value == expected);
      opt.step();
      CHECK(p[0].second.array().element(5) == expected);
    }
  }
  auto p = leaves(shapes);
  auto opt = optim::make("accumulate(2) | sgd", p);
  set_gradients(p, 1);
  CHECK(refuses<OptimError>([&] { opt.explain("a", 5); }, "call 1 of 2 only gathers gradients"));
  opt.step();
  const double expected = opt.explain("a", 5).values.after.back().value;
  opt.step();
  CHECK(p[0].second.array().element(5) == expected);
}

TEST_CASE("stages read back, may be set in C++, and nonsense is refused with a caret") {
  auto opt = optim::make("skip_nonfinite | accumulate(n=4) | agc(0.02, eps=0.01) | adam", leaves(shapes));
  CHECK(opt.spec().starts_with("skip_nonfinite | accumulate(4) | agc(0.02, eps=0.01) | adam(lr=0.001"));
  CHECK(optim::make(opt.spec(), leaves(shapes)).spec() == opt.spec());
  opt.clip_norm(2);
  CHECK(opt.spec().find("| clip_norm(2) | adam") != std::string::npos);
  opt.stages("clip_value(1)");
  CHECK(opt.spec().starts_with("clip_value(1) | adam("));
  opt.stages("");
  CHECK(opt.spec().starts_with("adam("));
  const auto refused = [](const std::string& spec, const std::string& part) {
    return refuses<SpecError>([&] { optim::make(spec, leaves({{2}})); }, part);
  };
  CHECK(refused("clip_nrm(1) | adam", "'clip_nrm' cannot stand before an optimizer; did you mean 'clip_norm'?"));
  CHECK(refused("adam | clip_norm(1)", "'adam' cannot stand before an optimizer"));
  CHECK(refused("clip_norm(1)", "'clip_norm' stands before an optimizer, and none follows it"));
  CHECK(refused("clip_norm | adam", "clip_norm needs max_norm"));
  CHECK(refused("clip_norm(1, 2) | adam", "clip_norm takes at most 1 value (max_norm)"));
  CHECK(refused("skip_nonfinite(3) | adam", "skip_nonfinite takes no options"));
  CHECK(refused("clip_norm(1, max_norm=2) | adam", "max_norm is given twice"));
  CHECK(refused("cosine(1, total=5) | adam",
                "'cosine' is a schedule, the value of an option as in lr=cosine(...); it cannot stand before"));
  CHECK(refused("cosine(1, total=5)", "'cosine' is a schedule, the value of an option"));
  CHECK(refused("sam(clip_norm(1) | sgd)", "stages stand before the whole optimizer"));
  CHECK(refused("sam(clip_norm(1))", "'clip_norm' stands before an optimizer"));
  CHECK(refused("adam(sgd)", "adam does not wrap another optimizer, got 'sgd'"));
  CHECK(refused("sgd | adam | lion", "\n  sgd | adam | lion\n  ^"));
  CHECK(refused("adam(lr=clip_norm(1))", "there is no schedule 'clip_norm'"));
  const auto out = [](const std::string& spec, const std::string& part) {
    return refuses<OptimError>([&] { optim::make(spec, leaves({{2}})); }, part);
  };
  CHECK(out("accumulate(0) | adam", "accumulate: n must be a whole number and >= 1, got 0"));
  CHECK(out("accumulate(2.5) | adam", "got 2.5"));
  CHECK(out("accumulate(2) | accumulate(2) | adam", "stands in the spec twice"));
  CHECK(out("agc(-1) | adam", "clipping must be finite and > 0, got -1"));
  CHECK(out("clip_norm(1) | lbfgs", "lbfgs searches along the true gradient"));
  CHECK(refuses<SpecError>([&] { opt.group("a", "clip_norm(1) | sgd"); }, "stages stand before the whole optimizer"));
}

TEST_CASE("hooks: before each call, after each step taken") {
  auto p = leaves(shapes);
  auto opt = optim::make("accumulate(2) | sgd(lr=0.1)", p);
  int before = 0, after = 0;
  opt.before_step([&](Optimizer& o) {
    ++before;
    CHECK(o.parameters()[0].second.grad().defined());
  });
  opt.after_step([&](Optimizer& o) { CHECK(o.steps() == ++after); });
  for (int t = 0; t < 6; ++t) set_gradients(p, t), opt.step();
  CHECK(before == 6);
  CHECK(after == 3);
  auto throwing = optim::make("adam", leaves(shapes));
  const auto state = throwing.state_dict();
  throwing.before_step([](Optimizer&) { throw std::runtime_error("not now"); });
  set_gradients(throwing.parameters(), 1);
  CHECK_THROWS_AS(throwing.step(), std::runtime_error);
  CHECK(same_bits(throwing.state_dict(), state));
  auto sam = optim::make("sam(sgd)", leaves({{3}}));
  int calls = 0;
  sam.before_step([&](Optimizer&) { calls += 1; });
  sam.after_step([&](Optimizer&) { calls += 10; });
  const Tensor w = sam.parameters()[0].second;
  sam.step([&] { return sum(w * w); });
  CHECK(calls == 11);
}

TEST_CASE("audit shows what every parameter gets, and warns") {
  NamedTensors p{{"fc.weight", leaf(numbers({4, 3}, 1))},
                 {"fc.bias", leaf(numbers({4}, 2))},
                 {"norm.weight", leaf(numbers({4}, 3))},
                 {"head.weight", leaf(numbers({2, 4}, 4))}};
  auto opt = optim::make("adamw(lr=cosine(0.1, total=9))", p);
  opt.group("head.*", "lr=0, weight_decay=0.5");
  optim::Audit a = opt.audit();
  REQUIRE(a.parameters.size() == 4);
  CHECK(a.parameters[0].rule == "adamw");
  CHECK(*a.parameters[0].weight_decay == 0.01);
  CHECK(a.parameters[0].lr_schedule == "cosine(0.1, total=9)");
  CHECK(a.parameters[3].group == "head.*");
  CHECK(*a.parameters[3].lr == 0);
  CHECK(a.parameters[3].lr_schedule == "");
  REQUIRE(a.warnings.size() == 2);
  CHECK(a.warnings[0].find("2 parameters with one axis or none (biases, norms) under weight decay") == 0);
  CHECK(a.warnings[0].find("fc.bias, norm.weight") != std::string::npos);
  CHECK(a.warnings[1] == "1 parameter with lr=0 will not move: head.weight");
  CHECK(to_string(a).find("fc.bias      [4]    adamw  cosine(0.1, total=9)  0.01          -       0\n") !=
        std::string::npos);

  opt.group("*.bias", "weight_decay=0");
  opt.group("norm.*", "weight_decay=0");
  opt.group("head.*", "lr=0.1");
  for (std::size_t i = 0; i < 3; ++i) p[i].second.set_grad(numbers(p[i].second.shape(), 9));
  opt.step();
  a = opt.audit();
  REQUIRE(a.warnings.size() == 1);
  CHECK(a.warnings[0] == "1 parameter without a gradient in 1 steps: head.weight");
  CHECK(a.parameters[0].steps == 1);
  CHECK(optim::make("lbfgs", leaves({{2}})).audit().warnings.empty());
}
