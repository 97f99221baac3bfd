// Spec strings, the registry, printed equations.
#include <gradus/tests/helpers/optim.h>

#include <gradus/optim/rule/symbol.h>

#include <doctest/doctest.h>

#include <filesystem>

using namespace optim_testing;

namespace {

std::string reprint(const std::string& s) { return print(optim::parse_spec(s)); }

Optimizer one(const std::string& spec) { return optim::make(spec, std::vector<Tensor>{leaf(numbers({2, 3}, 1), "w")}); }

}  // namespace

TEST_CASE("a spec reads back as it was printed") {
  CHECK(reprint("adamw(lr=3e-4,weight_decay=0.1)") == "adamw(lr=3e-04, weight_decay=0.1)");
  CHECK(reprint(" clip_norm( 1 )|adam ") == "clip_norm(1) | adam");
  CHECK(reprint("lookahead(sam(sgd(lr=0.1, momentum=.9), rho=5e-2), k=5)") ==
        "lookahead(sam(sgd(lr=0.1, momentum=0.9), rho=0.05), k=5)");
  CHECK(reprint("adamw(lr=cosine(3e-4, warmup=500, total=20000))") == "adamw(lr=cosine(3e-04, warmup=500, total=20000))");
  CHECK(reprint("x(a=-1, b=+2, c=true, d=1e-300)") == "x(a=-1, b=2, c=true, d=1e-300)");
  CHECK(reprint("adam()") == "adam");
  for (const auto& rule : optim::all_rules()) {
    const auto opt = one(rule.info.name);
    CHECK(one(opt.spec()).spec() == opt.spec());
  }
  CHECK(one("clip_norm(0.5) | sgd(lr=0.125)").spec() ==
        "clip_norm(0.5) | sgd(lr=0.125, momentum=0, dampening=0, weight_decay=0, nesterov=false, dialect=pytorch)");
}

TEST_CASE("what cannot be read is refused with a caret under the place") {
  CHECK(refuses<SpecError>([] { one("adamw(lr=3e-4, weight_dacay=0.1)"); },
                           "adamw has no option 'weight_dacay'; did you mean 'weight_decay'?"));
  CHECK(refuses<SpecError>([] { one("adamw(lr=3e-4, weight_dacay=0.1)"); },
                           "\n  adamw(lr=3e-4, weight_dacay=0.1)\n                 ^"));
  CHECK(refuses<SpecError>([] { one("adamv(lr=1)"); }, "there is no optimizer 'adamv'; did you mean 'adam'?"));
  CHECK(refuses<SpecError>([] { one(""); }, "expected the name of an optimizer"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1"); }, "expected ',' or ')'"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1) x"); }, "did not expect 'x' here"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1,)"); }, "expected a number, a word or a stage"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1e-3x)"); }, "a number ends here"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1e999)"); }, "out of range"));
  CHECK(refuses<SpecError>([] { one("adam(lr=-inf)"); }, "expected a number"));
  CHECK(refuses<SpecError>([] { one("adam(lr=nan)"); }, "lr takes a number, got 'nan'"));
  CHECK(refuses<SpecError>([] { one("adam(0.1)"); }, "a value needs its name here, as in lr=0.1"));
  CHECK(refuses<SpecError>([] { one("adam(lr=1, lr=2)"); }, "lr is given twice"));
  CHECK(refuses<SpecError>([] { one("adam(amsgrad=ture)"); }, "did you mean 'true'?"));
  CHECK(refuses<SpecError>([] { one("muon(adjust_lr=orginal)"); }, "adjust_lr is one of original, match_rms_adamw"));
  CHECK(refuses<SpecError>([] { one("adam(lr=lion(1))"); }, "there is no schedule 'lion'"));
  CHECK(refuses<SpecError>([] { one("sgd | adam"); }, "'sgd' cannot stand before an optimizer"));
  CHECK(refuses<OptimError>([] { one("clip_norm(0) | adam"); }, "clip_norm: max_norm must be finite and > 0, got 0"));
  CHECK(refuses<SpecError>([] { one("sam(0.1)"); }, "wraps another optimizer"));
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "sam(";
  CHECK(refuses<SpecError>([&] { one(deep); }, "nested too deeply"));
}

TEST_CASE("options out of range name the value and the range") {
  CHECK(refuses<OptimError>([] { one("sgd(lr=-1)"); }, "sgd: lr must be finite and >= 0, got -1"));
  CHECK(refuses<OptimError>([] { one("adam(beta1=1)"); }, "adam: beta1 must lie in [0, 1), got 1"));
  CHECK(refuses<OptimError>([] { one("rmsprop(alpha=-0.5)"); }, "alpha must lie in [0, 1), got -0.5"));
  CHECK(refuses<OptimError>([] { one("sgd(nesterov=true)"); }, "got momentum=0, dampening=0"));
  CHECK(refuses<OptimError>([] { one("sgd(nesterov=true, momentum=0.9, dampening=0.1)"); },
                            "got momentum=0.9, dampening=0.1"));
  CHECK(refuses<OptimError>([] { one("muon(ns_steps=2.5)"); }, "must be a whole number in [1, 99], got 2.5"));
  CHECK(refuses<OptimError>([] { optim::new_rule("adm"); }, "did you mean 'adam'?"));
}

