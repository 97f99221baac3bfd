// What has to hold for any program.
#pragma once

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/tests/autograd/random_programs/program.h>

#include <set>

namespace gradus::programs {

/// Values are of order one: so little is rounding, where a gradient is nearly zero, e.g. of atan2(x, x).
constexpr double nothing = 1e-14;

struct Verdict {
  std::string fault;   ///< empty: none was found
  std::string kind;    ///< of the fault: a program shrinks as long as it stays the same
  bool judged = true;  ///< false: a kink, or too coarse
  bool zero = false;   ///< the gradient is zero both ways
  double error = 0;
};

/// Results and gradients, from seeds that are the same for a shape.
inline std::vector<Array> results(const Program& program, int with_threads) {
  const int before = threads();
  set_threads(with_threads);
  std::vector<Tensor> x = program.inputs(), roots, seeds;
  for (Tensor& t : x) t.requires_grad_();
  std::vector<Array> all;
  for (const Tensor& y : program.run(x)) {
    all.push_back(y.array());
    if (!y.requires_grad()) continue;
    roots.push_back(y), seeds.push_back(Tensor(sample_values(y.shape(), -1, 1, 7)));
  }
  if (!roots.empty())
    for (const Tensor& g : grad(roots, x, {.allow_unused = true}, seeds))
      if (g.defined()) all.push_back(g.array());
  set_threads(before);
  return all;
}

/// The gradient along a random direction of each input, the same bits with one thread, three, and nothing recorded; with
/// `second`, the gradient's gradient.
inline Verdict check(const Program& program, bool second) {
  Verdict v;
  const auto f = [&program](X x) { return program.run(x); };
  const std::vector<Tensor> inputs = program.inputs();
  try {
    const auto one = results(program, 1);
    if (!same_bits(one, results(program, 3))) v.fault = v.kind = "other bits with three threads than with one";
    std::vector<Array> plain;
    for (const Tensor& y : program.run(inputs)) plain.push_back(y.array());
    if (!same_bits(plain, {one.begin(), one.begin() + static_cast<std::ptrdiff_t>(plain.size())}))
      v.fault = v.kind = "other bits when nothing is recorded";
    const GradcheckOptions options{.whole_up_to = 0, .directions = 1, .may_be_zero = true};
    auto r = gradcheck(f, inputs, options);
    v.zero = r.all_zero;
    if (r.passed && second) r = gradgradcheck(f, inputs, options);
    const bool coarse = r.not_differentiable || r.message.find("inconclusive: ") != std::string::npos;
    if (!r.passed && std::fabs(r.analytic - r.numeric) < nothing) v.zero = true, r.passed = true;
    v.judged = r.passed || !coarse || r.cause != Cause::none;
    if (r.passed && !v.zero) v.error = r.error;
    if (!r.passed && v.judged) v.fault = r.message, v.kind = r.message.substr(0, r.message.find(':'));
  } catch (const std::exception& e) {
    v.fault = v.kind = e.what();
  }
  return v;
}

struct Campaign {
  std::size_t programs = 0, steps = 0, fewest = ~std::size_t(0), most = 0, large = 0, second = 0, unjudged = 0, zero = 0;
  double error = 0;
  std::set<std::string> ops;
  std::vector<std::string> faults;

  std::string text() const {
    return join(programs, " programs of ", fewest, " to ", most, " ops, ", steps, " in all, from ", ops.size(), " of ",
                op_table().size(), " kinds, values in [-", gradus::text(range), ", ", gradus::text(range), "]; ", second,
                " also to second order, ", large, " of them large; largest error ", gradus::text(error), ", ", unjudged,
                " not judged (a kink), ", zero, " with a gradient of zero, ", faults.size(), " faults");
  }
};

/// Programs first .. first + count - 1; every 10th also to second order, every 25th large.
inline Campaign campaign(std::uint64_t first, std::uint64_t count, const std::vector<Entry>& table = op_table()) {
  Campaign c;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const bool big = seed % 25 == 7, second = seed % 10 == 3;
    const Program program = write_program(seed, table, big ? large() : Size());
    const Verdict v = check(program, second);
    ++c.programs, c.steps += program.steps(), c.second += second, c.large += big;
    c.fewest = std::min(c.fewest, program.steps()), c.most = std::max(c.most, program.steps());
    c.unjudged += !v.judged, c.zero += v.zero, c.error = std::max(c.error, v.error);
    for (const Value& value : program.values)
      if (value.op) c.ops.insert(value.op->name);
    if (v.fault.empty()) continue;
    const Program small = shrink(program, [&](const Program& p) { return check(p, second).kind == v.kind; });
    c.faults.push_back(join("program ", seed, ": ", v.fault, "\nof its ", program.steps(), " ops these are enough:\n",
                            small.text(), "  ", check(small, second).fault, "\n"));
  }
  return c;
}

}  // namespace gradus::programs
