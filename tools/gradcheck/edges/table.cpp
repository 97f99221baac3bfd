#include <fmt/format.h>
#include <gradus/core/io/files.h>
#include <gradus/tools/gradcheck/check_edges.h>

#include <nlohmann/json.hpp>

namespace gradus::tools {
namespace {

struct Column {
  const char* name;
  EdgeRule rule;
  int order;
};
constexpr Column columns[] = {
    {"nan", EdgeRule::nan, 0},        {"nan'", EdgeRule::nan, 1},        {"f32", EdgeRule::digits, 0},
    {"f32'", EdgeRule::digits, 1},    {"f32''", EdgeRule::digits, 2},    {"finite", EdgeRule::finite, 0},
    {"finite'", EdgeRule::finite, 1}, {"finite''", EdgeRule::finite, 2}, {"form", EdgeRule::form, 0},
    {"form'", EdgeRule::form, 1},     {"form''", EdgeRule::form, 2}};
constexpr int shown = 4;  // failures of a kind

void print_edges_head(std::size_t width) {
  fmt::print("{:<{}}  {:>7}  {:>6}", "op", width, "points", "forms");
  for (const Column& c : columns) fmt::print("  {:>8}", c.name);
  fmt::print("  verdict\n");
}

void print_row(const EdgeRow& r, std::size_t width) {
  fmt::print("{:<{}}  {:>7}  {:>6}", r.name, width, r.points, r.forms == 0 ? "-" : std::to_string(r.forms));
  for (const Column& c : columns) {
    int excused = 0;
    for (const auto& [e, times] : r.excused) excused += e->rule == c.rule && e->order == c.order;
    const int failed = r.count(c.rule, c.order);
    fmt::print("  {:>8}", failed ? std::to_string(failed) : excused ? "excused" : "0");
  }
  fmt::print("  {}\n", r.passed() ? "passed" : "FAILED");
  std::fflush(stdout);
}

void print_failures(const EdgeRow& r) {
  for (const Column& c : columns) {
    int n = 0;
    for (const EdgeFailure& f : r.failures)
      if (f.rule == c.rule && f.order == c.order && ++n <= shown) fmt::print("FAILED {} / {}: {}\n", r.name, c.name, f.text);
    if (n > shown) fmt::print("FAILED {} / {}: and {} more\n", r.name, c.name, n - shown);
  }
  for (const std::string& u : r.unneeded) fmt::print("FAILED {}\n", u);
}

nlohmann::ordered_json to_json(const EdgeRow& r) {
  auto failures = nlohmann::ordered_json::array(), exceptions = nlohmann::ordered_json::array();
  for (const EdgeFailure& f : r.failures)
    failures.push_back({{"rule", rule_name(f.rule)}, {"order", f.order}, {"text", f.text}});
  for (const auto& [e, times] : r.excused)
    exceptions.push_back({{"rule", rule_name(e->rule)}, {"order", e->order}, {"reason", e->reason}, {"points", times}});
  return {{"name", r.name},           {"points", r.points},     {"forms", r.forms},    {"failures", failures},
          {"exceptions", exceptions}, {"unneeded", r.unneeded}, {"passed", r.passed()}};
}

}  // namespace

int edges_command(const std::string& op, const std::string& json_path) {
  const auto ops = ops_named(op);
  std::size_t width = 2;
  for (const OpInfo* o : ops) width = std::max(width, std::string_view(o->name).size());
  print_edges_head(width);
  std::vector<EdgeRow> rows;
  int points = 0, failed = 0;
  for (const OpInfo* o : ops) {
    rows.push_back(check_edges(*o));
    print_row(rows.back(), width);
    points += rows.back().points, failed += !rows.back().passed();
  }
  fmt::print("\nexceptions, each a line of the op's record\n");
  for (const EdgeRow& r : rows)
    for (const auto& [e, times] : r.excused)
      fmt::print("- {}: {}, order {}: {} ({} points)\n", r.name, rule_name(e->rule), e->order, e->reason, times);
  for (const EdgeRow& r : rows) print_failures(r);
  fmt::print("\n{} points of {} ops; {} failed\n", points, rows.size(), failed);
  if (!json_path.empty()) {
    auto json = nlohmann::ordered_json::array();
    for (const EdgeRow& r : rows) json.push_back(to_json(r));
    write_atomically(json_path, nlohmann::ordered_json{{"ops", json}}.dump(2) + "\n");
  }
  return failed ? 1 : 0;
}

}  // namespace gradus::tools
