// Runs one of the program's own test cases in a process of its own, where limits and crashes harm nobody.
#pragma once

#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/sanitized.h>

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace gradus::testing {

/// What the case, marked doctest::skip(), prints, and how it ended; `environment` is "NAME=value ...".
inline std::string run_child(const std::string& test_case, const std::string& environment = {}) {
  char path[4096] = {};
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return "no path";
  const std::string command = "env " + environment + " timeout -s KILL 120 '" + path + "' --no-skip --test-case='" +
                              test_case + "' 2>&1; echo \"exit $?\"";
  std::string said;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c; pipe && (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
  if (pipe) pclose(pipe);
  return said;
}

/// From here on the process gets at most `more` bytes of addresses beyond those it has.
inline void limit_memory(std::int64_t more) {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto most = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + more);
  const rlimit limit{most, most};
  setrlimit(RLIMIT_AS, &limit);
}

/// Ends a child whose memory is limited: OpenBLAS would wait for its threads, which wait for memory.
[[noreturn]] inline void leave_child() {
  std::fflush(stdout);
  _exit(0);
}

}  // namespace gradus::testing
