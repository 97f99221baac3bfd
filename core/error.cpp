#include <gradus/core/error.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace gradus {
namespace {

thread_local std::vector<const std::string*> module_path;

std::string message(const std::string& op, const std::string& problem, const std::string& module, const std::string& hint) {
  std::string s = op + ": " + problem;
  if (!module.empty()) s += " [in module \"" + module + "\"]";
  if (!hint.empty()) s += "\n  try: " + hint;
  return s;
}

}  // namespace

Error::Error(std::string op, std::string problem, std::string hint)
    : std::runtime_error(message(op, problem, InModule::path(), hint)),
      op_(std::move(op)),
      problem_(std::move(problem)),
      module_(InModule::path()),
      hint_(std::move(hint)) {}

std::string text(double x) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
  return {buffer, end};
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  auto distance = [](std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0u);
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0]++;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
        diagonal = above;
      }
    }
    return row.back();
  };
  std::string best;
  if (word.size() > 200) return best;  // a word this long is no typing mistake
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& k : known)
    if (const auto d = distance(word, k); d < least) least = d, best = k;
  return best;
}

InModule::InModule(const std::string& name) { module_path.push_back(&name); }
InModule::~InModule() { module_path.pop_back(); }
bool InModule::inside() { return !module_path.empty(); }

std::string InModule::path() {
  std::string s;
  for (const auto* name : module_path)
    if (!name->empty()) s += (s.empty() ? "" : ".") + *name;
  return s;
}

}  // namespace gradus
