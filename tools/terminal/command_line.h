// What the commands share in reading a command line.
#pragma once

#include <CLI/CLI.hpp>

#include <gradus/core/error.h>

#include <charconv>
#include <limits>
#include <string>
#include <type_traits>

namespace gradus::tools {

/// What a command takes from the program and gives back to it.
struct CommandLine {
  std::string typed;  ///< the whole line, quoted where a shell needs it
  int result = 0;     ///< the exit status, set by the command that runs
};

std::string line_as_typed(int argc, char** argv);

/// What is wrong with a number, or "". Of itself CLI11 takes 010 for 8, 0x1p-1 for 0.5, and for what does not fit the
/// nearest that does.
template <class T> std::string number_problem(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  if (std::is_floating_point_v<T>) return join("must be a number, got '", text, "'");
  return join("must be a whole number from ", std::numeric_limits<T>::min(), " to ", std::numeric_limits<T>::max(),
              ", got '", text, "'");
}

template <class T> CLI::Option* add_number(CLI::App& app, const std::string& name, T& value, const std::string& meaning) {
  return app.add_option(name, value, meaning)->check(number_problem<T>)->capture_default_str();
}

/// Makes every option of every command refuse an empty value: it is a variable of a script that was not set, and the default
/// would be a surprise.
void throw_empty_values(CLI::App& app);

/// "there is no command 'comapre'; did you mean 'compare'?", "compare has no option '--epoch'; …", or "" if the line was
/// refused for another reason.
std::string unknown_word(const CLI::App& app);

}  // namespace gradus::tools
