// `gradus schedule`: a schedule, plotted.
#include <gradus/core/io/files.h>
#include <gradus/optim/schedule/schedule.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/schedule/schedule.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace gradus::tools {
int schedule_command(const std::string& spec, std::int64_t steps, const std::string& json) {
  if (steps < 0 || steps > 10000000) throw SpecError("--steps", join("must lie in [0, 10000000], got ", steps));
  const optim::Schedule schedule(spec);
  if (steps == 0) steps = std::min<std::int64_t>(schedule.horizon(), 10000000);
  if (!json.empty())
    write_atomically(
        json, nlohmann::ordered_json({{"schedule", schedule.spec()}, {"values", schedule.preview(steps)}}).dump() + "\n");
  fmt::print("{}", optim::to_string(schedule, steps));
  return 0;
}

void add_schedule_command(CLI::App& app, CommandLine& line) {
  struct Options {
    std::string schedule, json;
    std::int64_t steps = 0;
  };
  auto* c = app.add_subcommand("schedule", "Plot a schedule");
  const auto o = std::make_shared<Options>();
  c->add_option("schedule", o->schedule, "e.g. \"cosine(3e-4, total=20000, warmup=500)\"")->required();
  c->add_option("--steps", o->steps, "Steps to show (default: its length)")->check(number_problem<std::int64_t>);
  c->add_option("--json", o->json, "Write the values to this file");
  c->callback([o, &line] { line.result = schedule_command(o->schedule, o->steps, o->json); });
}

}  // namespace gradus::tools
