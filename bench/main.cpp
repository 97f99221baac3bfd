// gradus_bench: times our side of the workloads and prints JSON lines, as the peers' script does.
#include <gradus/autograd/ops.h>
#include <gradus/bench/harness.h>
#include <gradus/core/build_info.h>
#include <gradus/core/error.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/tools/terminal/standard_output.h>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace gradus::bench {

Timing measure(const Step& step, double budget_seconds) {
  using Clock = std::chrono::steady_clock;
  auto seconds_since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
  const auto warm_up = Clock::now();
  long calls = 0;
  do step(), ++calls;
  while (calls < 5 || seconds_since(warm_up) < 0.3 * budget_seconds);
  const double per_call = seconds_since(warm_up) / static_cast<double>(calls);
  const long inner = std::max(1L, static_cast<long>(2e-4 / per_call));  // very short steps are timed in groups
  std::vector<double> samples;
  for (const auto start = Clock::now(); seconds_since(start) < budget_seconds || samples.size() < 5;) {
    const auto t = Clock::now();
    for (long i = 0; i < inner; ++i) step();
    samples.push_back(seconds_since(t) / static_cast<double>(inner));
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front(), static_cast<long>(samples.size())};
}

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

bool chosen(const std::string& name, const std::vector<std::string>& prefixes) {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return name.starts_with(p); });
}

int number_of_threads(const std::string& text) {
  int n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size())
    throw SpecError("--threads", join("takes whole numbers separated by ',', got '", text, "'"));
  return n;
}

void check_prefixes(const std::vector<std::string>& prefixes) {
  for (const auto& p : prefixes)
    if (std::none_of(workloads().begin(), workloads().end(), [&](const Workload& w) { return w.name.starts_with(p); }))
      throw SpecError("--only", join("no workload's name begins with '", p, "'"), "gradus_bench --list");
}

/// What the machine can do at most with threads(): fused multiply-adds in registers, and bytes of a sum of 256 MiB.
struct Limits {
  double multiply_adds_per_second = most_multiply_adds_per_second();
  double bytes_per_second = [] {
    const NoGrad guard;
    const Tensor x = ones({1 << 26});
    return 4.0 * static_cast<double>(x.size()) / measure([&] { sum(x); }, 0.3).min;
  }();
};

std::string row(const Workload& w, int thread_count, const Timing& t, std::int64_t work) {
  const double scale = w.unit == std::string("ns") ? 1e9 : 1e6;
  std::string line = fmt::format(
      R"({{"workload": "{}", "peer": "gradus-{}", "threads": {}, "metric": "step_{}", "median": {:.3f}, "min": {:.3f}, "n": {})",
      w.name, version(), thread_count, w.unit, t.median * scale, t.min * scale, t.n);
  if (work > 0) line += fmt::format(R"(, "gflop": {:.4f})", 2e-9 * static_cast<double>(work));
  if (w.bytes > 0) line += fmt::format(R"(, "gb_per_s": {:.2f})", w.bytes / t.median / 1e9);
  return line + "}";
}

struct Request {
  std::vector<std::string> prefixes;
  std::vector<int> threads;
  double budget;
  std::string json;
};

Request read_request(const std::string& only, const std::string& threads, double budget, const std::string& json) {
  Request r{split(only), {}, budget, json};
  check_prefixes(r.prefixes);
  for (const std::string& n : split(threads)) r.threads.push_back(number_of_threads(n));
  if (r.threads.empty()) throw SpecError("--threads", "names no number of threads");
  if (!(budget > 0 && budget <= 3600))
    throw SpecError("--budget", join("must lie in (0, 3600] seconds, got ", text(budget)));
  return r;
}

void print_machine(const Request& r) {
  for (const int n : r.threads) {
    set_threads(n);
    const Limits limits;
    fmt::print(R"({{"isa": "{}", "threads": {}, "gflop_per_s": {:.1f}, "gb_per_s": {:.1f}, "gradus": "{}"}})", simd(),
               threads(), 2e-9 * limits.multiply_adds_per_second, 1e-9 * limits.bytes_per_second, version());
    fmt::print("\n");
  }
}

void print_names(const Request& r) {
  for (const Workload& w : workloads())
    if (chosen(w.name, r.prefixes)) fmt::print("{}\n", w.name);
}

/// What scripts/instructions lets callgrind count: one step, the third. Not inlined, because it is found by its name.
[[gnu::noinline]] void counted_step(const Step& step) { step(); }

void count_all(const Request& r) {
  for (const Workload& w : workloads()) {
    if (!chosen(w.name, r.prefixes)) continue;
    manual_seed(0);
    const Step step = w.build();
    step(), step();
    counted_step(step);
  }
}

std::string time_one(const Workload& w, double budget) {
  manual_seed(0);
  const Step step = w.build();
  step();  // the first one makes more than a step needs
  const std::int64_t before = multiply_adds;
  step();
  const std::int64_t work = multiply_adds - before;
  return row(w, threads(), measure(step, budget), work);
}

void time_all(const Request& r) {
  std::ofstream file;
  if (!r.json.empty()) file.open(r.json, std::ios::app);
  if (!r.json.empty() && !file) throw DataError(r.json, "cannot be opened for writing");
  for (const Workload& w : workloads()) {
    if (!chosen(w.name, r.prefixes)) continue;
    for (const int n : r.threads) {
      set_threads(n);
      const std::string line = time_one(w, r.budget);
      fmt::print("{}\n", line);
      std::fflush(stdout);
      if (file.is_open() && !(file << line << std::endl)) throw DataError(r.json, "cannot be written");
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Times Gradus on the workloads of docs/benchmarks.md", "gradus_bench"};
  std::string only, thread_list = "1,2", json;
  double budget = 0.5;
  bool list = false, machine = false, one_step = false, growth = false;
  app.add_option("--only", only, "Comma-separated prefixes of workload names, e.g. W1,W3");
  app.add_option("--threads", thread_list, "Comma-separated numbers of threads")->capture_default_str();
  app.add_option("--json", json, "Append the JSON lines to this file too");
  app.add_option("--budget", budget, "Seconds measured a workload and number of threads")->capture_default_str();
  app.add_flag("--machine", machine, "Measure the machine's own limits and stop: fused multiply-adds, bytes read");
  app.add_flag("--one-step", one_step,
               "Run two steps and one more of each workload, untimed, with one thread: for callgrind");
  app.add_flag("--growth", growth,
               "Time networks as their batch, width, depth or sequence grows 1, 2, 4 and 8 times, and stop");
  app.add_flag("--list", list, "List the workloads and stop");
  CLI11_PARSE(app, argc, argv);
  try {
    const Request request = read_request(only, thread_list, budget, json);
    if (machine) print_machine(request);
    else if (list) print_names(request);
    else if (growth) print_growth(request.threads, budget);
    else if (one_step) set_threads(1), count_all(request);
    else time_all(request);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace gradus::bench

int main(int argc, char** argv) {
  gradus::tools::open_standard_streams();
  return gradus::tools::after_output(gradus::bench::run(argc, argv));
}
