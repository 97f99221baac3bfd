// `gradus info`: what this build is.
#include <gradus/core/build_info.h>
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>

namespace gradus::tools {
namespace {

const char* threading(BlasInfo::Threading t) {
  switch (t) {
    case BlasInfo::Threading::pthreads: return "pthreads";
    case BlasInfo::Threading::openmp: return "OpenMP";
    case BlasInfo::Threading::serial: return "serial";
    default: return "unknown";
  }
}

void print_info() {
  const BlasInfo& blas = blas_info();
  fmt::print("gradus    {}\ncompiler  {}\nSIMD      {}\nthreads   {} ({})\nBLAS      {}, threading: {}, {}\n", version(),
             compiler(), simd(), threads(), parallel_backend(), blas.build, threading(blas.threading),
             blas.safe ? "safe from several threads" : "not safe from several threads, so it is not called");
}

}  // namespace

void add_info_command(CLI::App& app, CommandLine&) {
  app.add_subcommand("info", "Version, compiler, BLAS and whether it is safe, threads, SIMD")->callback(print_info);
}

}  // namespace gradus::tools
