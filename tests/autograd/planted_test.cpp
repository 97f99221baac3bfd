// Forty planted gradient bugs: all are caught, whole and along random directions, and the cause of nearly all is named.
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/tests/autograd/planted_gradients/held_out.h>
#include <gradus/tests/autograd/planted_gradients/list.h>

#include <doctest/doctest.h>

#include <cstdio>

using namespace gradus;
using planted::Bug;

namespace {

GradcheckReport check(const Bug& bug, const GradcheckOptions& options = {}) {
  const std::vector<Tensor> inputs(bug.inputs.begin(), bug.inputs.end());
  return bug.order == 1 ? gradcheck(bug.call, inputs, options) : gradgradcheck(bug.call, inputs, options);
}

bool named(const Bug& bug, const GradcheckReport& r) {
  const std::string wanted = join(" or ", bug.cause, " or ");
  return wanted.find(join(" or ", cause_name(r.cause), " or ")) != std::string::npos;
}

struct Score {
  int caught = 0, causes = 0;
};

/// Checks all of them and prints the table.
Score score(const std::vector<Bug>& bugs) {
  Score s;
  int number = 0;
  std::string table;
  for (const Bug& bug : bugs) {
    const auto r = check(bug);
    INFO(std::string(bug.name) << ": " << std::string(bug.mistake) << "\n" << r.message);
    CHECK_FALSE(r.passed);
    CHECK_FALSE(r.not_differentiable);
    CHECK(r.inconclusive == 0);
    CHECK(r.input >= 0);
    s.caught += !r.passed, s.causes += named(bug, r);
    char line[256];
    std::snprintf(line, sizeof line, "%2d  %-16s  %-68s  %-24s  %s%s\n", ++number, bug.name, bug.mistake, bug.cause,
                  cause_name(r.cause), named(bug, r) ? "" : "  <- not named");
    table += line;
  }
  MESSAGE(table << s.caught << " of " << bugs.size() << " caught, " << s.causes << " causes named");
  return s;
}

}  // namespace

TEST_CASE("forty planted bugs: forty caught, thirty-four causes named") {
  const Score s = score(planted::all_bugs());
  CHECK(s.caught == 40);
  CHECK(s.causes >= 34);
}

TEST_CASE("sixteen bugs that the diagnosis was not tuned to: sixteen caught, twelve causes named") {
  const Score s = score(planted::held_out_bugs());
  CHECK(s.caught == 16);
  CHECK(s.causes >= 12);
}

TEST_CASE("the forty are caught along random directions, and the wrong element is named") {
  int causes = 0;
  for (const Bug& bug : planted::all_bugs()) {
    const auto whole = check(bug), r = check(bug, {.whole_up_to = 0});
    INFO(std::string(bug.name) << ": " << std::string(bug.mistake) << "\n" << r.message);
    CHECK_FALSE(r.passed);
    causes += named(bug, r);
    if (whole.element < 0) continue;  // a gradient of the wrong shape
    CHECK(r.input == whole.input);
    CHECK(r.element >= 0);
  }
  MESSAGE(causes << " causes named from products with random seeds");
  CHECK(causes >= 20);
}

TEST_CASE("among thousands of elements the wrong one is found by halving, and a common factor is still named") {
  const Array many = sample_values({40, 50});
  const auto one = planted::of_one([](auto& x) { return sum(square(x)); },
                                   [](auto& g, auto& x, auto&) {
                                     Array dx = (g * (2.0 * x)).array().copy();
                                     dx.uninitialized<double>()[1234] *= 1.001;
                                     return Tensor(dx);
                                   });
  const auto r = gradcheck(one, {Tensor(many)});
  INFO(r.message);
  CHECK_FALSE(r.passed);
  CHECK(r.input == 0);
  CHECK(r.element == 1234);
  CHECK(r.analytic / r.numeric == doctest::Approx(1.001).epsilon(1e-6));
  const auto half =
      gradcheck(planted::of_one([](auto& x) { return sum(square(x)); }, [](auto& g, auto& x, auto&) { return g * x; }),
                {Tensor(many)});
  CHECK(half.cause == Cause::factor);
}

TEST_CASE("no cause is named for what is right") {
  const Tensor a(sample_values({3, 4})), b(sample_values({4, 3}, 0.5, 2, 2));
  const auto right = [](auto& x) { return softmax(matmul(tanh(x[0]), x[1])); };
  CHECK(gradcheck(right, {a, b}).cause == Cause::none);
  CHECK(gradgradcheck(right, {a, b}).cause == Cause::none);
  CHECK(gradcheck([](auto& x) { return relu(x[0]); }, {Tensor(Array::of<double>({2}, {0, 1}))}).cause == Cause::none);
  CHECK(gradcheck([](auto& x) { return relu(x[0]); }, {Tensor(Array::of<double>({2}, {-1, -2}))}).cause == Cause::none);
}

TEST_CASE("a gradient that is wrong in no way that has a name is said not to be recognised") {
  const auto odd = planted::of_one([](auto& x) { return softmax(x); },
                                   [](auto& g, auto& x, auto& y) { return g * tanh(x) + flip(cumsum(y, 1), {0}) * 0.3; });
  const auto r = gradcheck(odd, {Tensor(sample_values({3, 4}))});
  INFO(r.message);
  CHECK_FALSE(r.passed);
  CHECK(r.cause == Cause::not_recognised);
  CHECK(r.message.find("entries differ") != std::string::npos);
}
