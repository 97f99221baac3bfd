#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/read_number.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/minimize/minimize.h>
#include <gradus/tools/minimize/test_functions.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <memory>

namespace gradus::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Place {
  std::int64_t step;
  std::vector<double> x;
  double loss, gradient_norm;
  bool finite() const { return std::isfinite(loss) && std::isfinite(gradient_norm); }
};

std::vector<double> read_start(const std::string& list, const TestFunction& f) {
  if (list.empty()) return f.start;
  std::vector<double> x;
  const char *at = list.data(), *end = at + list.size();
  while (at <= end) {
    while (at < end && *at == ' ') ++at;
    double value = 0;
    const auto [stop, error] = read_number(at, end, value);
    if (error != std::errc() || !std::isfinite(value) || (stop < end && *stop != ','))
      throw SpecError("--start", join("expected numbers separated by ',', got \"", list, "\""), "--start=-1.2,1");
    x.push_back(value);
    at = stop + 1;
  }
  if (x.size() != f.start.size())
    throw SpecError("--start", join(f.name, " has ", f.start.size(), " variables, got ", x.size(), " numbers"));
  return x;
}

/// Where the run is now. Looked at beside the optimizer, so that nothing of this counts as an evaluation.
Place look(std::int64_t step, const Array& x, const TestFunction& f) {
  Place p{step, std::vector<double>(x.data<double>(), x.data<double>() + x.size()), 0, 0};
  const Tensor copy = leaf(x.copy());
  const Tensor loss = f.loss(copy);
  const Array g = grad({loss}, {copy})[0].array().contiguous();
  p.loss = loss.item();
  double squares = 0;
  for (std::int64_t i = 0; i < g.size(); ++i) squares += g.element(i) * g.element(i);
  p.gradient_norm = std::sqrt(squares);
  return p;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(squares);
}

/// 0, 1, 2, 5, 10, 20, 50 ...: a path is read by its magnitudes.
bool worth_a_line(std::int64_t step) {
  while (step >= 10 && step % 10 == 0) step /= 10;
  return step <= 2 || step == 5;
}

std::string point(const std::vector<double>& x) {
  std::string s;
  for (std::size_t i = 0; i < x.size() && i < 4; ++i) s += fmt::format("{}{:.6g}", i ? ", " : "", x[i]);
  return "(" + s + (x.size() > 4 ? ", ..." : "") + ")";
}

void print_path(const std::vector<Place>& path) {
  std::size_t width = 1;
  for (const Place& p : path)
    if (worth_a_line(p.step) || &p == &path.back()) width = std::max(width, point(p.x).size());
  fmt::print("{:>8}  {:<{}}{:>14}{:>16}\n", "step", "x", width, "loss", "|gradient|");
  for (const Place& p : path)
    if (worth_a_line(p.step) || &p == &path.back())
      fmt::print("{:>8}  {:<{}}{:>14.6g}{:>16.6g}\n", p.step, point(p.x), width, p.loss, p.gradient_norm);
}

Json to_json(const TestFunction& f, const std::string& spec, const std::vector<Place>& path, const optim::Evaluations& n) {
  Json places = Json::array();
  for (const Place& p : path)
    places.push_back({{"step", p.step}, {"x", p.x}, {"loss", p.loss}, {"gradient_norm", p.gradient_norm}});
  return {{"function", f.name},
          {"optimizer", spec},
          {"start", path[0].x},
          {"path", places},
          {"evaluations", {{"loss", n.loss}, {"gradient", n.gradient}, {"hessian_vector", n.hessian_vector}}},
          {"diverged", !path.back().finite()},
          {"minima", f.minima}};
}

}  // namespace

int minimize_command(const MinimizeOptions& o) {
  if (o.steps < 1 || o.steps > 10000000) throw SpecError("--steps", join("must lie in [1, 10000000], got ", o.steps));
  if (!o.json.empty()) check_writable(o.json);
  const TestFunction f = test_function(o.function);
  const auto start = read_start(o.start, f);
  const Tensor x = leaf(Array::of<double>({static_cast<std::int64_t>(start.size())}, start), "x");
  optim::Optimizer optimizer = optim::make(o.optimizer, std::vector<Tensor>{x});
  const std::string spec = optimizer.spec();

  std::vector<Place> path{look(0, x.array(), f)};
  while (path.back().finite() && path.back().step < o.steps) {
    optimizer.step([&] { return f.loss(x); });
    path.push_back(look(path.back().step + 1, x.array(), f));
  }

  if (!o.json.empty()) write_atomically(o.json, to_json(f, spec, path, optimizer.evaluations()).dump() + "\n");
  fmt::print("{} on {} from {}\n", spec, f.name, point(path[0].x));
  print_path(path);
  const Place& last = path.back();
  if (!last.finite()) {
    fmt::print("diverged at step {}: loss or gradient is no longer finite\n", last.step);
  } else {
    double nearest = std::numeric_limits<double>::infinity();
    for (const auto& m : f.minima) nearest = std::min(nearest, distance(m, last.x));
    fmt::print("{:.3g} from the nearest minimum, where the loss is 0\n", nearest);
  }
  const auto& n = optimizer.evaluations();
  fmt::print("evaluations: {} of the loss, {} of the gradient, {} products with the Hessian\n", n.loss, n.gradient,
             n.hessian_vector);
  return 0;
}

void add_minimize_command(CLI::App& app, CommandLine& line) {
  auto* c = app.add_subcommand("minimize", "Run an optimizer on a function with a known minimum and print its path");
  const auto o = std::make_shared<MinimizeOptions>();
  c->add_option("--optimizer", o->optimizer, "Spec, e.g. \"adam(lr=0.05)\" or lbfgs")->required();
  c->add_option("--function", o->function, "rosenbrock, beale, himmelblau, rastrigin(n=2) or quadratic(n=2, cond=10)")
      ->capture_default_str();
  c->add_option("--start", o->start, "x,y (default: the function's usual place); --start=-1,2 if it begins with '-'");
  add_number(*c, "--steps", o->steps, "Steps");
  c->add_option("--json", o->json, "Write the whole path to this file");
  c->callback([o, &line] { line.result = minimize_command(*o); });
}

}  // namespace gradus::tools
