// Schedules: values against PyTorch (tests/vectors/make_schedule_vectors.py), text and back, in an Optimizer, resumed.
#include <gradus/tests/helpers/optim.h>

#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <map>

using namespace optim_testing;
using optim::Schedule;
namespace schedules = optim::schedules;

namespace {

const std::map<std::string, Array>& vectors() {
  static const auto all = [] {
    std::map<std::string, Array> m;
    for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/schedules.safetensors").tensors) m[name] = a;
    return m;
  }();
  return all;
}

double largest_difference(const std::vector<double>& got, const Array& expected, std::size_t from = 0) {
  double d = 0;
  for (int64_t k = 0; k < expected.size(); ++k)
    d = std::max(d, std::fabs(got[from + static_cast<std::size_t>(k)] - expected.element(k)));
  return d;
}

Optimizer one(const std::string& spec) { return optim::make(spec, std::vector<Tensor>{leaf(numbers({4}, 1), "w")}); }

void step(Optimizer& opt) {
  for (const auto& p : opt.parameters())
    p.second.set_grad(numbers(p.second.shape(), static_cast<unsigned>(opt.steps()) + 5));
  opt.step();
}

const std::vector<std::string> texts = {"constant(0.1)",
                                        "constant(0.1, factor=0.5, total=3)",
                                        "step(0.1, size=2, gamma=0.5)",
                                        "multi_step(0.1, 2, 5, gamma=0.5)",
                                        "exponential(0.1, gamma=0.9)",
                                        "polynomial(0.1, total=9, power=2, end=0.01)",
                                        "linear(0.1, total=9, end=0.01)",
                                        "cosine(0.1, total=9, end=0.01)",
                                        "cosine(0.1, total=4, periodic=true)",
                                        "cosine_restarts(0.1, period=2, mult=2)",
                                        "one_cycle(0.1, total=9, three_phase=true, anneal=linear)",
                                        "cyclic(0.01, peak=0.1, up=2, down=3, mode=triangular2)",
                                        "inverse_sqrt(0.1, warmup=3)",
                                        "inverse_sqrt(0.1, timescale=2)",
                                        "inverse_time(0.1, rate=0.5)",
                                        "noam(0.1, d_model=16, warmup=3)",
                                        "rex(0.1, total=9)",
                                        "wsd(0.1, total=9, decay=3, shape=sqrt, warmup=2)",
                                        "plateau(0.1, mode=max, patience=0)",
                                        "warmup(cosine(0.1, total=7), steps=2)",
                                        "warmup(constant(0.1), steps=2, from=0.5)",
                                        "sequential(constant(0.1), 2, linear(0.1, total=4), 5, exponential(0.1, gamma=0.5))",
                                        "chained(cosine(0.1, total=9), exponential(1, gamma=0.9), plateau(1, patience=0))"};

}  // namespace

TEST_CASE("schedules follow PyTorch's, all fifteen") {
  double worst = 0;
  int cases = 0;
  for (const auto& item : vectors()) {
    const auto& key = item.first;  // clang 14 cannot capture a structured binding
    const auto& expected = item.second;
    const auto bar = key.find('|');
    const std::string text = key.substr(0, bar);
    if (text == "metrics" || text == "far" || text.starts_with("user") || text.starts_with("plateau")) continue;
    const double d = largest_difference(Schedule(text).preview(100), expected);
    CHECK_MESSAGE(d <= 1e-12, key, " differs by ", d);
    worst = std::max(worst, d);
    ++cases;
  }
  CHECK(cases == 28);
  MESSAGE(cases << " schedules of 100 steps, largest difference " << worst);
}

TEST_CASE("plateau follows PyTorch's on a noisy metric") {
  const Array& metrics = vectors().at("metrics");
  int cases = 0, falls = 0;
  for (const auto& item : vectors()) {
    const auto& key = item.first;  // clang 14 cannot capture a structured binding
    const auto& expected = item.second;
    if (!key.starts_with("plateau")) continue;
    Schedule s(key);
    std::vector<double> got;
    for (int64_t k = 0; k < 100; ++k) {
      got.push_back(s.at(k));
      s.report(metrics.element(k));
    }
    CHECK_MESSAGE(largest_difference(got, expected) <= 1e-12, key);
    falls += got.front() != got.back();
    ++cases;
  }
  CHECK(cases == 5);
  CHECK(falls == 5);
}

