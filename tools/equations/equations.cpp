// `gradus equations`: what an optimizer computes, printed by its own text.
#include <gradus/optim/spec/spec.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>

#include <memory>

namespace gradus::tools {

void add_equations_command(CLI::App& app, CommandLine&) {
  auto* c = app.add_subcommand("equations", "Print the equations of an optimizer as it would run");
  const auto spec = std::make_shared<std::string>();
  c->add_option("optimizer", *spec, "Spec, e.g. \"sgd(momentum=0.9, nesterov=true)\"")->required();
  c->callback([spec] { fmt::print("{}", optim::equations(*spec)); });
}

}  // namespace gradus::tools
