#include <gradus/tools/terminal/command_line.h>

#include <vector>

namespace gradus::tools {
namespace {

std::string meant(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = did_you_mean(word, known);
  return near.empty() ? "" : join("; did you mean '", near, "'?");
}

}  // namespace

std::string line_as_typed(int argc, char** argv) {
  std::string line = "gradus";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" ()|;&*?'\"$<>") == std::string::npos && !word.empty();
    line += ' ' + (plain ? word : '\'' + word + '\'');
  }
  return line;
}

void throw_empty_values(CLI::App& app) {
  const auto problem = [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); };
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : command->get_options())
      if (option->get_expected_max() > 0) option->check(problem);
}

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
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  for (const std::string& word : app.remaining())
    if (!word.starts_with('-')) return join("there is no command '", word, "'", meant(word, known));
  return {};
}

}  // namespace gradus::tools