TEST_CASE("a user's function is LambdaLR, and with a factor of the last value MultiplicativeLR") {
  const Schedule lambda([](int64_t k) { return 0.1 / (1 + 0.1 * static_cast<double>(k)); });
  CHECK(largest_difference(lambda.preview(100), vectors().at("user lambda")) <= 1e-12);
  const Schedule product = schedules::multiplicative(0.1, [](int64_t k) { return k % 3 ? 0.95 : 1.02; });
  CHECK(largest_difference(product.preview(100), vectors().at("user multiplicative")) <= 1e-12);
  CHECK(product.at(50) == product.preview(51)[50]);
  CHECK(product.at(7) == product.preview(8)[7]);
}

TEST_CASE("after twenty thousand steps the closed form is where PyTorch's recursion has drifted to, within 1e-12") {
  for (const char* text : {"cosine(0.1, total=20000)", "exponential(0.1, gamma=0.9999)"}) {
    const Array& expected = vectors().at(std::string("far|") + text);
    const double d = largest_difference(Schedule(text).preview(20000), expected, 19900);
    CHECK_MESSAGE(d <= 1e-12, text, " differs by ", d);
    MESSAGE(std::string(text) << ": " << d);
  }
}

TEST_CASE("schedules that PyTorch does not have, at places worked out by hand") {
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-14); };
  const Schedule warm("cosine(3e-4, warmup=500, total=20000)");  // the total counts the warm-up
  CHECK(warm.at(0) == 0);
  CHECK(warm.at(250) == near(1.5e-4));
  CHECK(warm.at(500) == near(3e-4));
  CHECK(warm.at(500 + 19500 / 2) == near(1.5e-4));
  CHECK(warm.at(20000) == near(0));
  CHECK(warm.at(99999) == near(0));
  CHECK(schedules::warmup(schedules::cosine(3e-4, 19500), 500).preview(600) == warm.preview(600));
  const Schedule root("inverse_sqrt(0.1, warmup=100)");  // 0.1 sqrt(100 / k)
  CHECK(root.at(50) == near(0.05));
  CHECK(root.at(100) == near(0.1));
  CHECK(root.at(400) == near(0.05));
  const Schedule noam("noam(2, d_model=512, warmup=4000)");
  CHECK(noam.at(0) == near(2 / std::sqrt(512.0) * std::pow(4000, -1.5)));
  CHECK(noam.at(15999) == near(2 / std::sqrt(512.0) / std::sqrt(16000.0)));
  const Schedule wsd("wsd(1, total=100, decay=20, warmup=10)");
  CHECK(wsd.at(5) == near(0.5));
  CHECK(wsd.at(10) == 1);
  CHECK(wsd.at(80) == 1);
  CHECK(wsd.at(90) == near(0.5));
  CHECK(wsd.at(100) == 0);
  CHECK(Schedule("wsd(1, total=100, decay=25, shape=sqrt)").at(84) == near(1 - 0.6));
  CHECK(Schedule("inverse_time(0.1, rate=0.5)").at(2) == near(0.05));
  CHECK(Schedule("rex(1, total=10)").at(5) == near(0.5 / 0.75));
  CHECK(Schedule("0.25").at(1000) == 0.25);
  CHECK(schedules::sequential({schedules::constant(1), schedules::constant(2)}, {3}).preview(5) ==
        std::vector<double>{1, 1, 1, 2, 2});
}

TEST_CASE("a schedule reads back as it was printed, and functions make what text makes") {
  for (const auto& text : texts) {
    CAPTURE(text);
    CHECK(Schedule(text).spec() == text);
    CHECK(Schedule(Schedule(text).spec()).preview(20) == Schedule(text).preview(20));
    CHECK(Schedule(text).horizon() >= 7);
  }
  CHECK(schedules::multi_step(0.1, {2, 5}, 0.5).spec() == "multi_step(0.1, 2, 5, gamma=0.5)");
  CHECK(schedules::wsd(0.1, 9, 3).spec() == "wsd(0.1, total=9, decay=3)");
  CHECK(schedules::chained({schedules::step(0.1, 2), schedules::exponential(1, 0.5)}).spec() ==
        "chained(step(0.1, size=2), exponential(1, gamma=0.5))");
  CHECK(Schedule("cosine(0.1, 9, 0.01)").spec() == "cosine(0.1, total=9, end=0.01)");
  std::vector<std::string> named;
  for (const auto& entry : optim::all_schedules()) {
    CHECK(entry.formula.size() > 10);
    CHECK_MESSAGE(std::any_of(texts.begin(), texts.end(), [&](const auto& t) { return t.starts_with(entry.name + "("); }),
                  entry.name);
  }
}

