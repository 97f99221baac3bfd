#include <gradus/autograd/inspect/profile.h>
#include <gradus/core/io/files.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/data/digits.h>
#include <gradus/data/idx.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/compare/compare.h>
#include <gradus/tools/compare/metrics.h>
#include <gradus/tools/compare/networks.h>
#include <gradus/tools/report/report.h>
#include <gradus/tools/terminal/command_line.h>
#include <gradus/train/progress_line.h>

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

namespace gradus::tools {
namespace {

constexpr const char *metrics_name = "/metrics.json", *report_name = "/report.html";
constexpr std::int64_t generated_train = 20000, generated_test = 4000, most_generated = 10'000'000;

volatile std::sig_atomic_t interrupted = 0;

/// While alive, Ctrl-C asks for an orderly end; a second one kills. Where it is ignored (nohup, a shell's background) it
/// stays ignored.
struct CatchInterrupt {
  CatchInterrupt() {
    interrupted = 0;
    ::sigaction(SIGINT, nullptr, &before);
    if (before.sa_handler == SIG_IGN) return;
    struct sigaction ask {};
    ask.sa_handler = [](int) { interrupted = 1; };
    ask.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    ::sigaction(SIGINT, &ask, nullptr);
  }
  ~CatchInterrupt() { ::sigaction(SIGINT, &before, nullptr); }
  CatchInterrupt(const CatchInterrupt&) = delete;
  CatchInterrupt& operator=(const CatchInterrupt&) = delete;
  struct sigaction before {};
};

std::vector<std::string> split_specs(const std::string& text) {
  std::vector<std::string> specs;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(';', from), text.size());
    std::string one = text.substr(from, to - from);
    one.erase(0, one.find_first_not_of(" \t\n"));
    one.erase(one.find_last_not_of(" \t\n") + 1);
    if (!one.empty()) specs.push_back(one);
    from = to + 1;
  }
  return specs;
}

data::ImageSet first_images(const data::ImageSet& set, std::int64_t limit) {
  if (limit <= 0 || limit >= set.labels.size()) return set;
  return {set.images.slice(0, 0, limit), set.labels.slice(0, 0, limit)};
}

struct Sets {
  data::ImageSet train, test;
  std::string name;
};

/// The networks take 28 by 28 pixels, and a mean over no images is none.
data::ImageSet load_images(const std::string& folder, bool train) {
  const char* which = train ? "training" : "test";
  data::ImageSet set = data::load_mnist(folder, train);
  const std::int64_t h = set.images.dim(1), w = set.images.dim(2), side = data::digit_pixels;
  if (set.labels.size() == 0) throw DataError(folder, join("holds no ", which, " images; at least one is needed"));
  if (h != side || w != side)
    throw DataError(folder,
                    join("its ", which, " images are ", h, " by ", w, " pixels; the networks take ", side, " by ", side));
  return set;
}

Sets load_sets(const CompareOptions& o) {
  if (!o.data.empty())
    return {first_images(load_images(o.data, true), o.limit), load_images(o.data, false), "MNIST files in " + o.data};
  const std::int64_t n = o.limit > 0 ? o.limit : generated_train;
  return {data::generate_digits(n, o.seed, true), data::generate_digits(generated_test, o.seed, false), "generated digits"};
}

std::string number(double x, int digits) { return std::isfinite(x) ? fmt::format("{:.{}f}", x, digits) : "-"; }

void print_table(const std::vector<RunResult>& runs, double target) {
  std::size_t width = 9;
  for (const RunResult& r : runs) width = std::max(width, r.optimizer.size());
  const std::string to_target = fmt::format("to {:.1f} %", 100 * target);
  fmt::print("\n{:<{}}  train loss  test loss  test acc.  {:>16}  grad. evals  state B/param\n", "optimizer", width,
             to_target);
  for (const RunResult& r : runs) {
    if (r.epochs.empty()) continue;
    const EpochResult& last = r.epochs.back();
    const std::string reached =
        r.time_to_target ? fmt::format("{:.2f} s {:>6}", *r.time_to_target, *r.steps_to_target) : "-";
    fmt::print("{:<{}}  {:>10}  {:>9}  {:>7} %  {:>16}  {:>11}  {:>13}{}\n", r.optimizer, width, number(last.train_loss, 4),
               number(last.test_loss, 4), number(100 * last.test_accuracy, 2), reached, r.gradient_evaluations,
               number(r.state_bytes_per_parameter, 1), r.diverged ? "  diverged" : "");
  }
  fmt::print("({}: seconds of training and steps until the test accuracy was seen there)\n", to_target);
}

/// The live line of one run, and a line that stays for each epoch.
class Narrator {
 public:
  explicit Narrator(std::int64_t epochs) : epochs_(epochs) {}
  bool operator()(const std::string& name, const RunProgress& p) {
    progress_.show(fmt::format("{}  epoch {}/{}  batch {}/{}  loss {:.4f}  accuracy {} %  {:.0f} images/s  {} left", name,
                               p.epoch, epochs_, p.batch, p.batches, p.loss, number(100 * p.accuracy, 2),
                               p.images_per_second, training::minutes(p.seconds_left)));
    return !interrupted;
  }
  void finished(const std::string& name, const RunResult& r) {
    for (const EpochResult& e : r.epochs)
      progress_.line(fmt::format("{}  epoch {}/{}  train loss {}  test loss {}  test accuracy {} %  {:.2f} s", name, e.epoch,
                                 epochs_, number(e.train_loss, 4), number(e.test_loss, 4), number(100 * e.test_accuracy, 2),
                                 e.seconds));
    if (r.diverged)
      progress_.line(name + "  diverged: the loss is no longer finite" + (r.cause.empty() ? "" : "; " + r.cause));
  }

