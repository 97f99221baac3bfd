// `gradus optimizers`: every registered rule; for people, stages and schedules too.
#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/spec/registry.h>
#include <gradus/optim/stages/stages.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace gradus::tools {
namespace {

using Json = nlohmann::ordered_json;

Json value_of(const optim::Option& o) {
  switch (o.kind) {
    case optim::Option::Kind::flag: return o.value != 0;
    case optim::Option::Kind::choice: return o.words[static_cast<std::size_t>(o.value)];
    default: return o.value;
  }
}

/// "max_norm, eps=0.001": an option that must be given has no value.
std::string defaults_text(const std::vector<optim::Option>& options) {
  std::string s;
  for (const auto& o : options) s += (s.empty() ? "" : ", ") + (std::isnan(o.value) ? o.name : to_string(o));
  return s.empty() ? "" : "(" + s + ")";
}

void print_stages_and_schedules() {
  fmt::print("\nstages, before an optimizer: skip_nonfinite | clip_norm(1) | adamw(lr=3e-4)\n");
  for (const auto& kind : optim::stage_kinds()) {
    std::vector<optim::Option> options;
    for (const auto& o : kind.options) options.push_back(o.option);
    fmt::print("{}{}\n    {}\n", kind.name, defaults_text(options), kind.meaning);
  }
  fmt::print("\nschedules, as the value of an option: adamw(lr=cosine(3e-4, total=20000, warmup=500)); k: steps taken\n");
  for (const auto& s : optim::all_schedules()) fmt::print("{}{}\n    {}\n", s.name, defaults_text(s.defaults), s.formula);
}

int optimizers_command(bool json) {
  const auto rules = optim::all_rules();
  if (json) {
    Json list = Json::array();
    for (const auto& r : rules) {
      Json defaults = Json::object();
      for (const auto& o : r.defaults) defaults[o.name] = value_of(o);
      list.push_back({{"name", r.info.name},
                      {"defaults", defaults},
                      {"shape", r.shape},
                      {"paper", r.info.paper},
                      {"year", r.info.year}});
    }
    fmt::print("{}\n", list.dump(1));
    return 0;
  }
  for (const auto& r : rules) {
    std::string defaults;
    for (const auto& o : r.defaults) defaults += (defaults.empty() ? "" : ", ") + optim::to_string(o);
    fmt::print("{}({})\n    {} rule. {}, {}\n", r.info.name, defaults, r.shape, r.info.paper, r.info.year);
  }
  print_stages_and_schedules();
  return 0;
}

}  // namespace

void add_optimizers_command(CLI::App& app, CommandLine& line) {
  auto* c = app.add_subcommand("optimizers", "List optimizers, stages and schedules, with defaults");
  const auto json = std::make_shared<bool>(false);
  c->add_flag("--json", *json, "As a JSON array");
  c->callback([json, &line] { line.result = optimizers_command(*json); });
}

}  // namespace gradus::tools