TEST_CASE("a plot shows where a schedule goes") {
  const std::string plot = to_string(Schedule("linear(1, total=9)"), 10);
  CHECK(plot.starts_with("linear(1, total=9)\n         1 |*\n           | *\n"));
  CHECK(plot.find("         0 |         *\n            0        9\n") != plot.npos);
  CHECK(to_string(Schedule("constant(2)")).find("*****") != std::string::npos);
}

TEST_CASE("schedules that make no sense are refused, in text with a caret") {
  const auto refused = [](const std::string& text, const std::string& part) {
    return refuses<SpecError>([&] { one("sgd(lr=" + text + ")"); }, part);
  };
  CHECK(refused("cosine(1)", "cosine needs total"));
  CHECK(refused("cosine(1)", "\n  sgd(lr=cosine(1))\n         ^"));
  CHECK(refused("cosine", "cosine needs value"));
  CHECK(refused("cosin(1, total=5)", "there is no schedule 'cosin'; did you mean 'cosine'?"));
  CHECK(refused("adam(1)", "there is no schedule 'adam'"));
  CHECK(refused("cosine(1, total=5, totl=3)", "did you mean 'total'?"));
  CHECK(refused("cosine(1, 5, total=5)", "total is given twice"));
  CHECK(refused("cosine(1, 5, 0, false, 3, 7)", "cosine takes at most 5 values"));
  CHECK(refused("cosine(1, total=linear(5, total=2))", "total takes a number, got 'linear(5, total=2)'"));
  CHECK(refused("cyclic(0, peak=1, mode=triangulr)", "did you mean 'triangular'?"));
  CHECK(refused("warmup(5)", "warmup needs steps"));
  CHECK(refused("sequential(constant(1), 5)", "ends with a schedule"));
  CHECK(refused("sequential(constant(1), 0.5, constant(1))", "expected the step at which"));
  CHECK(refused("chained()", "chained needs schedules"));
  CHECK(refused("user(0.1)", "cannot be made from text"));
  CHECK(refuses<SpecError>([] { one("adam(amsgrad=cosine(1, total=3))"); }, "amsgrad is one of false, true"));
  const auto out = [](const std::string& text, const std::string& part) {
    return refuses<OptimError>([&] { Schedule s(text); }, part);
  };
  CHECK(out("cosine(1, total=0)", "cosine: total must be a whole number and >= 1, got 0"));
  CHECK(out("cosine(1, total=5.5)", "got 5.5"));
  CHECK(out("cosine(1, total=5, warmup=5)", "warmup must be below total, got warmup=5, total=5"));
  CHECK(out("wsd(1, total=5, decay=6)", "decay must be at most total"));
  CHECK(out("wsd(1, total=10, decay=6, warmup=5)", "decay must be at most total"));
  CHECK(out("multi_step(1, 30, 20)", "milestones are whole numbers that rise, got 20"));
  CHECK(out("sequential(1, 30, 2, 20, 3)", "rise, got 20"));
  CHECK(out("plateau(1, factor=1)", "factor must lie in [0, 1), got 1"));
  CHECK(out("one_cycle(1, total=10, three_phase=true, pct_start=0.6)", "at most 0.5"));
  CHECK(refuses<OptimError>([] { schedules::linear(1, 0); }, "total must be"));
  CHECK(refuses<OptimError>([] { schedules::sequential({schedules::constant(1)}, {3}); }, "a milestone between each two"));
}