 private:
  training::ProgressLine progress_;
  std::int64_t epochs_;
};

void check(const CompareOptions& o) {
  auto at_least_one = [](const char* name, std::int64_t x) {
    if (x < 1) throw SpecError(name, join("must be at least 1, got ", x));
  };
  at_least_one("--epochs", o.epochs);
  at_least_one("--batch", o.batch);
  if (o.limit < 0) throw SpecError("--limit", join("must not be negative, got ", o.limit));
  if (o.data.empty() && o.limit > most_generated)
    throw SpecError("--limit", join("must be at most ", most_generated, " for digits that are generated, got ", o.limit));
  if (!(o.target > 0 && o.target <= 1)) throw SpecError("--target", join("must lie in (0, 1], got ", text(o.target)));
}

/// Made, and able to take a file, before anything is trained.
void make_folder(const std::string& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) throw SpecError("--out", join("the folder \"", path, "\" cannot be made: ", failed.message()));
  if (::access(path.c_str(), W_OK | X_OK) != 0)
    throw SpecError("--out", join("no file can be made in \"", path, "\": ", std::generic_category().message(errno)));
  for (const char* name : {metrics_name, report_name}) check_writable(path + name);
}

}  // namespace

const std::vector<std::string>& default_optimizers() {
  static const std::vector<std::string> specs = {"sgd(lr=0.1)",      "sgd(lr=0.02, momentum=0.9)",
                                                 "adagrad(lr=0.01)", "rmsprop(lr=0.001)",
                                                 "adam(lr=0.001)",   "adamw(lr=0.001)"};
  return specs;
}

int compare_command(const CompareOptions& o) {
  check(o);
  const auto specs = o.optimizers.empty() ? default_optimizers() : split_specs(o.optimizers);
  if (specs.empty()) throw SpecError("--optimizers", "no optimizer was named");
  manual_seed(o.seed);
  const auto initial = make_network(o.model);
  for (const auto& spec : specs) optim::make(spec, initial->named_parameters());  // refuse early, before any work
  const Sets sets = load_sets(o);
  const TrainingPlan plan{sets.train, sets.test, o.epochs, o.batch, o.seed, o.target};
  const Settings settings{o.command,
                          sets.name,
                          o.model,
                          o.seed,
                          threads(),
                          o.batch,
                          initial->parameter_count(),
                          sets.train.labels.size(),
                          sets.test.labels.size(),
                          o.target};
  make_folder(o.out);
  if (!o.profile.empty()) check_writable(o.profile);
  fmt::print("{} on {}: {} training and {} test images, {} parameters, {} optimizers\n", o.model, sets.name,
             settings.train_images, settings.test_images, settings.parameters, specs.size());

  std::vector<RunResult> runs;
  std::optional<Profile> profile;
  if (!o.profile.empty()) profile.emplace();
  CatchInterrupt guard;
  for (const auto& spec : specs) {
    const auto network = initial->clone();
    manual_seed(o.seed);
    Narrator narrator(o.epochs);
    runs.push_back(train(*network, spec, plan, [&](const RunProgress& p) { return narrator(spec, p); }));
    narrator.finished(spec, runs.back());
    const std::string metrics = metrics_json(settings, sets.train, runs);
    write_atomically(o.out + metrics_name, metrics);
    write_atomically(o.out + report_name, report_page(metrics));
    if (interrupted) break;
  }
  print_table(runs, o.target);
  if (profile) {
    fmt::print("\n{}", to_string(*profile));
    profile->save(o.profile);
    fmt::print("\n{}", o.profile);
  }
  fmt::print("\n{0}/metrics.json\n{0}/report.html\n", o.out);
  if (interrupted) fmt::print("interrupted: what was finished is written\n");
  return interrupted ? 130 : 0;
}

void add_compare_command(CLI::App& app, CommandLine& line) {
  auto* c = app.add_subcommand("compare", "Train one network with several optimizers and show how they differ");
  const auto o = std::make_shared<CompareOptions>();
  auto* data = c->add_option("--data", o->data, "Folder with MNIST's four IDX files (plain or .gz)");
  c->add_flag("--synthetic", o->synthetic, "Digits drawn by our own code (the default)")->excludes(data);
  c->add_option("--model", o->model, "cnn or mlp")->capture_default_str();
  c->add_option("--optimizers", o->optimizers, "Specs separated by ';', e.g. \"sgd(lr=0.05, momentum=0.9); adam\"");
  add_number(*c, "--epochs", o->epochs, "Passes over the training images");
  add_number(*c, "--batch", o->batch, "Images a step");
  add_number(*c, "--limit", o->limit, "Use only the first N training images; 0: all, 20,000 if generated");
  add_number(*c, "--seed", o->seed, "Of weights, order and generated digits");
  add_number(*c, "--target", o->target, "Test accuracy to be timed");
  c->add_option("--out", o->out, "Folder for metrics.json and report.html")->capture_default_str();
  c->add_option("--profile", o->profile, "Also time every op: a table, and this file for Perfetto (Chrome trace JSON)");
  c->callback([o, &line] {
    o->command = line.typed;
    line.result = compare_command(*o);
  });
}

}  // namespace gradus::tools
