#include <gradus/core/build_info.h>
#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/train/internal/fit_page.h>
#include <gradus/train/internal/run_page.h>
#include <gradus/train/progress_line.h>

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gradus::training {
namespace {

/// The words that the program was started with; none where the system does not say.
std::vector<std::string> words_of_program() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word, scratch; std::getline(file, word, '\0');)
    if (append_json(scratch, word)) words.push_back(word);
  return words;
}

std::string as_typed(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& w : words) {
    const bool plain = !w.empty() && w.find_first_of(" ()|;&*?'\"$<>") == w.npos;
    line += (line.empty() ? "" : " ") + (plain ? w : "'" + w + "'");
  }
  return line;
}

JsonValue settings_of(const Run& r) {
  JsonValue all;
  const auto add = [&](const char* name, const std::string& value) {
    JsonValue pair;
    pair.push_back(name);
    pair.push_back(value);
    all.push_back(pair);
  };
  const auto& o = r.options;
  add("optimizer", r.optimizer.spec());
  add("parameters", std::to_string(r.net.parameter_count()));
  add("training items", std::to_string(r.loader.size()));
  if (o.validation) add("validation items", std::to_string(o.validation->size()));
  add("batch", std::to_string(r.loader.options().batch_size));
  add(o.steps > 0 ? "steps" : "epochs", std::to_string(o.steps > 0 ? o.steps : o.epochs));
  if (o.patience > 0) add("patience", std::to_string(o.patience));
  if (o.average > 0) add("average", text(o.average));
  add("seed", std::to_string(default_generator().state().seed));
  add("threads", std::to_string(threads()));
  add("build", join(compiler(), ", ", simd()));
  return all;
}

/// "accuracy 0.9762 at its best, after epoch 8; 7,504 steps in 1:42."
std::string finding_of(const Run& r) {
  std::string s = fmt::format("{} steps in {}.", r.result.steps, minutes(r.result.seconds));
  const Record* best = r.result.best();
  if (!best) return s;
  const bool metric = !best->metrics.empty();
  const double value = metric ? best->metrics[0] : r.options.validation ? best->validation_loss : best->train_loss;
  return fmt::format("{} {:.4f} at its best, after epoch {}, step {}; {}",
                     metric                 ? r.options.metrics[0].name
                     : r.options.validation ? "validation loss"
                                            : "train loss",
                     value, best->epoch, best->step, s);
}

}  // namespace

std::string fit_page(const Run& r) {
  const std::vector<std::string> words = words_of_program();
  JsonValue page, rows = JsonValue::List(), names = JsonValue::List();
  for (const Record& record : r.result.records) rows.push_back(json_of(record));
  for (const Metric& m : r.options.metrics) names.push_back(m.name);
  page["title"] = words.empty() ? "A run of training" : std::filesystem::path(words[0]).filename().string();
  page["finding"] = finding_of(r), page["command"] = as_typed(words), page["gradus"] = version();
  page["settings"] = settings_of(r), page["x"] = r.options.validate_every > 0 ? "step" : "epoch";
  page["rows"] = rows, page["metrics"] = names, page["steps"] = r.losses.json();
  r.answers.put(page);
  return run_page(page);
}

}  // namespace gradus::training