TEST_CASE("any number may be scheduled; the spec prints it back") {
  auto opt = one("adamw(lr=cosine(0.1, total=4), weight_decay=linear(0.5, total=4), beta1=sequential(0.5, 2, 0.9))");
  const std::string printed =
      "adamw(lr=cosine(0.1, total=4), beta1=sequential(constant(0.5), 2, constant(0.9)), beta2=0.999, eps=1e-08, "
      "weight_decay=linear(0.5, total=4), amsgrad=false, dialect=pytorch)";
  CHECK(opt.spec() == printed);
  CHECK(one(opt.spec()).spec() == printed);
  CHECK(opt.spec_of("w") == printed);
  const auto lr = Schedule("cosine(0.1, total=4)").preview(6), decay = Schedule("linear(0.5, total=4)").preview(6);
  for (std::size_t k = 0; k < 6; ++k) {
    step(opt);
    CHECK(opt.lr() == lr[k]);
    CHECK(opt.get("weight_decay") == decay[k]);
    CHECK(opt.get("beta1", "w") == (k < 2 ? 0.5 : 0.9));
  }
  CHECK(opt.spec() == printed);
  opt.set_lr(0.25);  // ends that schedule alone
  step(opt);
  CHECK(opt.lr() == 0.25);
  CHECK(opt.spec().find("lr=0.25, beta1=sequential(") != std::string::npos);
  opt.schedule("lr", "exponential(1, gamma=0.5)");
  CHECK(opt.lr() == std::pow(0.5, 7));
  CHECK(refuses<OptimError>([&] { opt.schedule("amsgrad", "constant(1)"); }, "amsgrad is not a number"));
  CHECK(refuses<OptimError>([&] { opt.schedule("lrr", "constant(1)"); }, "did you mean 'lr'?"));
  CHECK(refuses<OptimError>([&] { opt.schedule("beta1", "constant(1)"); }, "beta1 must lie in [0, 1), got 1"));
}

TEST_CASE("a scheduled step is the step with that value") {
  const Tensor a = leaf(numbers({5}, 1)), b = leaf(numbers({5}, 1));
  auto scheduled = optim::make("sgd(lr=cosine(0.1, total=5), momentum=linear(0, total=5, end=0.9))", std::vector<Tensor>{a});
  auto by_hand = optim::make("sgd", std::vector<Tensor>{b});
  const auto lr = Schedule("cosine(0.1, total=5)").preview(5), momentum = Schedule("linear(0, total=5, end=0.9)").preview(5);
  for (std::size_t k = 0; k < 5; ++k) {
    by_hand.set_lr(lr[k]);
    by_hand.set("momentum", momentum[k]);
    step(scheduled), step(by_hand);
    CHECK(same_bits(a.array(), b.array()));
  }
}

TEST_CASE("groups follow the first one's schedules but for what is their own") {
  auto opt = optim::make("sgd(lr=linear(1, total=4))", leaves({{2}, {2}, {2}}));
  opt.group("b", "weight_decay=linear(0.4, total=4)");
  opt.group("c", "lr=exponential(1, gamma=0.5)");
  for (int k = 0; k < 3; ++k) {
    step(opt);
    CHECK(opt.get("lr", "a") == 1 - 0.25 * k);
    CHECK(opt.get("lr", "b") == 1 - 0.25 * k);
    CHECK(opt.get("lr", "c") == std::pow(0.5, k));
    CHECK(opt.get("weight_decay", "b") == doctest::Approx(0.4 - 0.1 * k));
    CHECK(opt.get("weight_decay", "a") == 0);
  }
  CHECK(opt.spec_of("c").starts_with("sgd(lr=exponential(1, gamma=0.5)"));
  opt.group("c", "lr=0.5");
  step(opt);
  CHECK(opt.get("lr", "c") == 0.5);
}

TEST_CASE("a schedule through a wrapper reaches the option where it stands") {
  auto opt = one("sam(sgd(lr=linear(0.1, total=4), momentum=0.9), rho=exponential(0.05, gamma=0.5))");
  CHECK(opt.spec().starts_with("sam(sgd(lr=linear(0.1, total=4), momentum=0.9"));
  CHECK(opt.spec().ends_with("rho=exponential(0.05, gamma=0.5))"));
  CHECK(one(opt.spec()).spec() == opt.spec());
  const Tensor w = opt.parameters()[0].second;
  for (int k = 0; k < 2; ++k) opt.step([&] { return sum(w * w); });
  CHECK(opt.lr() == doctest::Approx(0.075));
  CHECK(opt.get("rho") == 0.025);
}

