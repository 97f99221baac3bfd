// report_figures DOM METRICS [DOM_AFTER_USE]: compares a rendered report with the metrics it was made from.
//
// DOM is what the browser made of report.html. Checked: the page finished; every final figure of every run is there once
// and equal as a double; every run that has step losses has a curve; no coordinate is NaN; nothing refers to the network.
// DOM_AFTER_USE is the same page after the pointer stood on the last epoch of the accuracy figure (what the tooltip said
// is in #hovered) and the first run was hidden by its legend entry.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

struct Tag {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< of script and style only
  std::string operator[](const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }
  bool has(const std::string& key) const { return attributes.contains(key); }
};

int failures = 0;

void check(bool good, const std::string& complaint) {
  if (good) return;
  ++failures;
  std::cerr << "report_figures: " << complaint << '\n';
}

std::string read_text(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string("cannot open ") + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Reads one start tag at page[at] == '<'; moves `at` behind it. Chromium writes attributes as name="value".
Tag read_tag(std::string_view page, std::size_t& at) {
  Tag tag;
  std::size_t i = at + 1;
  while (i < page.size() && std::isalnum(static_cast<unsigned char>(page[i])) != 0) tag.name += page[i++];
  while (i < page.size() && page[i] != '>') {
    if (page[i] == ' ' || page[i] == '\n' || page[i] == '/') {
      ++i;
      continue;
    }
    std::string name, value;
    while (i < page.size() && page[i] != '=' && page[i] != '>' && page[i] != ' ') name += page[i++];
    if (i + 1 < page.size() && page[i] == '=' && page[i + 1] == '"') {
      const std::size_t end = page.find('"', i + 2);
      if (end == std::string_view::npos) throw std::runtime_error("the DOM has an attribute without an end: " + name);
      value = page.substr(i + 2, end - i - 2);
      i = end + 1;
    }
    tag.attributes[name] = value;
  }
  at = i + 1;
  return tag;
}

std::vector<Tag> read_tags(std::string_view page) {
  std::vector<Tag> tags;
  for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at)) {
    if (at + 1 >= page.size() || std::isalpha(static_cast<unsigned char>(page[at + 1])) == 0) {
      ++at;
      continue;
    }
    Tag tag = read_tag(page, at);
    if (tag.name == "script" || tag.name == "style") {
      const std::size_t end = page.find("</" + tag.name, at);
      if (end == std::string_view::npos) throw std::runtime_error("the DOM ends inside <" + tag.name + ">");
      tag.text = page.substr(at, end - at);
      at = end;
    }
    tags.push_back(std::move(tag));
  }
  return tags;
}

/// "null", or a number that reads back as exactly the one in the metrics.
bool same(const std::string& shown, const json& value) {
  if (value.is_null()) return shown == "null";
  if (value.is_boolean()) return shown == (value.get<bool>() ? "true" : "false");
  char* end = nullptr;
  const double number = std::strtod(shown.c_str(), &end);
  return !shown.empty() && *end == '\0' && number == value.get<double>();
}

json final_figure(const json& run, const std::string& metric) {
  if (metric == "diverged") return run.value("diverged", false);
  if (metric == "train_loss" || metric == "test_loss" || metric == "test_accuracy") {
    const json epochs = run.value("epochs", json::array());
    return epochs.empty() ? json() : epochs.back().value(metric, json());
  }
  return run.value(metric, json());
}

void check_ready(const std::vector<Tag>& tags) {
  const auto body = std::find_if(tags.begin(), tags.end(), [](const Tag& t) { return t.name == "body"; });
  const bool ready = body != tags.end() && (*body)["data-ready"] == "1";
  check(ready, "<body> lacks data-ready=\"1\": the page's script did not finish");
}

int check_figures(const std::vector<Tag>& tags, const json& runs) {
  int compared = 0;
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (const char* metric : {"train_loss", "test_loss", "test_accuracy", "time_to_target", "steps_to_target",
                               "gradient_evaluations", "state_bytes_per_parameter", "diverged"}) {
      std::vector<std::string> shown;
      for (const Tag& t : tags)
        if (t["data-run"] == std::to_string(i) && t["data-metric"] == metric) shown.push_back(t["data-value"]);
      const std::string where = "run " + std::to_string(i) + ", " + metric;
      const json want = final_figure(runs[i], metric);
      check(shown.size() == 1, where + ": shown " + std::to_string(shown.size()) + " times; it should be once");
      if (shown.size() != 1) continue;
      check(same(shown[0], want), where + ": the page says " + shown[0] + "; metrics.json says " + want.dump());
      ++compared;
    }
  return compared;
}

