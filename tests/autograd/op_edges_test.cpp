// Every op at the edges of its numbers: tools/gradcheck/check_edges.h. And that the check sees what it is there for: ops
// that swallow NaN, lose digits, overflow on their way, or need no exception.
#include <doctest/doctest.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/tests/helpers/sanitized.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tools/gradcheck/check_edges.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>
#include <gradus/tools/gradcheck/edges/points.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace gradus;
using namespace gradus::tools;

namespace {

Samples six_numbers(Tensor (*f)(const Tensor&)) {
  return {sample("six", {sample_values({2, 3})}, [f](auto& x) { return f(x[0]); })};
}

/// max(x, 0) as the processor has it: the second operand where one is NaN.
struct PlantedNan {
  static constexpr const char* name = "planted nan";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return select(x > V(0), x * x, V(0)); }
  template <class V> V df(V g, V x, V) const { return g * (2.0 * select(x > V(0), x, V(0))); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedNan{}, x); });
  }
};

/// The value is NaN, but its gradient is not.
struct PlantedNanSlope {
  static constexpr const char* name = "planted nan slope";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return x * x; }
  template <class V> V df(V g, V x, V) const { return select(x == x, g * (2.0 * x), V(0)); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedNanSlope{}, x); });
  }
};

/// e^x - 1 without expm1.
struct PlantedDigits {
  static constexpr const char* name = "planted digits";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return exp(x) - 1.0; }
  template <class V> V df(V g, V x, V) const { return g * exp(x); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedDigits{}, x); });
  }
};

/// x / sqrt(x^2 + 1), whose square overflows on its way, in the values and in the gradient.
struct PlantedOverflow {
  static constexpr const char* name = "planted overflow";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return x / sqrt(x * x + 1.0); }
  template <class V> V df(V g, V x, V) const { return g / (x * x + 1.0) / sqrt(x * x + 1.0); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedOverflow{}, x); });
  }
};

/// |x| whose gradient at 0 is 0 / 0.
struct PlantedKink {
  static constexpr const char* name = "planted kink";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V x) const { return abs(x); }
  template <class V> V df(V g, V x, V y) const { return g * (x / y); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedKink{}, x); });
  }
};

/// As the one above, but it says so; and it says more than it has to.
struct PlantedExcuse {
  static constexpr const char* name = "planted excuse";
  static constexpr unsigned reads = reads_input(0);
  static constexpr EdgeException exceptions[] = {{EdgeRule::nan, 0, "planted: NaN counts as 0"},
                                                 {EdgeRule::nan, 1, "planted: and so has the slope of 0"},
                                                 {EdgeRule::finite, 1, "planted: nobody needs this"}};
  template <class V> V f(V x) const { return select(x > V(0), x * x, V(0)); }
  template <class V> V df(V g, V x, V) const { return g * (2.0 * select(x > V(0), x, V(0))); }
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return formula(PlantedExcuse{}, x); });
  }
};

/// At 0 the slope is that of abs, which is 0, times infinity.
struct PlantedRoot {
  static constexpr const char* name = "planted root";
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return sqrt(abs(x)) + x; });
  }
};
/// Nothing is wrong with it.
struct PlantedCubeRoot {
  static constexpr const char* name = "planted cube root";
  static Samples samples() {
    return six_numbers([](const Tensor& x) { return cbrt(x) + 1.0; });
  }
};

template <class Op> EdgeRow row_of() {
  static constexpr OpInfo record{Op::name, nullptr, nullptr, &Op::samples, exceptions_of<Op>()};
  return check_edges(record);
}

std::string first(const EdgeRow& r, EdgeRule rule, int order) {
  for (const EdgeFailure& f : r.failures)
    if (f.rule == rule && f.order == order) return f.text;
  return "";
}

