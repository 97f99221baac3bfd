// The command line: `gradus --help`.
#include <gradus/core/build_info.h>
#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/compare/compare.h>
#include <gradus/tools/gradcheck/gradcheck.h>
#include <gradus/tools/inspect/inspect.h>
#include <gradus/tools/minimize/minimize.h>
#include <gradus/tools/gradcheck/check_edges.h>
#include <gradus/tools/gradcheck/check_layouts.h>
#include <gradus/tools/replay/replay.h>
#include <gradus/tools/terminal/standard_output.h>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace gradus;
using namespace gradus::tools;

std::string as_typed(int argc, char** argv) {
  std::string line = "gradus";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" ()|;&*?'\"$<>") == std::string::npos && !word.empty();
    line += ' ' + (plain ? word : '\'' + word + '\'');
  }
  return line;
}

/// What is wrong with a number. Of itself CLI11 takes 010 for 8, 0x1p-1 for 0.5, and for what does not fit the nearest that
/// does.
template <class T>
std::string number_problem(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  if (std::is_floating_point_v<T>) return join("must be a number, got '", text, "'");
  return join("must be a whole number from ", std::numeric_limits<T>::min(), " to ", std::numeric_limits<T>::max(), ", got '", text, "'");
}

template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& value, const std::string& meaning) {
  return app.add_option(name, value, meaning)->check(number_problem<T>)->capture_default_str();
}

/// An empty value is a variable of a script that was not set: the default would be a surprise.
void refuse_empty_values(CLI::App& app) {
  const auto problem = [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); };
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : command->get_options())
      if (option->get_expected_max() > 0) option->check(problem);
}

std::string meant(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = did_you_mean(word, known);
  return near.empty() ? "" : join("; did you mean '", near, "'?");
}

/// "there is no command 'comapre'", "compare has no option '--epoch'", or "" if that is not what is wrong.
std::string unknown_word(const CLI::App& app) {
  std::vector<std::string> known;
  if (!app.get_subcommands().empty()) {
    const CLI::App& command = *app.get_subcommands().front();
    for (const CLI::App* owner : {&command, &app})
      for (const CLI::Option* option : owner->get_options())
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    for (const std::string& word : app.remaining(true))
      if (word.starts_with("--")) {
        const std::string name = word.substr(0, word.find('='));
        return join(command.get_name(), " has no option '", name, "'", meant(name, known));
      }
    return {};
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) known.push_back(command->get_name());
  for (const std::string& word : app.remaining())
    if (!word.starts_with('-')) return join("there is no command '", word, "'", meant(word, known));
  return {};
}

void add_compare(CLI::App& app, CompareOptions& o, int& result) {
  auto* c = app.add_subcommand("compare", "Train one network with several optimizers and show how they differ");
  auto* data = c->add_option("--data", o.data, "Folder with MNIST's four IDX files (plain or .gz)");
  c->add_flag("--synthetic", o.synthetic, "Digits drawn by our own code (the default)")->excludes(data);
  c->add_option("--model", o.model, "cnn or mlp")->capture_default_str();
  c->add_option("--optimizers", o.optimizers, "Specs separated by ';', e.g. \"sgd(lr=0.05, momentum=0.9); adam\"");
  add_number(*c, "--epochs", o.epochs, "Passes over the training images");
  add_number(*c, "--batch", o.batch, "Images a step");
  add_number(*c, "--limit", o.limit, "Use only the first N training images; 0: all, 20,000 if generated");
  add_number(*c, "--seed", o.seed, "Of weights, order and generated digits");
  add_number(*c, "--target", o.target, "Test accuracy to be timed");
  c->add_option("--out", o.out, "Folder for metrics.json and report.html")->capture_default_str();
  c->callback([&] { result = compare_command(o); });
}

