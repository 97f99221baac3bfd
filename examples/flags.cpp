#include <gradus/autograd/inspect/profile.h>
#include <gradus/core/io/files.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/examples/flags.h>

#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace gradus::examples {

optim::Optimizer Flags::make_optimizer(nn::ModuleBase& net, const data::DataLoader& loader) const {
  const std::string total = std::to_string(steps > 0 ? steps : epochs * loader.batches());
  std::string spec = optimizer;
  for (auto at = spec.find("TOTAL"); at != spec.npos; at = spec.find("TOTAL")) spec.replace(at, 5, total);
  return optim::make(spec, net.named_parameters());
}

training::FitOptions Flags::fit(const data::DataLoader* validation, std::vector<training::Metric> metrics) const {
  training::FitOptions o;
  o.epochs = epochs > 0 ? epochs : 1'000'000;
  o.steps = steps;
  o.find_lr = find_lr;
  o.report = report;
  o.validation = validation;
  o.metrics = std::move(metrics);
  if (steps > 0) o.validate_every = quick ? steps : std::max<std::int64_t>(1, steps / 10);
  if (!resume.empty())
    o.checkpoint = training::Checkpoint(
        resume, {{"program", program}, {"data", data}, {"seed", std::to_string(seed)}, {"quick", quick ? "yes" : "no"}});
  return o;
}

Outcome Flags::outcome(nn::ModuleBase& net, const training::FitResult& result, const training::FitOptions& options,
                       const std::string& task, double baseline) const {
  if (!save.empty()) net.save(save);
  if (result.records.empty()) throw DataError(program, "there was not one step to take", "--epochs or --steps above 0");
  const training::Record& last = result.records.back();
  const bool with_metric = !options.metrics.empty();
  return {.task = task,
          .metric = with_metric ? options.metrics[0].name : "loss",
          .value = with_metric ? last.metrics[0] : last.validation_loss,
          .baseline = baseline,
          .higher_is_better = with_metric && options.metrics[0].higher_is_better,
          .steps = result.steps,
          .parameters = net.parameter_count(),
          .curve = result.records};
}

namespace {

void write_json(const Flags& flags, const Outcome& o, double seconds) {
  JsonValue v, curve = JsonValue::List();
  v["task"] = o.task, v["metric"] = o.metric, v["value"] = o.value, v["higher_is_better"] = o.higher_is_better;
  v["baseline"] = o.baseline, v["seconds"] = seconds, v["steps"] = o.steps, v["optimizer"] = flags.optimizer;
  v["seed"] = static_cast<std::int64_t>(flags.seed), v["parameters"] = o.parameters;
  for (const training::Record& r : o.curve) {
    JsonValue point;
    point.push_back(r.step);
    point.push_back(r.train_loss);
    point.push_back(r.metrics.empty() ? r.validation_loss : r.metrics[0]);
    curve.push_back(point);
  }
  v["curve"] = curve;
  for (const auto& [name, figure] : o.more) v["more"][name] = figure;
  write_atomically(flags.json, to_string(v) + "\n");
}

/// What is wrong with a count, or "".
std::string count_problem(const std::string& text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && count > 0 ? "" : join("must be a whole number above 0, got '", text, "'");
}

/// "cnn_mnist has no option '--epoch'; did you mean '--epochs'?", or "" if the line was refused for another reason.
std::string unknown_option(const CLI::App& app, const std::string& program) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : app.remaining())
    if (word.starts_with("--")) {
      const std::string name = word.substr(0, word.find('=')), near = did_you_mean(name, known);
      return join(program, " has no option '", name, "'", near.empty() ? "" : join("; did you mean '", near, "'?"));
    }
  return {};
}

}  // namespace

int run(int argc, char** argv, const std::string& about, Flags flags, const std::function<Outcome(const Flags&)>& example) {
  CLI::App app{about};
  flags.program = std::filesystem::path(argv[0]).filename().string();
  app.add_option("--data", flags.data, "Real data: a file or folder; default: made by our own code");
  app.add_option("--optimizer", flags.optimizer, "A spec; TOTAL stands for the run's steps")->capture_default_str();
  auto* length = flags.steps > 0 ? app.add_option("--steps", flags.steps, "Batches to learn from")
                                 : app.add_option("--epochs", flags.epochs, "Passes over the data");
  length->capture_default_str()->check(count_problem);
  app.add_option("--batch", flags.batch, "Items at a time")->capture_default_str()->check(count_problem);
  app.add_option("--seed", flags.seed, "Of everything that is random")->capture_default_str();
  app.add_option("--threads", flags.threads, "Default: all cores")->check(count_problem);
  app.add_option("--save", flags.save, "Write the trained weights here (.safetensors)");
  app.add_option("--resume", flags.resume, "A folder of checkpoints: the run goes on from it, and can be interrupted");
  app.add_flag("--quick", flags.quick, "A few seconds");
  app.add_flag("--find-lr", flags.find_lr, "First a sweep of the learning rate, and where the loss falls fastest");
  app.add_option("--json", flags.json, "Write what came of it here");
  app.add_option("--report", flags.report, "Write a page of the run here (HTML): curves, confusion matrix, worst answers");
  app.add_option("--profile", flags.profile, "Time every op: a table, and this file for Perfetto (Chrome trace JSON)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = unknown_option(app, flags.program);
    if (error.get_exit_code() == 0 || unknown.empty()) return app.exit(error);
    std::fprintf(stderr, "%s\nRun with --help for more information.\n", unknown.c_str());
    return error.get_exit_code();
  }
  if (flags.quick && length->count() == 0) (flags.steps > 0 ? flags.steps : flags.epochs) = flags.quick_length;
  try {
    const auto begin = std::chrono::steady_clock::now();
    if (flags.threads > 0) set_threads(flags.threads);
    if (!flags.json.empty()) check_writable(flags.json);
    if (!flags.save.empty()) check_writable(flags.save);
    if (!flags.profile.empty()) check_writable(flags.profile);
    manual_seed(flags.seed);
    std::optional<Profile> profile;
    if (!flags.profile.empty()) profile.emplace();
    const Outcome o = example(flags);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%s: %s %.4f (without learning %.4f), %lld parameters, %lld steps, %.1f s\n", o.task.c_str(),
                o.metric.c_str(), o.value, o.baseline, static_cast<long long>(o.parameters), static_cast<long long>(o.steps),
                seconds);
    for (const auto& [name, figure] : o.more) std::printf("  %s %.4f\n", name.c_str(), figure);
    if (!flags.json.empty()) write_json(flags, o, seconds);
    if (profile) std::fputs(to_string(*profile).c_str(), stdout), profile->save(flags.profile);
    return (o.higher_is_better ? o.value > o.baseline : o.value < o.baseline) ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace gradus::examples
