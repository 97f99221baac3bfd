// What holds for every rule that is enrolled, a user's own included, with each of its options on and off.
#include <gradus/tests/optim_testing.h>

#include <gradus/core/parallel.h>
#include <gradus/optim/rule.h>

#include <doctest/doctest.h>

using namespace optim_testing;

// ---- a user's own rules, in a namespace of their own ------------------------------------------------------------------

namespace mine {

/// Rprop's way of choosing a factor: select, and a copy of the gradient as state.
template <class S = double>
struct RpropLikeRule {
  S lr = 0.01, up = 1.2, down = 0.5;
  GRADUS_FIELDS(lr, up, down)
  template <class V>
  struct State {
    V before, size;
    GRADUS_FIELDS(before, size)
  };
  auto initial() const { return std::tuple(0.0, lr); }
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  template <class V>
  auto update(V g, V& w, State<V>& s, const Step&) const {
    V agree = g * s.before;
    s.size = s.size * select(agree > V(0), V(up), select(agree < V(0), V(down), V(1)));
    s.before = g;
    w -= sign(g) * s.size;
    return GRADUS_SHOW(agree);
  }
};

/// Needs the old value after the new one exists, a value used twice, and a running product.
template <class S = double>
struct OldValueRule {
  S lr = 0.01, beta = 0.9;
  bool damped = false;
  GRADUS_FIELDS(lr, beta, damped)
  template <class V>
  struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step {
    S product = 1.0;
    GRADUS_FIELDS(product)
  };
  void advance(Step& k, S t) const { k.product = k.product * (1 - 0.5 * pow(beta, t)); }
  template <class V>
  void update(V g, V& w, State<V>& s, const Step& k) const {
    V before = s.m;
    s.m = beta * s.m + g;
    if (damped) w -= lr * abs(s.m - before) / (1 + abs(s.m - before));
    w -= k.product * lr * (s.m + beta * before);
  }
};

/// A layer rule: the direction has length lr, whatever the gradient's.
template <class S = double>
struct NormedRule {
  S lr = 0.01;
  GRADUS_FIELDS(lr)
  template <class V>
  struct State : gradus::NoFields {};
  struct Step : gradus::NoFields {};
  void advance(Step&, S) const {}
  template <class V>
  auto direction(V g, const V&, State<V>&, const Step&, V& d) const {
    d = g;
    return GRADUS_SHOW(g);
  }
  S length(S, S d_norm, const Step&) const { return lr / d_norm; }
};

}  // namespace mine

namespace {

/// The built-in rules and ours.
std::vector<optim::RuleEntry> rules() {
  if (!optim::rule_exists("mine_rprop")) {
    optim::enrol<mine::RpropLikeRule>("mine_rprop", {"", 2026});
    optim::enrol<mine::OldValueRule>("mine_old_value", {"", 2026});
    optim::enrol<mine::NormedRule>("mine_normed", {"", 2026});
  }
  return optim::all_rules();
}

/// The rule with its defaults, with each option that is off at first, on, and with every other word of a choice.
std::vector<std::string> variants(const optim::RuleEntry& rule) {
  std::vector<std::string> specs;
  const Tensor w = leaf(Array::zeros({2, 2}, f64));
  auto add = [&](const std::string& spec) {
    try {
      specs.push_back(optim::make(spec, std::vector<Tensor>{w}).spec());
      return true;
    } catch (const OptimError&) {
      return false;
    }
  };
  add(rule.info.name);
  for (const auto& o : rule.defaults) {
    if (o.kind == optim::Option::Kind::number && o.value != 0) continue;
    if (o.name == "max_eval") continue;
    std::vector<std::string> others(o.words.begin() + !o.words.empty(), o.words.end());
    if (o.words.empty()) others.push_back(o.kind == optim::Option::Kind::number ? "0.125" : "true");
    for (const auto& other : others) {
      const std::string on = o.name + "=" + other;
      bool known = add(rule.info.name + "(" + on + ")");
      for (const auto& [name, value] : {std::pair("momentum", "=0.9, "), std::pair("initial_accumulator_value", "=0.1, ")})
        known = known || (optim::new_rule(rule.info.name)->has(name) && add(rule.info.name + "(" + name + value + on + ")"));
      REQUIRE(known);
    }
  }
  return specs;
}

template <class F>
void for_every_variant(F f) {
  for (const auto& rule : rules())
    for (const auto& spec : variants(rule)) {
      CAPTURE(spec);
      f(rule.info, spec);
    }
}

const std::vector<Shape> matrices{{3, 5}, {1, 1}, {7, 6}};

NamedArrays after(const std::string& spec, const std::vector<Shape>& shapes, Dtype dtype, int steps) {
  auto opt = optim::make(spec, leaves(shapes, dtype));
  for (int t = 1; t <= steps; ++t) step_with(opt, t);
  auto all = opt.state_dict();
  for (auto& v : values(opt)) all.push_back(std::move(v));
  return all;
}

}  // namespace

