// Every op in every layout: tools/gradcheck/check_layouts.h. And that the matrix sees what is wrong in one layout only.
#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/tests/helpers/sanitized.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tools/gradcheck/check_layouts.h>
#include <gradus/tools/gradcheck/resize_sample.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace gradus;
using namespace gradus::tools;

namespace {

/// Twice its input; of a view that is not dense only the first number is used.
struct PlantedStrides {
  static constexpr const char* name = "planted strides";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] { return 2.0 * b.grad(); });
  }
  static Samples samples();
};
Tensor planted_strides(const Tensor& x) {
  Array from = x.array();
  if (!from.dense()) from = Array::full(x.shape(), from.element(0), x.dtype());
  const Array y = map([](auto v) { return v + v; }, from);
  return primitive<PlantedStrides>(
      y, [] { return PlantedStrides::Saved{}; }, x);
}
Samples PlantedStrides::samples() {
  return {sample("matrix", {sample_values({2, 3})}, [](auto& x) { return planted_strides(x[0]); })};
}

/// Twice its input; of an incoming gradient that is not dense only the first number is used.
struct PlantedSeed {
  static constexpr const char* name = "planted seed";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] {
      const Array& g = b.grad().array();
      return g.dense() ? 2.0 * b.grad() : Tensor(Array::full(g.shape(), 2 * g.element(0), g.dtype()));
    });
  }
  static Samples samples();
};
Tensor planted_seed(const Tensor& x) {
  const Array y = map([](auto v) { return v + v; }, x.array());
  return primitive<PlantedSeed>(
      y, [] { return PlantedSeed::Saved{}; }, x);
}
Samples PlantedSeed::samples() {
  return {sample("matrix", {sample_values({2, 3})}, [](auto& x) { return planted_seed(x[0]); })};
}

const OpInfo& op_named(std::string_view name) {
  for (const OpInfo* op : all_ops())
    if (op->name == name) return *op;
  throw IndexError("test", std::string(name) + " is not in the table");
}
const Cell& cell(const MatrixRow& r, Layout l) { return r.cells[static_cast<std::size_t>(l)]; }
bool complains(const MatrixRow& r, const std::string& what) {
  for (const std::string& c : r.complaints)
    if (c.find(what) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("every op in every layout: no empty cell without a reason, 2,000 samples, at most 1 % inconclusive") {
  int samples = 0, undecided = 0, empty = 0, ops = 0;
  Figures all;
  for (const OpInfo* op : all_ops()) {
    if (std::string_view(op->name).starts_with("planted") || ops++ % testing::sampled_every != 0) continue;
    const MatrixRow r = check_layouts(*op, {.thorough = false});
    CAPTURE(r.name);
    for (const auto& c : r.complaints) FAIL_CHECK(c);
    for (const Cell& c : r.cells) {
      CHECK((c.samples > 0) == c.reason.empty());
      empty += c.samples == 0;
    }
    CHECK(r.figures.first_order <= 1e-8);
    CHECK(r.figures.second_order <= 1e-6);
    CHECK(r.figures.f32 <= f32_bound_of(*op));
    samples += r.samples(), undecided += r.undecided();
    all.add(r.figures);
  }
  MESSAGE(samples << " samples, " << empty << " cells empty for a reason; first order " << all.first_order
                  << ", second order " << all.second_order << ", f32 " << all.f32 << "; " << undecided << " samples and "
                  << all.inconclusive << " of " << all.draws << " draws inconclusive");
  CHECK(samples >= 2000 / (2 * testing::sampled_every - 1));
  if (testing::sanitized) return;  // these are shares of the whole list
  CHECK(100 * undecided <= samples);
  CHECK(100 * all.inconclusive <= all.draws);
}

TEST_CASE("the matrix sees an op that is wrong in one layout only") {
  const MatrixRow strides = check_layouts(op_named("planted strides"), {.thorough = false});
  CHECK(complains(strides, "planted strides / matrix, transposed: "));
  CHECK(complains(strides, "planted strides / matrix, strided: "));
  const MatrixRow seed = check_layouts(op_named("planted seed"), {.thorough = false});
  CHECK(complains(seed, "gradient strided and transposed: gradcheck: the gradient is wrong"));
  CHECK_FALSE(complains(seed, "matrix, transposed: gradcheck"));
}

TEST_CASE("a cell that stays empty has the op's own words") {
  CHECK(cell(check_layouts(op_named("conv2d"), {.thorough = false}), Layout::scalar).reason ==
        "conv2d: images and kernels have four axes, got f64[]");
  const MatrixRow dot = check_layouts(op_named("dot"), {.thorough = false});
  CHECK(cell(dot, Layout::transposed).reason ==
        "dot: both operands must have one axis of one length, got f64[5,2] and f64[5,2]");
  CHECK(cell(dot, Layout::twice).samples > 0);
  const MatrixRow tanh = check_layouts(op_named("tanh"), {.thorough = false});
  CHECK(cell(tanh, Layout::twice).reason == "it has one real input");
  CHECK(cell(tanh, Layout::large).samples > 0);
}

TEST_CASE("candidates are what their names say") {
  const Sample s =
      sample("two", {sample_values({3, 4}), sample_values({3, 4}, -2, 2, 2)}, [](auto& x) { return x[0] * x[1]; });
  const auto seen = [](const Sample& c) {  // whether the op sees dense inputs
    bool dense = true;
    Sample probe = c;
    const Tensor y = probe.call({probe.inputs.begin(), probe.inputs.end()})[0];
    dense = y.array().dense();
    return dense;
  };
  CHECK(seen(s));
  const Sample views = sample("views", {sample_values({3, 4})}, [](auto& x) { return x[0]; });  // shows what it is given
  CHECK_FALSE(seen(candidates(views, Layout::transposed).at(0)));
  CHECK_FALSE(seen(candidates(views, Layout::strided).at(0)));
  CHECK_FALSE(seen(candidates(views, Layout::expanded).at(0)));
  CHECK(candidates(s, Layout::subsets).size() == 2);
  CHECK(candidates(s, Layout::twice).at(0).inputs.size() == 1);
  CHECK(candidates(s, Layout::empty).at(0).inputs[0].size() == 0);
  CHECK(candidates(s, Layout::one).at(0).inputs[0].size() == 1);
  CHECK(candidates(s, Layout::scalar).at(0).inputs[0].rank() == 0);
  const Samples large = candidates(s, Layout::large);
  REQUIRE(large.size() > 0);
  CHECK(large[0].inputs[0].size() > 32768);
  CHECK(few_of(large[0]).inputs[0].size() == 48);
}

TEST_CASE("gradus gradcheck --layouts: exit code and file") {
  const testing::TempDir dir;
  const std::string path = dir / "layouts.json";
  CHECK(layouts_command("sub", path) == 0);
  const auto json = nlohmann::json::parse(read_file(path));
  REQUIRE(json.at("ops").size() == 1);
  CHECK(json["ops"][0].at("layouts").size() == 12);
  CHECK(json["ops"][0]["layouts"]["transposed"]["samples"] > 0);
  CHECK(layouts_command("planted strides", "") == 1);
}
