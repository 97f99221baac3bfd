#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/optim/spec/spec.h>
#include <gradus/tools/minimize/test_functions.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gradus::tools {
namespace {

Tensor at(const Tensor& x, std::int64_t i) { return x.slice(0, i, i + 1); }

/// Rosenbrock, "An automatic method for finding the greatest or least value of a function", 1960.
Tensor rosenbrock(const Tensor& v) {
  const Tensor x = at(v, 0), y = at(v, 1);
  return sum(square(1 - x) + 100 * square(y - square(x)));
}

/// Beale, "On an iterative method for finding a local minimum", 1958.
Tensor beale(const Tensor& v) {
  const Tensor x = at(v, 0), y = at(v, 1);
  return sum(square(1.5 - x + x * y) + square(2.25 - x + x * square(y)) + square(2.625 - x + x * square(y) * y));
}

/// Himmelblau, "Applied nonlinear programming", 1972: four minima.
Tensor himmelblau(const Tensor& v) {
  const Tensor x = at(v, 0), y = at(v, 1);
  return sum(square(square(x) + y - 11) + square(x + square(y) - 7));
}

/// Rastrigin, 1974: a bowl with a bump at every step of 1.
Tensor rastrigin(const Tensor& x) { return sum(square(x) + 10 * (1 - cos(2 * std::numbers::pi * x))); }

/// 1/2 sum a_i x_i^2, a from 1 to cond in equal ratios.
std::function<Tensor(const Tensor&)> quadratic(std::int64_t n, double cond) {
  Array a({n}, f64);
  double* to = a.uninitialized<double>();
  for (std::int64_t i = 0; i < n; ++i)
    to[i] = n == 1 ? cond : std::pow(cond, static_cast<double>(i) / static_cast<double>(n - 1));
  return [axes = Tensor(a)](const Tensor& x) { return 0.5 * sum(axes * square(x)); };
}

struct Known {
  const char* name;
  bool n, cond;  // which options it takes
};
constexpr Known known[] = {{"rosenbrock", false, false},
                           {"beale", false, false},
                           {"himmelblau", false, false},
                           {"rastrigin", true, false},
                           {"quadratic", true, true}};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Known& k : known) all.push_back(k.name);
  return all;
}

/// An option by name, within [least, most].
double read(const optim::Spec& spec, const optim::SpecStage& s, const char* name, double otherwise, double least,
            double most, bool whole) {
  for (const auto& a : s.arguments) {
    if (a.key != name) continue;
    const double x = a.value.number;
    const bool number = a.value.kind == optim::SpecValue::Kind::number;
    if (!number || x < least || x > most || (whole && x != std::floor(x)))
      throw_spec(spec, a.value.at,
                 join(name, whole ? " must be a whole number in [" : " must lie in [", text(least), ", ", text(most), "]"));
    return x;
  }
  return otherwise;
}

}  // namespace

std::string test_function_names() { return "rosenbrock, beale, himmelblau, rastrigin(n=2), quadratic(n=2, cond=10)"; }

TestFunction test_function(const std::string& text) {
  const optim::Spec spec = optim::parse_spec(text);
  const optim::SpecStage& s = spec.stages[0];
  const auto* found = std::find_if(std::begin(known), std::end(known), [&](const Known& k) { return s.name == k.name; });
  if (spec.stages.size() > 1 || found == std::end(known))
    throw_spec(spec, s.at,
               join("there is no function '", s.name, "'", optim::perhaps(did_you_mean(s.name, names())), " (there are ",
                    test_function_names(), ")"));
  for (const auto& a : s.arguments)
    if (!(a.key == "n" && found->n) && !(a.key == "cond" && found->cond))
      throw_spec(spec, a.at,
                 join(s.name, found->cond ? " takes n and cond, by name"
                              : found->n  ? " takes n, by name"
                                          : " takes no options"));
  const auto n = static_cast<std::size_t>(read(spec, s, "n", 2, 1, 1e6, true));
  const double cond = read(spec, s, "cond", 10, 1, 1e16, false);
  if (s.name == "rosenbrock") return {s.name, {-1.2, 1}, {{1, 1}}, rosenbrock};
  if (s.name == "beale") return {s.name, {1, 1}, {{3, 0.5}}, beale};
  if (s.name == "himmelblau")
    return {s.name,
            {0, 0},
            {{3, 2},
             {-2.805118086952745, 3.131312518250573},
             {-3.779310253377747, -3.283185991286170},
             {3.584428340330492, -1.848126526964404}},
            himmelblau};
  const std::vector<double> zero(n, 0.0);
  if (s.name == "rastrigin") return {join("rastrigin(n=", n, ")"), std::vector<double>(n, 2.3), {zero}, rastrigin};
  return {join("quadratic(n=", n, ", cond=", gradus::text(cond), ")"),
          std::vector<double>(n, 1.0),
          {zero},
          quadratic(static_cast<std::int64_t>(n), cond)};
}

}  // namespace gradus::tools
