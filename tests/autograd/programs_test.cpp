// Random programs: their gradients along random directions, their bits at one thread and three. More of them run at night
// (programs_nightly.cpp).
#include <gradus/tests/autograd/planted_gradients/bug.h>
#include <gradus/tests/autograd/random_programs/check.h>

#include <doctest/doctest.h>

using namespace gradus;
using namespace gradus::programs;

TEST_CASE("300 random programs: no fault") {
  const Campaign c = campaign(0, 300);
  MESSAGE(c.text());
  for (const std::string& fault : c.faults) FAIL_CHECK(fault);
  CHECK(c.programs == 300);
  CHECK(c.fewest >= 5);
  CHECK(c.most > 45);
  CHECK(c.ops.size() > 100);
  CHECK(c.unjudged <= 3);
  CHECK(c.zero <= 15);
}

TEST_CASE("a wrong op in random programs is found, and the program shrinks to it") {
  auto table = op_table();
  table.push_back({"planted", 1, [](X x, unsigned) {
                     static const auto call =
                         planted::of_one([](auto& t) { return tanh(t); },
                                         [](auto& g, auto&, auto& y) { return g * (1.0001 * (1.0 - y * y)); });
                     return call({x[0]});
                   }});
  int with = 0, found = 0;
  for (std::uint64_t seed = 1000; with < 20; ++seed) {
    const Program program = write_program(seed, table);
    const auto has = [](const Program& p) {
      return std::any_of(p.values.begin(), p.values.end(),
                         [](const Value& v) { return v.op && std::string(v.op->name) == "planted"; });
    };
    if (!has(program)) continue;
    ++with;
    if (check(program, false).fault.empty()) continue;  // what it feeds may be cut off further up
    ++found;
    const Program small = shrink(program, [](const Program& p) { return !check(p, false).fault.empty(); });
    INFO(program.text() << "shrunk to\n" << small.text());
    CHECK(has(small));
    CHECK(small.steps() <= 2);
  }
  CHECK(found >= 15);
}

// Found by random programs.

TEST_CASE("the sum over an axis that repeats one number counts it as often as the axis is long") {
  for (const Dtype dtype : {f32, f64})
    for (const int64_t n : {1, 2, 7, 8, 9, 15, 16, 17, 33}) {
      CAPTURE(n);
      const Tensor one(Array::full({1}, 1.5, dtype)), three(Array::of<double>({3}, {1, 2, 3}).to(dtype));
      CHECK(sum(expand(one, {n})).item() == 1.5 * static_cast<double>(n));
      CHECK(sum(expand(one, {n, 1}), {0}).array().element(0) == 1.5 * static_cast<double>(n));
      CHECK(mean(expand(three, {n, 3}), {0}).array().element(2) == doctest::Approx(3));
      CHECK(mean(expand(unsqueeze(three, 1), {3, n}), {1}).array().element(2) == doctest::Approx(3));
      CHECK(var(expand(three, {n + 1, 3})).item() == doctest::Approx(var(contiguous(expand(three, {n + 1, 3}))).item()));
    }
}

TEST_CASE("a change that rounding swallows at small steps is not taken for a slope of zero") {
  const auto f = [](X x) { return exp2(pow(x[0], 3)); };  // 2^(x^3) is 1 to all digits at small steps
  const auto r = gradcheck(f, {Tensor(Array::full({}, -5.678e-5, f64))});
  INFO(r.message);
  CHECK((r.passed || r.cause == Cause::none));
}

TEST_CASE("a program is the same every time it is written") {
  const auto table = op_table();
  CHECK(write_program(5, table).text() == write_program(5, table).text());
  CHECK(write_program(5, table).text() != write_program(6, table).text());
}
