// `gradus schedule`: a schedule, plotted.
#pragma once

#include <cstdint>
#include <string>

namespace gradus::tools {

/// Plots the first steps of a schedule (0: its length) and writes {"schedule", "values"} to `json` unless it is empty.
/// Errors: SpecError, OptimError, DataError.
int schedule_command(const std::string& spec, std::int64_t steps, const std::string& json);

}  // namespace gradus::tools