TEST_CASE("the registry knows every rule with its defaults, shape, paper and year") {
  std::vector<std::string> names, files;
  for (const auto& rule : optim::all_rules())
    if (!rule.info.name.starts_with("mine_")) names.push_back(rule.info.name);
  for (const auto& file : std::filesystem::directory_iterator(GRADUS_SOURCE_DIR "/optim/rules"))
    files.push_back(file.path().stem().string());
  std::sort(files.begin(), files.end());
  CHECK(names == files);
  for (const auto& rule : optim::all_rules()) {
    if (rule.info.name != "adam") continue;
    CHECK(rule.shape == "element");
    CHECK(rule.info.year == 2014);
    std::string s;
    for (const auto& o : rule.defaults) s += to_string(o) + " ";
    CHECK(s == "lr=0.001 beta1=0.9 beta2=0.999 eps=1e-08 weight_decay=0 amsgrad=false dialect=pytorch maximize=false ");
  }
}

TEST_CASE("typed options are the rule's options") {
  auto check = []<optim::TypedRule R>(R options) {
    std::string typed, named;
    each_field(options, [&](const std::string& name, auto& value) {
      typed += name + " ";
      value = {};
    });
    for (const auto& o : optim::new_rule(R::rule_name)->options()) named += o.name + " ";
    CHECK(typed == named);
  };
  std::apply([&](auto... each) { (check(each), ...); }, optim::TypedRules());
}

TEST_CASE("equations print what is in force") {
  CHECK(optim::equations("sgd") == "for every number\n  w <- w - lr*g\n");
  CHECK(optim::equations("sgd(momentum=0.9)") ==
        "once per step\n"
        "  share = (1 if t = 1, else 1 - dampening)\n"
        "for every number\n"
        "  velocity <- momentum*velocity + share*g\n"
        "  w <- w - lr*velocity\n");
  CHECK(optim::equations("adamw") ==
        "once per step\n"
        "  c1 = 1 / (1 - beta1^t)\n"
        "  c2 = 1 / (1 - beta2^t)\n"
        "for every number\n"
        "  m <- beta1*m + (1 - beta1)*g\n"
        "  v <- beta2*v + (1 - beta2)*g*g\n"
        "  m_hat = c1*m\n"
        "  v_hat = c2*v\n"
        "  step = lr*(m_hat / (sqrt(v_hat) + eps)) + lr*weight_decay*w\n"
        "  w <- w - step\n");
  const std::string adam = optim::equations("adam(amsgrad=true, weight_decay=0.1, maximize=true)");
  CHECK(adam.find("  g <- -g\n  e1 = g + weight_decay*w\n") != adam.npos);
  CHECK(adam.find("  v_max <- max(v_max, v)\n") != adam.npos);
  CHECK(adam.find("  v_hat = c2*v_max\n") != adam.npos);
}

TEST_CASE("a symbol prints as it was computed") {
  const Symbol a = Symbol::named("a"), b = Symbol::named("b"), c = Symbol::named("c");
  auto line = [](const Symbol& s) {
    Equations e;
    e.define("x", s);
    return e.text();
  };
  CHECK(line(a - (b - c)) == "  x = a - (b - c)\n");
  CHECK(line(a - b - c) == "  x = a - b - c\n");
  CHECK(line(a / (b * c)) == "  x = a / (b*c)\n");
  CHECK(line(a * (b / c)) == "  x = a*(b / c)\n");
  CHECK(line((a + b) * c) == "  x = (a + b)*c\n");
  CHECK(line(pow(a + b, c)) == "  x = (a + b)^c\n");
  CHECK(line(-(a + b)) == "  x = -(a + b)\n");
  CHECK(line(select(a > 0, b, select(a < 0, c, 1))) == "  x = (b if a > 0, else c if a < 0, else 1)\n");
  CHECK(line(max(a, Symbol(0)) + sqrt(abs(b))) == "  x = max(a, 0) + sqrt(abs(b))\n");
  Equations e;  // the old m is needed after the new one
  const Symbol m = b * a + c;
  e.replace("a", m, a);
  e.define("difference", m - a);
  e.replace("b", c, b);
  CHECK(e.text() == "  a <- b*a + c\n  difference = a - a_old\n  b <- c\n");
}
