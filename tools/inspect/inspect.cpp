#include <gradus/core/build_info.h>
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/parallel.h>
#include <gradus/optim/registry.h>
#include <gradus/optim/schedule.h>
#include <gradus/optim/spec.h>
#include <gradus/optim/stages.h>
#include <gradus/tools/inspect/inspect.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cmath>

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

const char* threading(BlasInfo::Threading t) {
  switch (t) {
    case BlasInfo::Threading::pthreads: return "pthreads";
    case BlasInfo::Threading::openmp: return "OpenMP";
    case BlasInfo::Threading::serial: return "serial";
    default: return "unknown";
  }
}

}  // namespace

int info_command() {
  const BlasInfo& blas = blas_info();
  fmt::print("gradus    {}\ncompiler  {}\nSIMD      {}\nthreads   {} ({})\nBLAS      {}, threading: {}, {}\n", version(), compiler(), simd(),
             threads(), parallel_backend(), blas.build, threading(blas.threading),
             blas.safe ? "safe from several threads" : "not safe from several threads, so it is not called");
  return 0;
}

int optimizers_command(bool json) {
  const auto rules = optim::all_rules();
  if (json) {
    Json list = Json::array();
    for (const auto& r : rules) {
      Json defaults = Json::object();
      for (const auto& o : r.defaults) defaults[o.name] = value_of(o);
      list.push_back({{"name", r.info.name}, {"defaults", defaults}, {"shape", optim::to_string(r.info.shape)}, {"paper", r.info.paper}, {"year", r.info.year}});
    }
    fmt::print("{}\n", list.dump(1));
    return 0;
  }
  for (const auto& r : rules) {
    std::string defaults;
    for (const auto& o : r.defaults) defaults += (defaults.empty() ? "" : ", ") + optim::to_string(o);
    fmt::print("{}({})\n    {} rule. {}, {}\n", r.info.name, defaults, optim::to_string(r.info.shape), r.info.paper, r.info.year);
  }
  print_stages_and_schedules();
  return 0;
}

int schedule_command(const std::string& spec, std::int64_t steps, const std::string& json) {
  if (steps < 0 || steps > 10000000) throw SpecError("--steps", join("must lie in [0, 10000000], got ", steps));
  const optim::Schedule schedule(spec);
  if (steps == 0) steps = std::min<std::int64_t>(schedule.horizon(), 10000000);
  if (!json.empty()) write_atomically(json, Json({{"schedule", schedule.spec()}, {"values", schedule.preview(steps)}}).dump() + "\n");
  fmt::print("{}", optim::to_string(schedule, steps));
  return 0;
}

int equations_command(const std::string& spec) {
  fmt::print("{}", optim::equations(spec));
  return 0;
}

}  // namespace gradus::tools
