#include <gradus/core/error.h>
#include <gradus/optim/optimizer.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// The first names and the number of the others: "a, b, c and 4 more".
std::string some(const std::vector<std::string>& names) {
  std::string s;
  for (std::size_t i = 0; i < names.size() && i < 4; ++i) s += (i ? ", " : "") + names[i];
  return names.size() > 4 ? join(s, " and ", names.size() - 4, " more") : s;
}

void warn(const std::vector<std::string>& names, const std::string& what, std::vector<std::string>& to) {
  const char* noun = names.size() == 1 ? " parameter " : " parameters ";
  if (!names.empty()) to.push_back(join(names.size(), noun, what, ": ", some(names)));
}

}  // namespace

Audit Optimizer::audit() const {
  Audit a;
  std::vector<std::string> decayed, still, unseen;
  for (const auto& e : parameters_) {
    const Group& g = spec_.groups[e.group];
    AuditRow row{e.name, e.leaf.shape(), g.rule->moving().name(), {}, {}, {}, {}, g.pattern, e.t};
    const auto scheduled = [&](const std::string& option) -> std::string {
      for (const Group* from : {&g, g.owns(option) ? &g : &spec_.groups[0]})
        for (const Scheduled& s : from->schedules)
          if (s.option == option) return s.schedule.spec();
      return "";
    };
    if (g.rule->has("lr")) row.lr = g.rule->get("lr"), row.lr_schedule = scheduled("lr");
    if (g.rule->has("weight_decay"))
      row.weight_decay = g.rule->get("weight_decay"), row.decay_schedule = scheduled("weight_decay");
    const bool decays = row.weight_decay.value_or(0) != 0 || !row.decay_schedule.empty();
    if (e.leaf.rank() <= 1 && decays) decayed.push_back(e.name);
    if (row.lr && *row.lr == 0 && row.lr_schedule.empty()) still.push_back(e.name);
    if (steps_ > 0 && e.t == 0) unseen.push_back(e.name);
    a.parameters.push_back(std::move(row));
  }
  warn(decayed,
       "with one axis or none (biases, norms) under weight decay, which opt.group(\"*.bias\", \"weight_decay=0\") takes off",
       a.warnings);
  warn(still, "with lr=0 will not move", a.warnings);
  warn(unseen, join("without a gradient in ", steps_, " steps"), a.warnings);
  return a;
}

std::string to_string(const Audit& audit) {
  std::vector<std::vector<std::string>> table = {{"parameter", "shape", "rule", "lr", "weight_decay", "group", "steps"}};
  const auto value = [](const std::optional<double>& x, const std::string& schedule) {
    return !schedule.empty() ? schedule : x ? text(*x) : "-";
  };
  for (const AuditRow& r : audit.parameters)
    table.push_back({r.parameter, to_string(r.shape), r.rule, value(r.lr, r.lr_schedule),
                     value(r.weight_decay, r.decay_schedule), r.group.empty() ? "-" : r.group, std::to_string(r.steps)});
  std::vector<std::size_t> width(table[0].size(), 0);
  for (const auto& row : table)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  std::string s;
  for (const auto& row : table) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += row[c] + std::string(width[c] - row[c].size() + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    s += line + "\n";
  }
  for (const auto& w : audit.warnings) s += "warning: " + w + "\n";
  return s;
}

}  // namespace gradus::optim
