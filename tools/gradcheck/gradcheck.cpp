#include <gradus/core/io/files.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/gradcheck/check_edges.h>
#include <gradus/tools/gradcheck/check_layouts.h>
#include <gradus/tools/gradcheck/gradcheck.h>
#include <gradus/tools/gradcheck/run_sample.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <memory>

namespace gradus::tools {
namespace {

void add(OpVerdict& v, double& worst, const std::string& label, const GradcheckReport& r) {
  worst = std::max(worst, r.error);
  v.draws += r.draws;
  v.inconclusive += r.inconclusive;
  const bool empty = r.message.find(": nothing to compare: ") != std::string::npos;  // no elements: it ran, that is all
  if (r.passed || r.constant || empty) return;  // zero is the right gradient of a constant, e.g. x - x
  v.passed = false;
  v.complaints.push_back(fmt::format("{} / {}: {}", v.name, label, r.message));
}

/// What is not about differences: the same sample in f32, and with other numbers of threads.
void add_runs(OpVerdict& v, const OpInfo& op, const Sample& s) {
  const double f32 = f32_error(s);
  v.f32 = std::max(v.f32, f32);
  if (!(f32 <= f32_bound_of(op)))
    v.complaints.push_back(fmt::format("{} / {}: f32 is {:.1e} from f64, the condition number taken off; allowed {:.0e}",
                                       v.name, s.label, f32, f32_bound_of(op)));
  const bool same = same_bits_at_any_threads(s);
  v.same_bits = v.same_bits && same;
  if (!same) v.complaints.push_back(fmt::format("{} / {}: the bits change with the number of threads", v.name, s.label));
  v.passed = v.passed && same && f32 <= f32_bound_of(op);
}

std::string number(double x) { return x == 0 ? "0" : fmt::format("{:.1e}", x); }

nlohmann::ordered_json to_json(const OpVerdict& v) {
  return {{"name", v.name}, {"samples", v.samples},     {"first_order", v.first_order},   {"second_order", v.second_order},
          {"f32", v.f32},   {"same_bits", v.same_bits}, {"inconclusive", v.inconclusive}, {"passed", v.passed}};
}

void print_row(const OpVerdict& v, std::size_t width, bool colours) {
  const char* colour = !colours ? "" : v.passed ? "\033[32m" : "\033[31m";
  fmt::print("{:<{}}  {:>7}  {:>11}  {:>12}  {:>7}  {:>9}  {:>12}  {}{}{}\n", v.name, width, v.samples,
             number(v.first_order), number(v.second_order), number(v.f32), v.same_bits ? "same bits" : "DIFFER",
             v.inconclusive, colour, v.passed ? "passed" : "FAILED", colours ? "\033[0m" : "");
  std::fflush(stdout);
}

}  // namespace

std::vector<const OpInfo*> ops_named(const std::string& name) {
  if (name.empty()) return all_ops();
  std::vector<const OpInfo*> found;
  std::vector<std::string> names;
  for (const OpInfo* op : all_ops()) {
    names.push_back(op->name);
    if (op->name == name) found.push_back(op);
  }
  if (found.empty()) {
    const std::string near = did_you_mean(name, names);
    throw SpecError("gradcheck", fmt::format("there is no op \"{}\" among {}", name, names.size()),
                    near.empty() ? "" : "--op " + near);
  }
  return found;
}

OpVerdict check_op(const OpInfo& op) {
  OpVerdict v;
  v.name = op.name;
  const Samples samples = op.samples();
  for (const Sample& s : samples) {
    const std::vector<Tensor> inputs(s.inputs.begin(), s.inputs.end());
    GradcheckOptions options{.may_be_zero = op.kind == OpKind::step};
    const GradcheckReport first = gradcheck_function(s.call, inputs, options);
    add(v, v.first_order, s.label, first);
    // The seeds are among the inputs of the second order, which keeps that of a linear op from being vacuous.
    options.may_be_zero = options.may_be_zero || first.compared == 0;
    add(v, v.second_order, s.label, gradgradcheck_function(s.call, inputs, options));
    add_runs(v, op, s);
    ++v.samples;
  }
  if (samples.empty()) v.passed = false, v.complaints.push_back(v.name + ": no samples");
  if (v.inconclusive > 1 && v.inconclusive * 100 > v.draws)
    v.passed = false,
    v.complaints.push_back(fmt::format("{}: {} of {} draws were inconclusive", v.name, v.inconclusive, v.draws));
  return v;
}

int gradcheck_command(const std::string& op, const std::string& json_path) {
  if (!json_path.empty()) check_writable(json_path);
  const auto ops = ops_named(op);
  const bool colours = isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR");
  std::size_t width = 2;
  for (const OpInfo* o : ops) width = std::max(width, std::string_view(o->name).size());
  fmt::print("{:<{}}  {:>7}  {:>11}  {:>12}  {:>7}  {:>9}  {:>12}  {}\n", "op", width, "samples", "first order",
             "second order", "f32-f64", "threads", "inconclusive", "verdict");
  std::vector<std::string> complaints;
  auto rows = nlohmann::ordered_json::array();
  int failed = 0;
  for (const OpInfo* o : ops) {
    const OpVerdict v = check_op(*o);
    print_row(v, width, colours);
    rows.push_back(to_json(v));
    complaints.insert(complaints.end(), v.complaints.begin(), v.complaints.end());
    failed += !v.passed;
  }
  for (const std::string& c : complaints) fmt::print("{}\n", c);
  if (failed) fmt::print("{} of {} failed\n", failed, ops.size());
  else
    fmt::print(
        "all {} passed: first order within 1e-8, second order within 1e-6, f32 within 1e-5 of f64, the same bits with "
        "1, 2, 3 and 7 threads\n",
        ops.size());
  if (!json_path.empty()) write_atomically(json_path, nlohmann::ordered_json{{"ops", rows}}.dump(2) + "\n");
  return failed ? 1 : 0;
}

void add_gradcheck_command(CLI::App& app, CommandLine& line) {
  struct Options {
    std::string op, json;
    bool layouts = false, edges = false;
  };
  auto* c = app.add_subcommand("gradcheck", "Check the gradient of every op against differences");
  const auto o = std::make_shared<Options>();
  c->add_option("--op", o->op, "Only this op");
  c->add_option("--json", o->json, "Also write the figures to this file");
  auto* in_layouts =
      c->add_flag("--layouts", o->layouts, "Check in twelve layouts: transposed, strided, expanded, size 0, large, ..");
  c->add_flag("--edges", o->edges, "Check at 0, -0, subnormal, 1e-30 .. 1e20, the largest, infinity, NaN")
      ->excludes(in_layouts);
  c->callback([o, &line] {
    const auto command = o->edges ? edges_command : o->layouts ? layouts_command : gradcheck_command;
    line.result = command(o->op, o->json);
  });
}

}  // namespace gradus::tools
