#include <gradus/core/build_info.h>
#include <gradus/core/gemm.h>
#include <gradus/core/parallel.h>
#include <gradus/optim/registry.h>
#include <gradus/optim/spec.h>
#include <gradus/tools/inspect.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

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
  return 0;
}

int equations_command(const std::string& spec) {
  fmt::print("{}", optim::equations(spec));
  return 0;
}

}  // namespace gradus::tools