/// The form of an op, called on something else.
std::vector<FormFailure> form_failures(std::string_view op, Tensor (*call)(const Tensor&), Dtype dtype) {
  int points = 0;
  for (EdgeForm f : edge_forms())
    if (f.op == op) {
      f.call = [call](const std::vector<Tensor>& x) { return call(x[0]); };
      return check_form(f, dtype, points);
    }
  throw IndexError("test", "no such form");
}
bool at(const std::vector<FormFailure>& failures, int order, double x) {
  return std::any_of(failures.begin(), failures.end(),
                     [&](const FormFailure& f) { return f.order == order && f.inputs[0] == x; });
}

}  // namespace

TEST_CASE("every op at the edges: NaN stays, f32 has the digits of f64, no NaN from numbers, as the closed forms say") {
  int points = 0, forms = 0, ops = 0, exceptions = 0;
  for (const OpInfo* op : all_ops()) {
    if (std::string_view(op->name).starts_with("planted") || ops++ % testing::sampled_every != 0) continue;
    const EdgeRow r = check_edges(*op);
    std::string text;
    int shown = 0;
    for (const EdgeFailure& f : r.failures)
      if (++shown <= 5) text += join("\n  ", rule_name(f.rule), ", order ", f.order, ": ", f.text);
    if (!r.failures.empty()) FAIL_CHECK(r.name << ": " << r.failures.size() << " failures" << text);
    for (const std::string& u : r.unneeded) FAIL_CHECK(u);
    CHECK(r.points > 0);
    points += r.points, forms += r.forms, exceptions += static_cast<int>(r.excused.size());
  }
  MESSAGE(points << " points of " << ops << " ops, " << forms << " of closed forms, " << exceptions << " exceptions");
  CHECK(ops >= 174);
  CHECK(points >= 70000 / (2 * testing::sampled_every - 1));
  CHECK(forms >= 60000 / (2 * testing::sampled_every - 1));
}

TEST_CASE("a form belongs to an op that there is, and every exception has a reason") {
  for (const EdgeForm& f : edge_forms()) CHECK_NOTHROW(ops_named(f.op));
  for (const OpInfo* op : all_ops())
    for (const EdgeException& e : op->exceptions) CHECK(std::string_view(e.reason).size() > 10);
}

TEST_CASE("swallowed NaN is seen, in values and in gradients") {
  const EdgeRow values = row_of<PlantedNan>();
  CHECK(first(values, EdgeRule::nan, 0) == "six, input 0[0] = nan: output 0[0] depends on it and is 0 in f32");
  CHECK(values.count(EdgeRule::nan, 1) > 0);
  const EdgeRow slope = row_of<PlantedNanSlope>();
  CHECK(slope.count(EdgeRule::nan, 0) == 0);
  CHECK(slope.count(EdgeRule::nan, 1) > 0);
}

TEST_CASE("lost digits are seen, without a form and, where f64 has lost them too, with one") {
  const EdgeRow r = row_of<PlantedDigits>();
  CHECK(r.count(EdgeRule::digits, 0) > 0);
  CHECK(first(r, EdgeRule::digits, 0).find("= 1e-08: output 0[0] is 0 in f32, 9.99999993922529e-09 in f64") !=
        std::string::npos);
  CHECK(r.count(EdgeRule::digits, 1) == 0);
  for (const Dtype dtype : {f32, f64}) {
    const auto failures = form_failures(
        "expm1", [](const Tensor& x) { return exp(x) - 1.0; }, dtype);
    CHECK(at(failures, 0, dtype == f64 ? 1e-8 : static_cast<double>(1e-8f)));
    CHECK(at(failures, 0, dtype == f64 ? 1e-30 : static_cast<double>(1e-30f)));
    CHECK_FALSE(at(failures, 0, 20));
  }
}

TEST_CASE("overflow on the way is seen, in values and gradients") {
  const EdgeRow r = row_of<PlantedOverflow>();
  CHECK(first(r, EdgeRule::digits, 0).find("= 1e+20: output 0[0] is 0 in f32, 1 in f64") != std::string::npos);
  const auto slope = form_failures(
      "softsign", [](const Tensor& x) { return x / (1.0 + sqrt(square(x))); }, f64);
  CHECK(at(slope, 0, 1e300));  // x^2 is infinite in f64, too
  CHECK(at(form_failures(
               "asinh", [](const Tensor& x) { return log(x + sqrt(square(x) + 1.0)); }, f32),
           0, static_cast<double>(-1e8f)));
}