TEST_CASE("every rule says where it comes from and what its options are") {
  for (const auto& rule : rules()) {
    CAPTURE(rule.info.name);
    CHECK(rule.info.year > 1900);
    CHECK((rule.info.name.starts_with("mine_") || rule.info.paper.size() > 20));
    CHECK(rule.defaults.back().name == "maximize");
    CHECK(optim::equations(rule.info.name).size() > 10);
    CHECK(variants(rule).size() >= 2);
  }
}

TEST_CASE("every rule: the pass gives the bits of num<T>, one number at a time") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape == optim::RuleShape::matrix || info.shape == optim::RuleShape::closure) return;
    for (const Dtype dtype : {f32, f64}) {
      auto parameters = leaves({{3, 7}, {1}, {67}}, dtype);
      auto opt = optim::make(spec, parameters);
      for (int t = 1; t <= 4; ++t) {
        for (std::size_t i = 0; i < parameters.size(); ++i)
          parameters[i].second.set_grad(gradient_at(i, t, parameters[i].second));
        std::vector<std::vector<optim::Explanation>> expected;
        for (const auto& p : parameters) {
          expected.emplace_back();
          for (int64_t i = 0; i < p.second.size(); ++i) expected.back().push_back(opt.explain(p.first, i));
        }
        opt.step();
        const auto state = opt.state_dict();
        int64_t wrong = 0, compared = 0;
        for (std::size_t k = 0; k < parameters.size(); ++k)
          for (const auto& e : expected[k])
            for (const auto& v : e.values.after) {
              double got = parameters[k].second.array().element(e.index);
              if (v.name != "w")
                for (const auto& [name, a] : state)
                  if (name == info.name + "/" + v.name + "/" + e.parameter) got = a.element(e.index);
              wrong += std::memcmp(&got, &v.value, sizeof got) != 0;
              ++compared;
            }
        CHECK(wrong == 0);
        CHECK(compared >= 89);
      }
    }
  });
}

TEST_CASE("every rule: the same bits with 1, 2, 3 and 7 threads") {
  const int threads_before = threads();
  const std::vector<Shape> shapes{{300, 250}, {3, 5}, {2, 2}, {100, 170}};
  for_every_variant([&](const optim::RuleInfo& info, const std::string& spec) {
    set_threads(1);
    const auto one = after(spec, shapes, f32, 2);
    for (const int n : {2, 3, 7}) {
      if (n == 3 && info.shape == optim::RuleShape::closure) continue;  // vectors in order: nothing is split
      set_threads(n);
      CHECK_MESSAGE(same_bits(after(spec, shapes, f32, 2), one), n, " threads");
    }
  });
  set_threads(threads_before);
}

TEST_CASE("every rule: gradients are not modified, and a parameter without one is left alone") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape == optim::RuleShape::closure) return;
    auto parameters = leaves(matrices);
    auto opt = optim::make(spec, parameters);
    for (int t = 1; t <= 3; ++t) {
      const Array g = gradient_at(0, t, parameters[0].second), kept = g.copy(), before = parameters[1].second.array().copy();
      parameters[0].second.set_grad(g);
      parameters[1].second.zero_grad();
      parameters[2].second.set_grad(gradient_at(2, t, parameters[2].second));
      opt.step();
      CHECK(same_bits(g, kept));
      CHECK(parameters[0].second.grad().array().same_numbers(g));
      CHECK(same_bits(parameters[1].second.array(), before));
      CHECK_FALSE(parameters[1].second.grad().defined());
    }
    CHECK(opt.steps("a") == 3);
    CHECK(opt.steps("b") == 0);
    CHECK(opt.steps() == 3);
  });
}