void check_curves(const std::vector<Tag>& tags, const json& runs) {
  for (const Tag& t : tags)
    for (const char* key : {"d", "points", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"})
      for (const char* never : {"NaN", "Infinity", "undefined"})
        check(t[key].find(never) == std::string::npos, "<" + t.name + "> has " + key + "=\"" + t[key].substr(0, 60) + "\"");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const json steps = runs[i].value("steps", json::object());
    const json losses = steps.value("loss", json::array());
    const auto positive = [](const json& v) { return v.is_number() && v.get<double>() > 0; };
    if (std::none_of(losses.begin(), losses.end(), positive)) continue;
    const bool drawn = std::any_of(tags.begin(), tags.end(), [&](const Tag& t) {
      return t.name == "path" && t["class"] == "curve" && t["data-curve"] == std::to_string(i) && !t["d"].empty();
    });
    check(drawn, "run " + std::to_string(i) + " has step losses but no curve");
  }
}

/// Only fragments and inline data may be referred to; a script may not ask for anything.
void check_no_network(const std::vector<Tag>& tags) {
  for (const Tag& t : tags) {
    for (const char* key : {"src", "href", "xlink:href", "srcset", "poster", "data", "action", "background", "ping"})
      check(!t.has(key) || t[key].starts_with("#") || t[key].starts_with("data:"),
            "<" + t.name + "> refers to " + key + "=\"" + t[key] + "\"");
    if (t["type"] == "application/json") continue;
    for (const char* never : {"@import", "url(http", "url(//", "url('", "url(\"", "fetch(", "XMLHttpRequest", "WebSocket",
                              "EventSource", "sendBeacon", "importScripts", "import("})
      check(t.text.find(never) == std::string::npos, "<" + t.name + "> contains \"" + never + "\"");
  }
}

std::size_t last_epoch(const json& run) {
  const json epochs = run.value("epochs", json::array());
  const json number = epochs.empty() ? json(0) : epochs.back().value("epoch", json());
  return number.is_number() ? number.get<std::size_t>() : epochs.size();
}

void check_use(const std::vector<Tag>& tags, const json& runs) {
  const auto has_accuracy = [](const json& run) {
    const json epochs = run.value("epochs", json::array());
    const auto known = [](const json& epoch) { return epoch.value("test_accuracy", json()).is_number(); };
    return std::any_of(epochs.begin(), epochs.end(), known);
  };
  if (std::none_of(runs.begin(), runs.end(), has_accuracy)) return;  // an empty figure has no tooltip
  std::size_t last = 0;
  for (const json& run : runs) last = std::max(last, last_epoch(run));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (last_epoch(runs[i]) == 0) continue;
    const json want = last_epoch(runs[i]) == last ? final_figure(runs[i], "test_accuracy") : json();
    const std::string who = "tooltip, run " + std::to_string(i);
    const auto its = [&](const Tag& t) { return t["data-tip-run"] == std::to_string(i); };
    const auto row = std::find_if(tags.begin(), tags.end(), its);
    check(row != tags.end(), who + " is missing");
    if (row == tags.end()) continue;
    const std::string shown = (*row)["data-value"];
    check(same(shown, want), who + " says " + shown + "; metrics.json says " + want.dump());
  }
  const bool pressed = std::any_of(tags.begin(), tags.end(),
                                   [](const Tag& t) { return t["data-legend"] == "0" && t["aria-pressed"] == "true"; });
  const bool drawn = std::any_of(tags.begin(), tags.end(), [](const Tag& t) { return t["data-curve"] == "0"; });
  check(!pressed && !drawn, "run 0 is still drawn after its legend entry was clicked");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) {
    std::cerr << "usage: report_figures DOM METRICS [DOM_AFTER_USE]\n";
    return 2;
  }
  try {
    const std::vector<Tag> tags = read_tags(read_text(arguments[1]));
    const json runs = json::parse(read_text(arguments[2])).at("runs");
    check_ready(tags);
    const int compared = check_figures(tags, runs);
    check_curves(tags, runs);
    check_no_network(tags);
    if (count == 4) check_use(read_tags(read_text(arguments[3])), runs);
    if (failures == 0) std::cout << "report: " << compared << " figures of " << runs.size() << " runs equal metrics.json\n";
  } catch (const std::exception& e) {
    check(false, e.what());
  }
  return failures == 0 ? 0 : 1;
}
