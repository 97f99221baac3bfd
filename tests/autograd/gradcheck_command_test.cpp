// `gradus gradcheck`: its exit code, its refusal, and what it writes.
#include <gradus/core/io/files.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tools/gradcheck/gradcheck.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace gradus;

namespace {

/// An op that is recorded but wrong, found by the command through the table like any other.
struct PlantedWrong {
  static constexpr const char* name = "planted wrong";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] { return b.grad(); });
  }
  static Samples samples();
};
Tensor planted_wrong(const Tensor& x) {
  const Array twice = map([](auto v) { return v + v; }, x.array());
  return primitive<PlantedWrong>(
      twice, [] { return PlantedWrong::Saved{}; }, x);
}
Samples PlantedWrong::samples() {
  return {sample("one", {sample_values({2})}, [](auto& x) { return planted_wrong(x[0]); })};
}

struct PlantedBare {
  static constexpr const char* name = "planted bare";
  struct Saved {};
  static void backward(BackwardContext&, const Saved&) {}
  static Samples samples() { return {}; }
};
[[maybe_unused]] Tensor planted_bare(const Tensor& x) {
  return primitive<PlantedBare>(
      x.array(), [] { return PlantedBare::Saved{}; }, x);
}

const OpInfo& op_named(std::string_view name) {
  for (const OpInfo* op : all_ops())
    if (op->name == name) return *op;
  throw IndexError("test", std::string(name) + " is not in the table");
}

}  // namespace

TEST_CASE("gradus gradcheck of one op: exit code and file") {
  const testing::TempDir dir;
  const std::string path = dir / "ops.json";
  CHECK(tools::gradcheck_command("tanh", path) == 0);
  const auto json = nlohmann::json::parse(read_file(path));
  REQUIRE(json.at("ops").size() == 1);
  const auto& op = json["ops"][0];
  CHECK(op.at("name") == "tanh");
  CHECK(op.at("samples") >= 2);
  CHECK(op.at("first_order") > 0);
  CHECK(op.at("first_order") < 1e-8);
  CHECK(op.at("second_order") < 1e-6);
  CHECK(op.at("inconclusive") == 0);
  CHECK(op.at("passed") == true);
}

TEST_CASE("gradus gradcheck fails for a wrong op and for one without samples") {
  const testing::TempDir dir;
  const std::string path = dir / "ops.json";
  CHECK(tools::gradcheck_command("planted wrong", path) == 1);
  CHECK(nlohmann::json::parse(read_file(path))["ops"][0]["passed"] == false);
  const auto v = tools::check_op(op_named("planted wrong"));
  REQUIRE(v.complaints.size() == 1);  // to second order the op agrees with itself
  CHECK(v.complaints[0].find("planted wrong / one: gradcheck: the gradient is wrong at input 0[") == 0);
  CHECK(v.complaints[0].find("every entry is 1/2 of what it should be") != std::string::npos);
  CHECK_FALSE(tools::check_op(op_named("planted bare")).passed);
}

TEST_CASE("gradus gradcheck of an unknown op names the nearest") {
  CHECK_THROWS_AS(tools::gradcheck_command("tanhh", ""), SpecError);
  try {
    tools::gradcheck_command("tanhh", "");
  } catch (const SpecError& e) {
    CHECK(e.hint() == "--op tanh");
    CHECK(std::string(e.what()).find("gradcheck: there is no op \"tanhh\" among ") == 0);
  }
  CHECK_THROWS_AS(tools::gradcheck_command("tanh", "/nonexistent/folder/ops.json"), DataError);
}
