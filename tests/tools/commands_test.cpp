// The commands behind the tool: what they write, and that bad input leaves nothing behind.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/npy.h>
#include <gradus/core/warning.h>
#include <gradus/data/digits.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tools/compare/compare.h>
#include <gradus/tools/compare/networks.h>
#include <gradus/tools/compare/training.h>
#include <gradus/tools/replay/replay.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>

using namespace gradus;
using namespace gradus::tools;
using Json = nlohmann::json;

namespace {

bool exists(const std::string& path) { return std::filesystem::exists(path); }

CompareOptions small(const std::string& out, const std::string& optimizers) {
  CompareOptions o;
  o.model = "mlp";
  o.optimizers = optimizers;
  o.epochs = 2;
  o.limit = 640;
  o.out = out;
  o.command = "gradus compare";
  return o;
}

}  // namespace

TEST_CASE("compare writes every figure, and a diverged optimizer does not stop the others") {
  const NoWarnings on_purpose;  // one diverges
  testing::TempDir dir;
  const std::string out = dir.path() + "/run";
  REQUIRE(compare_command(small(out, "sgd(lr=1e6); adam(lr=1e-3)")) == 0);
  const Json m = Json::parse(read_file(out + "/metrics.json"));
  REQUIRE(m["runs"].size() == 2);
  CHECK(m["runs"][0]["diverged"] == true);
  CHECK(m["runs"][0]["epochs"].back()["test_accuracy"].is_null());
  const Json& adam = m["runs"][1];
  CHECK(adam["diverged"] == false);
  CHECK(adam["finished"] == true);
  REQUIRE(adam["epochs"].size() == 2);
  REQUIRE(adam["steps"]["loss"].size() == 20);
  double mean = 0;
  for (int i = 10; i < 20; ++i) mean += adam["steps"]["loss"][static_cast<std::size_t>(i)].get<double>() / 10;
  CHECK(adam["epochs"][1]["train_loss"].get<double>() == doctest::Approx(mean).epsilon(1e-12));
  CHECK(adam["epochs"][1]["train_loss"] < adam["epochs"][0]["train_loss"]);
  CHECK(adam["gradient_evaluations"] == 20);
  CHECK(adam["state_bytes_per_parameter"] == 8.0);
  CHECK(read_file(out + "/report.html").find("adam(lr=0.001") != std::string::npos);
}

TEST_CASE("a run that diverges says which op made the first number that is not finite") {
  const NoWarnings on_purpose;
  const auto cause = [](const std::string& optimizer) {
    const auto network = make_network("mlp");
    const TrainingPlan plan{data::generate_digits(256, 1, true), data::generate_digits(10, 1, false), 1, 64, 0, 0.9};
    return train(*network, optimizer, plan, [](const RunProgress&) { return true; }).cause;
  };
  const std::string overflow = cause("sgd(lr=1e30)");
  CHECK(overflow.starts_with("linear [in module \"hidden2\"]: its result f32[64,128] is "));
  CHECK(overflow.find("(\"hidden2.weight\") is in [") != std::string::npos);
  CHECK(cause("sgd(lr=1e-3)").empty());
}

TEST_CASE("compare gives the same losses for the same seed") {
  testing::TempDir dir;
  std::vector<Json> losses;
  for (const char* run : {"/a", "/b"}) {
    REQUIRE(compare_command(small(dir.path() + run, "adam")) == 0);
    losses.push_back(Json::parse(read_file(dir.path() + run + "/metrics.json"))["runs"][0]["steps"]["loss"]);
  }
  CHECK(losses[0] == losses[1]);
}

TEST_CASE("compare refuses bad input before it writes anything") {
  testing::TempDir dir;
  const std::string out = dir.path() + "/run";
  auto refused = [&](auto change) {
    CompareOptions o = small(out, "adam");
    change(o);
    return o;
  };
  CHECK_THROWS_WITH_AS(compare_command(refused([](auto& o) { o.optimizers = "adamw(weight_dacay=0.1)"; })),
                       doctest::Contains("did you mean"), SpecError);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.optimizers = "adam(lr=-1)"; })), Error);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.optimizers = " ; "; })), SpecError);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.data = "/nowhere"; })), DataError);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.model = "resnet"; })), SpecError);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.epochs = 0; })), SpecError);
  CHECK_THROWS_AS(compare_command(refused([](auto& o) { o.target = 1.5; })), SpecError);
  CHECK_FALSE(exists(out));
  for (const std::string& folder : {dir.put("file", ""), dir.path() + "/file/below", std::string()})
    CHECK_THROWS_WITH_AS(compare_command(refused([&](auto& o) { o.out = folder; })), doctest::Contains("--out: the folder"),
                         SpecError);
}

