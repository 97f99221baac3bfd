// The short sub-commands that show what this build is and has.
#pragma once

#include <cstdint>
#include <string>

namespace gradus::tools {

int info_command();                               ///< version, compiler, BLAS, threads, SIMD
int optimizers_command(bool json);                ///< every registered rule; for people, stages and schedules too
/// Plots the first steps of a schedule (0: its length) and writes {"schedule", "values"} to `json` unless it is empty.
/// Errors: SpecError, OptimError, DataError.
int schedule_command(const std::string& spec, std::int64_t steps, const std::string& json);
int equations_command(const std::string& spec);   ///< SpecError for a spec that cannot be read

}  // namespace gradus::tools