int run(int argc, char** argv) {
  CLI::App app{"Gradus: a minimal deep-learning framework", "gradus"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", std::string("gradus ") + version());
  int result = 0;
  app.add_option_function<int>("--threads", [](int n) { set_threads(n); }, "Threads for kernels (default: all cores)")
      ->check(number_problem<int>)->trigger_on_parse();

  CompareOptions compare;
  compare.command = as_typed(argc, argv);
  add_compare(app, compare, result);

  ReplayOptions replay;
  auto* r = app.add_subcommand("replay", "Run an optimizer on given gradients and write the trajectory");
  r->add_option("--optimizer", replay.optimizer, "Spec, e.g. \"adam(lr=0.01)\"")->required();
  r->add_option("--params", replay.params, ".npy, any shape, f32 or f64")->required();
  r->add_option("--grads", replay.grads, ".npy, [T, *shape]")->required();
  r->add_option("--out", replay.out, ".npy to write: parameters after each step, [T, *shape]")->required();
  r->add_option("--trace", replay.trace, ".json to write: every named intermediate of every step");
  r->callback([&] { result = replay_command(replay); });

  MinimizeOptions minimize;
  auto* m = app.add_subcommand("minimize", "Run an optimizer on a function with a known minimum and print its path");
  m->add_option("--optimizer", minimize.optimizer, "Spec, e.g. \"adam(lr=0.05)\" or lbfgs")->required();
  m->add_option("--function", minimize.function, "rosenbrock, beale, himmelblau, rastrigin(n=2) or quadratic(n=2, cond=10)")->capture_default_str();
  m->add_option("--start", minimize.start, "x,y (default: the function's usual place); --start=-1,2 if it begins with '-'");
  add_number(*m, "--steps", minimize.steps, "Steps");
  m->add_option("--json", minimize.json, "Write the whole path to this file");
  m->callback([&] { result = minimize_command(minimize); });

  std::string op, gradcheck_json;
  bool op_layouts = false, op_edges = false;
  auto* g = app.add_subcommand("gradcheck", "Check the gradient of every op against differences");
  g->add_option("--op", op, "Only this op");
  g->add_option("--json", gradcheck_json, "Also write the figures to this file");
  auto* in_layouts = g->add_flag("--layouts", op_layouts, "Check in twelve layouts: transposed, strided, expanded, size 0, large, ..");
  g->add_flag("--edges", op_edges, "Check at 0, -0, subnormal, 1e-30 .. 1e20, the largest, infinity, NaN")->excludes(in_layouts);
  g->callback([&] {
    const auto command = op_edges ? edges_command : op_layouts ? layouts_command : gradcheck_command;
    result = command(op, gradcheck_json);
  });

  bool json = false;
  auto* l = app.add_subcommand("optimizers", "List optimizers, stages and schedules, with defaults");
  l->add_flag("--json", json, "As a JSON array");
  l->callback([&] { result = optimizers_command(json); });

  std::string schedule, schedule_json;
  std::int64_t schedule_steps = 0;
  auto* s = app.add_subcommand("schedule", "Plot a schedule");
  s->add_option("schedule", schedule, "e.g. \"cosine(3e-4, total=20000, warmup=500)\"")->required();
  s->add_option("--steps", schedule_steps, "Steps to show (default: its length)")->check(number_problem<std::int64_t>);
  s->add_option("--json", schedule_json, "Write the values to this file");
  s->callback([&] { result = schedule_command(schedule, schedule_steps, schedule_json); });

  std::string spec;
  auto* e = app.add_subcommand("equations", "Print the equations of an optimizer as it would run");
  e->add_option("optimizer", spec, "Spec, e.g. \"sgd(momentum=0.9, nesterov=true)\"")->required();
  e->callback([&] { result = equations_command(spec); });

  app.add_subcommand("info", "Version, compiler, BLAS and whether it is safe, threads, SIMD")->callback([&] { result = info_command(); });

  refuse_empty_values(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = unknown_word(app);
    if (error.get_exit_code() == 0 || unknown.empty()) return app.exit(error);
    fmt::print(stderr, "gradus: {}\nRun with --help for more information.\n", unknown);
    return error.get_exit_code();
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  return after_output(run(argc, argv));
}