TEST_CASE("compare refuses images that its networks do not take, naming the folder") {
  testing::TempDir dir;
  const auto idx = [](unsigned n, unsigned side) {  // images; labels if there is no side
    std::string s{0, 0, 8, side ? '\3' : '\1', 0, 0, 0, static_cast<char>(n)};
    if (side)
      for (int axis = 0; axis < 2; ++axis) s += std::string{0, 0, 0, static_cast<char>(side)};
    return s + std::string(side ? n * side * side : n, '\0');
  };
  const auto said = [&](unsigned train, unsigned test, unsigned train_side, unsigned test_side) {
    dir.put("train-images-idx3-ubyte", idx(train, train_side));
    dir.put("train-labels-idx1-ubyte", idx(train, 0));
    dir.put("t10k-images-idx3-ubyte", idx(test, test_side));
    dir.put("t10k-labels-idx1-ubyte", idx(test, 0));
    CompareOptions o = small(dir.path() + "/run", "adam");
    o.data = dir.path();
    try {
      compare_command(o);
    } catch (const DataError& e) {
      return std::string(e.what());
    }
    return std::string("nothing was refused");
  };
  CHECK(said(8, 8, 14, 14) == dir.path() + ": its training images are 14 by 14 pixels; the networks take 28 by 28");
  CHECK(said(8, 8, 28, 14) == dir.path() + ": its test images are 14 by 14 pixels; the networks take 28 by 28");
  CHECK(said(0, 8, 28, 28) == dir.path() + ": holds no training images; at least one is needed");
  CHECK(said(8, 0, 28, 28) == dir.path() + ": holds no test images; at least one is needed");
  CHECK_FALSE(exists(dir.path() + "/run"));
}

TEST_CASE("replay writes the trajectory and every named value") {
  testing::TempDir dir;
  const Array p = Array::of<double>({2}, {1, -2}), g = Array::of<double>({3, 2}, {1, 0.5, 1, 0.5, -1, 0});
  save_npy(dir.path() + "/p.npy", p);
  save_npy(dir.path() + "/g.npy", g);
  ReplayOptions o{"sgd(lr=0.1, momentum=0.9)", dir.path() + "/p.npy", dir.path() + "/g.npy", dir.path() + "/t.npy",
                  dir.path() + "/t.json"};
  REQUIRE(replay_command(o) == 0);
  const Array t = load_npy(o.out);
  REQUIRE(t.shape() == Shape{3, 2});
  double w = 1, v = 0;
  for (int step = 0; step < 3; ++step) {
    v = 0.9 * v + g.at({step, 0});
    w -= 0.1 * v;
    CHECK(t.at({step, 0}) == doctest::Approx(w).epsilon(1e-15));
  }
  const Json trace = Json::parse(read_file(o.trace));
  REQUIRE(trace["steps"].size() == 3);
  CHECK(trace["steps"][2]["after"]["w"][0].get<double>() == t.at({2, 0}));
  CHECK(trace["steps"][0]["before"]["g"][1].get<double>() == 0.5);
}

TEST_CASE("replay traces the calls that a stage holds back, too") {
  const NoWarnings on_purpose;  // a gradient is NaN
  testing::TempDir dir;
  save_npy(dir.path() + "/p.npy", Array::ones({2}, f64));
  save_npy(dir.path() + "/g.npy", Array::of<double>({3, 2}, {1, 0.5, std::nan(""), 1, 1, 1}));
  ReplayOptions o{"skip_nonfinite | sgd(lr=0.5)", dir.path() + "/p.npy", dir.path() + "/g.npy", dir.path() + "/t.npy",
                  dir.path() + "/t.json"};
  REQUIRE(replay_command(o) == 0);
  const Json steps = Json::parse(read_file(o.trace))["steps"];
  REQUIRE(steps.size() == 3);
  CHECK(steps[1]["held_back"].get<std::string>().find("the gradient of \"p\" is not finite") != std::string::npos);
  CHECK(steps[2]["t"] == 2);
  CHECK(steps[2]["after"]["w"][0] == 0.0);
  o.optimizer = "accumulate(2) | sgd(lr=0.5)";
  REQUIRE(replay_command(o) == 0);
  CHECK(Json::parse(read_file(o.trace))["steps"][0].contains("held_back"));
}

TEST_CASE("replay refuses what it cannot hold against anything") {
  testing::TempDir dir;
  save_npy(dir.path() + "/p.npy", Array::ones({2}, f32));
  save_npy(dir.path() + "/g.npy", Array::ones({3, 3}, f32));
  save_npy(dir.path() + "/g64.npy", Array::ones({3, 2}, f64));
  save_npy(dir.path() + "/ok.npy", Array::ones({3, 2}, f32));
  const std::string p = dir.path() + "/p.npy", out = dir.path() + "/t.npy";
  CHECK_THROWS_AS(replay_command({"sgd", p, dir.path() + "/g.npy", out, ""}), DataError);
  CHECK_THROWS_AS(replay_command({"sgd", p, dir.path() + "/g64.npy", out, ""}), DataError);
  CHECK_THROWS_AS(replay_command({"sgd", p, dir.path() + "/none.npy", out, ""}), DataError);
  CHECK_THROWS_AS(replay_command({"lbfgs", p, dir.path() + "/ok.npy", out, ""}), OptimError);
  CHECK_THROWS_AS(replay_command({"sdg", p, dir.path() + "/ok.npy", out, ""}), Error);
  save_npy(dir.path() + "/p2.npy", Array::ones({2, 2}, f32));
  save_npy(dir.path() + "/g2.npy", Array::ones({3, 2, 2}, f32));
  CHECK_THROWS_WITH_AS(replay_command({"muon", dir.path() + "/p2.npy", dir.path() + "/g2.npy", out, dir.path() + "/t.json"}),
                       doctest::Contains("leave out --trace"), OptimError);
  CHECK_THROWS_WITH_AS(replay_command({"sgd", p, dir.path() + "/ok.npy", out, out}), doctest::Contains("same file as --out"),
                       SpecError);
  CHECK_FALSE(exists(out));
}
