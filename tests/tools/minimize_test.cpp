// `gradus minimize` and `gradus schedule`: what they write, and that bad input leaves nothing behind.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tools/minimize/minimize.h>
#include <gradus/tools/minimize/test_functions.h>
#include <gradus/tools/schedule/schedule.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>

using namespace gradus;
using namespace gradus::tools;
using Json = nlohmann::json;

namespace {

Json run(MinimizeOptions o) {
  testing::TempDir dir;
  o.json = dir.path() + "/path.json";
  REQUIRE(minimize_command(o) == 0);
  return Json::parse(read_file(o.json));
}

}  // namespace

TEST_CASE("the test functions are 0 at their minima, level there, and right at a place worked out by hand") {
  for (const char* name : {"rosenbrock", "beale", "himmelblau", "rastrigin(n=3)", "quadratic(n=5, cond=100)"}) {
    const TestFunction f = test_function(name);
    CHECK(f.name == name);
    CHECK(f.start.size() == f.minima[0].size());
    for (const auto& m : f.minima) {
      const Tensor x = leaf(Array::of<double>({static_cast<int64_t>(m.size())}, m));
      CHECK(std::fabs(f.loss(x).item()) <= 1e-20);
      const Array g = grad({f.loss(x)}, {x})[0].array();
      for (int64_t i = 0; i < g.size(); ++i) CHECK(std::fabs(g.element(i)) <= 1e-12);
    }
  }
  const auto at = [](const char* name, const std::vector<double>& x) {
    return test_function(name).loss(Tensor(Array::of<double>({static_cast<int64_t>(x.size())}, x))).item();
  };
  CHECK(at("rosenbrock", {-1.2, 1}) == doctest::Approx(24.2));
  CHECK(at("beale", {1, 1}) == doctest::Approx(1.5 * 1.5 + 2.25 * 2.25 + 2.625 * 2.625));
  CHECK(at("himmelblau", {0, 0}) == 170);
  CHECK(at("rastrigin(n=1)", {0.5}) == doctest::Approx(20.25));
  CHECK(at("quadratic(n=3, cond=100)", {1, 1, 1}) == doctest::Approx(55.5));
}

TEST_CASE("minimize writes the path of gradient descent, step by step") {
  const Json m = run({"sgd(lr=0.001)", "rosenbrock", "0.5,-1", 3, ""});
  CHECK(m["function"] == "rosenbrock");
  CHECK(m["optimizer"].get<std::string>().starts_with("sgd(lr=0.001"));
  CHECK(m["start"] == Json::array({0.5, -1.0}));
  REQUIRE(m["path"].size() == 4);
  double x = 0.5, y = -1;
  for (int k = 0; k <= 3; ++k) {
    const Json& p = m["path"][static_cast<std::size_t>(k)];
    const double gx = -2 * (1 - x) - 400 * x * (y - x * x), gy = 200 * (y - x * x);
    CHECK(p["step"] == k);
    CHECK(p["x"][0].get<double>() == doctest::Approx(x).epsilon(1e-13));
    CHECK(p["x"][1].get<double>() == doctest::Approx(y).epsilon(1e-13));
    CHECK(p["loss"].get<double>() == doctest::Approx((1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x)));
    CHECK(p["gradient_norm"].get<double>() == doctest::Approx(std::hypot(gx, gy)));
    x -= 0.001 * gx, y -= 0.001 * gy;
  }
  CHECK(m["evaluations"]["loss"] == 3);
  CHECK(m["evaluations"]["gradient"] == 3);
  CHECK(m["evaluations"]["hessian_vector"] == 0);
  CHECK(m["diverged"] == false);
}

TEST_CASE("closure rules, stages and schedules run, and evaluations are counted") {
  const Json lbfgs = run({"lbfgs(line_search_fn=strong_wolfe, tolerance_change=0)", "rosenbrock", "", 20, ""});
  CHECK(lbfgs["path"].back()["loss"].get<double>() <= 1e-10);
  CHECK(lbfgs["evaluations"]["gradient"].get<int>() > 20);
  CHECK(run({"sam(sgd(lr=0.01))", "beale", "", 10, ""})["evaluations"]["gradient"] == 20);
  const Json bowl = run({"clip_norm(1) | adam(lr=cosine(0.5, total=200))", "quadratic(n=4, cond=100)", "", 200, ""});
  CHECK(bowl["path"].back()["loss"].get<double>() < 1e-4);
  CHECK(bowl["path"].size() == 201);
  const Json himmelblau = run({"adam(lr=0.1)", "himmelblau", "", 500, ""});
  CHECK(himmelblau["path"].back()["loss"].get<double>() < 1e-10);
}

TEST_CASE("a run that diverges ends and says so") {
  const Json m = run({"sgd(lr=1)", "rosenbrock", "", 1000, ""});
  CHECK(m["diverged"] == true);
  CHECK(m["path"].size() < 20);
  CHECK(m["path"].back()["loss"].is_null());
}

TEST_CASE("minimize refuses what it cannot run, and writes nothing") {
  testing::TempDir dir;
  const std::string out = dir.path() + "/path.json";
  const auto refused = [&](const std::string& optimizer, const std::string& function, const std::string& start,
                           std::int64_t steps, const std::string& message) {
    std::string said;
    try {
      minimize_command({optimizer, function, start, steps, out});
    } catch (const Error& e) {
      said = e.what();
    }
    CHECK_MESSAGE(said.find(message) != std::string::npos, "said: ", said);
    CHECK_FALSE(std::filesystem::exists(out));
  };
  refused("adm", "beale", "", 5, "there is no optimizer 'adm'");
  refused("adam(lr=-1)", "beale", "", 5, "lr must be finite and >= 0, got -1");
  refused("muon", "beale", "", 5, "muon");
  refused("adam", "beal", "", 5, "there is no function 'beal'; did you mean 'beale'?");
  refused("adam", "beale | beale", "", 5, "there is no function");
  refused("adam", "beale(n=3)", "", 5, "beale takes no options");
  refused("adam", "quadratic(3)", "", 5, "takes n and cond, by name");
  refused("adam", "quadratic(n=2.5)", "", 5, "n must be a whole number in [1, 1e+06]");
  refused("adam", "quadratic(cond=0.5)", "", 5, "cond must lie in [1, 1e+16]");
  refused("adam", "beale", "1,2,3", 5, "beale has 2 variables, got 3 numbers");
  refused("adam", "beale", "1;2", 5, "expected numbers separated by ','");
  refused("adam", "beale", "1,", 5, "expected numbers separated by ','");
  refused("adam", "beale", "nan,1", 5, "expected numbers separated by ','");
  refused("adam", "beale", "", 0, "--steps");
}

TEST_CASE("schedule writes its values") {
  testing::TempDir dir;
  const std::string out = dir.path() + "/s.json";
  REQUIRE(schedule_command("linear(1, total=4)", 0, out) == 0);
  const Json s = Json::parse(read_file(out));
  CHECK(s["schedule"] == "linear(1, total=4)");
  CHECK(s["values"].size() == 10);
  CHECK(s["values"][2] == 0.5);
  CHECK_THROWS_AS(schedule_command("linear(1)", 0, ""), SpecError);
  CHECK_THROWS_AS(schedule_command("linear(1, total=4)", -1, ""), SpecError);
}