TEST_CASE("a value out of range at some step refuses that step and changes nothing") {
  auto opt = one("adam(lr=0.1, beta1=linear(0.5, total=4, end=1))");
  for (int k = 0; k < 4; ++k) step(opt);
  const auto before = values(opt), state = opt.state_dict();
  CHECK(refuses<OptimError>([&] { step(opt); }, "beta1 must lie in [0, 1), got 1"));
  CHECK(same_bits(values(opt), before));
  CHECK(same_bits(opt.state_dict(), state));
  CHECK(opt.steps() == 4);
}

TEST_CASE("plateau listens to opt.report, alone and in a product") {
  auto opt = one("sgd(lr=plateau(0.1, factor=0.5, patience=1))");
  for (const double loss : {3.0, 3.0, 3.0}) step(opt), opt.report(loss);
  CHECK(opt.lr() == 0.1);
  step(opt);
  CHECK(opt.lr() == 0.05);
  auto product = one("sgd(lr=chained(exponential(1, gamma=0.5), plateau(1, patience=0, factor=0.5)))");
  for (int k = 0; k < 3; ++k) step(product), product.report(1);
  CHECK(product.lr() == 0.25 * 0.5);
  CHECK(refuses<OptimError>([] { one("sgd").report(1); }, "no schedule waits for a metric; plateau does"));
}

namespace {

/// Falls by its own memory, not by the step.
struct Halving {
  double now = 0.8;
  double calls = 0;
  GRADUS_FIELDS(now, calls)
  double operator()(int64_t) {
    ++calls;
    return now *= 0.5;
  }
};

void drive(Optimizer& opt, int steps) {
  for (int k = 0; k < steps; ++k) {
    step(opt);
    try {
      opt.report(0.1 * static_cast<double>(opt.steps() % 3));
    } catch (const OptimError&) {
    }
  }
}

}  // namespace

TEST_CASE("every schedule: saved and loaded at any step is uninterrupted") {
  for (const auto& text : texts) {
    CAPTURE(text);
    const std::string spec = "sgd(lr=" + text + ", momentum=0.9)";
    auto whole = one(spec);
    drive(whole, 8);
    for (int stop = 0; stop < 8; ++stop) {
      auto first = one(spec);
      drive(first, stop);
      auto second = one(stop % 2 ? "sgd" : spec);  // the schedule itself is in the state
      second.parameters()[0].second.writable().assign(first.parameters()[0].second.array(), "test");
      second.load_state_dict(first.state_dict());
      CHECK(second.spec() == first.spec());
      if (stop > 0 && !Schedule(text).waits_for_metric()) CHECK(second.lr() == first.lr());
      CHECK(same_bits(second.state_dict(), first.state_dict()));
      drive(second, 8 - stop);
      CHECK(same_bits(values(second), values(whole)));
      CHECK(same_bits(second.state_dict(), whole.state_dict()));
    }
  }
}

TEST_CASE("a user's function with fields: its state is saved, and it must be given before loading") {
  auto whole = one("sgd");
  whole.schedule("lr", Halving());
  drive(whole, 6);
  auto first = one("sgd");
  first.schedule("lr", Halving());
  drive(first, 4);
  CHECK(first.lr() == 0.05);
  CHECK(first.spec().starts_with("sgd(lr=0.05"));
  const auto state = first.state_dict();
  auto second = one("sgd");
  const auto before = second.state_dict();
  CHECK(refuses<OptimError>([&] { second.load_state_dict(state); }, "lr follows a function of the user's own"));
  CHECK(same_bits(second.state_dict(), before));
  second.schedule("lr", Halving());
  second.parameters()[0].second.writable().assign(first.parameters()[0].second.array(), "test");
  second.load_state_dict(state);
  drive(second, 2);
  CHECK(same_bits(values(second), values(whole)));
  CHECK(same_bits(second.state_dict(), whole.state_dict()));
}

TEST_CASE("explain has the value of the step to come") {
  auto opt = one("sgd(lr=exponential(1, gamma=0.5))");
  for (int k = 0; k < 3; ++k) {
    const Tensor w = opt.parameters()[0].second;
    w.set_grad(numbers({4}, 3));
    const double expected = opt.explain("w", 2).values.after.back().value;
    opt.step();
    CHECK(w.array().element(2) == expected);
  }
}