TEST_CASE("a NaN made of numbers is seen, and what is not needed as an exception") {
  const EdgeRow kink = row_of<PlantedKink>();
  CHECK(first(kink, EdgeRule::finite, 1).find("input 0 = 0: gradient of input 0[0] is ") != std::string::npos);
  CHECK(kink.count(EdgeRule::finite, 0) == 0);
  const EdgeRow excuse = row_of<PlantedExcuse>();
  CHECK(excuse.failures.empty());
  CHECK(excuse.excused.size() == 2);
  REQUIRE(excuse.unneeded.size() == 1);
  CHECK(excuse.unneeded[0] ==
        "planted excuse: the exception from \"finite\", order 1 (planted: nobody needs this) is not needed");
  CHECK_FALSE(excuse.passed());
}

TEST_CASE("a vertical tangent is no failure, a hole beside numbers is one") {
  CHECK(row_of<PlantedRoot>().count(EdgeRule::finite, 1) > 0);
  CHECK(row_of<PlantedCubeRoot>().failures.empty());
}

TEST_CASE("points: each edge everywhere and in one element, pairs in two inputs and in two elements") {
  const Sample s = sample("two", {sample_values({2, 3}), sample_values({3}, -2, 2, 2)}, [](auto& x) { return x[0] * x[1]; });
  int whole = 0, one = 0, across = 0, within = 0;
  visit_edges(s, [&](const std::string& what, const Arrays& x) {
    REQUIRE(x.size() == 2);
    (what.find('[') == std::string::npos ? whole : one)++;
  });
  visit_pairs(s, [&](const std::string& what, const Arrays&) { (what.find('[') == std::string::npos ? across : within)++; });
  const int all = static_cast<int>(std::size(edges)), few = static_cast<int>(std::size(few_edges));
  CHECK(whole == 2 * all);
  CHECK(one == 2 * all);
  CHECK(across == few * few);
  CHECK(within == 2 * few * few);
}

TEST_CASE("closed forms: slopes and second slopes are those of differences in long double") {
  for (const EdgeForm& f : edge_forms()) {
    if (f.inputs != 1 || f.row != 0) continue;
    INFO(std::string(f.op) << " " << std::string(f.label));
    for (const Wide x : {0.37L, -0.37L, 1.3L, 2.6L}) {
      constexpr Wide h = 1e-6L;
      const auto value = [&](Wide v) { return f.form(std::vector<Jet>{Jet(v)})[0].f; };
      const auto slope = [&](Wide v) { return f.form(std::vector<Jet>{Jet(v, 1, 1, 0)})[0]; };
      if (std::isnan(value(x)) || std::isnan(value(x - h))) continue;
      const Wide first = (value(x + h) - value(x - h)) / (2 * h), second = (slope(x + h).a - slope(x - h).a) / (2 * h);
      CHECK(static_cast<double>(slope(x).a) == doctest::Approx(static_cast<double>(first)).epsilon(1e-9));
      CHECK(static_cast<double>(slope(x).c) == doctest::Approx(static_cast<double>(second)).epsilon(1e-9));
    }
  }
}

TEST_CASE("gradus gradcheck --edges: exit code and file") {
  const testing::TempDir dir;
  const std::string path = dir / "edges.json";
  CHECK(edges_command("sub", path) == 0);
  const auto json = nlohmann::json::parse(read_file(path));
  REQUIRE(json.at("ops").size() == 1);
  CHECK(json["ops"][0]["points"] > 500);
  CHECK(json["ops"][0]["forms"] > 500);
  CHECK(json["ops"][0]["failures"].empty());
  CHECK_THROWS_AS(edges_command("subb", ""), SpecError);
}