TEST_CASE("every rule: a gradient that is the parameter's own numbers, or a view with gaps, is the same gradient") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape == optim::RuleShape::closure) return;
    const Tensor a = leaf(numbers({4, 6}, 1)), b = leaf(numbers({4, 6}, 1));
    auto opt_a = optim::make(spec, std::vector<Tensor>{a}), opt_b = optim::make(spec, std::vector<Tensor>{b});
    for (int t = 0; t < 3; ++t) {
      b.set_grad(b.array().copy());
      a.set_grad(a.array());
      opt_a.step(), opt_b.step();
      const Array wide = numbers({6, 4}, 9u + static_cast<unsigned>(t));
      a.set_grad(wide.transpose(0, 1));
      b.set_grad(wide.transpose(0, 1).contiguous());
      opt_a.step(), opt_b.step();
    }
    CHECK(same_bits(a.array(), b.array()));
  });
}

TEST_CASE("every rule: split into groups is one group") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape == optim::RuleShape::closure && info.name != "sam") return;
    auto whole = optim::make(spec, leaves(matrices)), split = optim::make(spec, leaves(matrices));
    split.group("b", "lr=" + text(whole.lr()));
    split.group("c*", "");
    for (int t = 1; t <= 4; ++t) step_with(whole, t), step_with(split, t);
    CHECK(same_bits(values(whole), values(split)));
  });
}

TEST_CASE("every rule: saved and loaded at any step is uninterrupted") {
  for_every_variant([](const optim::RuleInfo&, const std::string& spec) {
    const auto expected = after(spec, matrices, f64, 5);
    for (int stop = 0; stop <= 4; ++stop) {
      auto first = optim::make(spec, leaves(matrices));
      for (int t = 1; t <= stop; ++t) step_with(first, t);
      const auto state = first.state_dict();
      const auto at_stop = values(first);
      step_with(first, 99);  // what was saved is a copy

      auto parameters = leaves(matrices);
      for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].second.writable().assign(at_stop[i].second, "test");
      auto second = optim::make(spec, parameters);
      second.load_state_dict(state);
      CHECK(same_bits(second.state_dict(), state));
      for (int t = stop + 1; t <= 5; ++t) step_with(second, t);
      auto got = second.state_dict();
      for (auto& v : values(second)) got.push_back(std::move(v));
      CHECK(same_bits(got, expected));
    }
  });
}

TEST_CASE("every element rule: a step in tensors is the same step") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape != optim::RuleShape::element) return;
    auto parameters = leaves({{3, 4}});
    auto opt = optim::make(spec, parameters);
    const auto& rule = static_cast<const optim::ElementRule&>(opt.rule());
    optim::TensorState state{Tensor(parameters[0].second.array().copy()), {}, {}, 0};
    for (int t = 1; t <= 4; ++t) {
      rule.step_tensors(state, Tensor(gradient_at(0, t, parameters[0].second)), {});
      step_with(opt, t);
      CHECK(error(state.w.array(), parameters[0].second.array()) <= 1e-14);
    }
  });
}

TEST_CASE("every rule: maximizing is minimizing with the sign of the gradient changed") {
  for_every_variant([](const optim::RuleInfo& info, const std::string& spec) {
    if (info.shape == optim::RuleShape::closure || spec.find("maximize") != spec.npos) return;
    const Tensor a = leaf(numbers({3, 5}, 1)), b = leaf(numbers({3, 5}, 1));
    auto up = optim::make(spec, std::vector<Tensor>{a}), down = optim::make(spec, std::vector<Tensor>{b});
    up.set("maximize", 1);
    for (int t = 1; t <= 3; ++t) {
      const Array g = numbers({3, 5}, 70u + static_cast<unsigned>(t));
      a.set_grad(g);
      b.set_grad((-Tensor(g)).array());
      up.step(), down.step();
    }
    CHECK(same_bits(a.array(), b.array()));
  });
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
  CHECK(refuses<OptimError>([] { optim::enrol<mine::NormedRule>("adam", {}); }, "there is a rule \"adam\" already"));
  CHECK(refuses<OptimError>([] { optim::enrol<mine::NormedRule>("Not OK", {}); }, "lower-case"));
  const Tensor w = leaf(Array::zeros({4}, f64));
  auto opt = optim::make("mine_normed(lr=0.5)", std::vector<Tensor>{w});
  w.set_grad(Array::full({4}, 3, f64));
  opt.step();
  CHECK(w.array().element(2) == -0.5 / 6.0 * 3);
  CHECK(opt.rule().info().shape == optim::RuleShape::layer);
}
