// The command line: `gradus --help`.
#include <gradus/core/build_info.h>
#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/terminal/command_line.h>
#include <gradus/tools/terminal/standard_output.h>

#include <fmt/core.h>

#include <cstdio>
#include <string>

namespace {

using namespace gradus;
using namespace gradus::tools;

constexpr auto commands = {add_compare_command,    add_replay_command,   add_minimize_command,  add_gradcheck_command,
                           add_optimizers_command, add_schedule_command, add_equations_command, add_info_command};

int run(int argc, char** argv) {
  CLI::App app{"Gradus: a minimal deep-learning framework", "gradus"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", std::string("gradus ") + version());
  app.add_option_function<int>(
         "--threads", [](int n) { set_threads(n); }, "Threads for kernels (default: all cores)")
      ->check(number_problem<int>)
      ->trigger_on_parse();
  CommandLine line{.typed = line_as_typed(argc, argv)};
  for (const auto add : commands) add(app, line);
  throw_empty_values(app);
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
  return line.result;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  return after_output(run(argc, argv));
}
