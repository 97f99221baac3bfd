// The commands of the tool: each is one folder, whose add_NAME_command() gives the command its options and what it runs.
#pragma once

namespace CLI {
class App;
}

namespace gradus::tools {

struct CommandLine;

void add_compare_command(CLI::App& app, CommandLine& line);
void add_replay_command(CLI::App& app, CommandLine& line);
void add_minimize_command(CLI::App& app, CommandLine& line);
void add_gradcheck_command(CLI::App& app, CommandLine& line);
void add_optimizers_command(CLI::App& app, CommandLine& line);
void add_schedule_command(CLI::App& app, CommandLine& line);
void add_equations_command(CLI::App& app, CommandLine& line);
void add_info_command(CLI::App& app, CommandLine& line);

}  // namespace gradus::tools
