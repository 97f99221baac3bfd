// A child process that does some work and is killed in the middle of it.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace gradus::testing {

/// A child does `work` and is killed, by itself or after `microseconds`; true if it was. Work that throws ends the program
/// with 1, after the error.
template <class Work> bool killed(Work&& work, useconds_t microseconds = 0) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  if (microseconds > 0) {
    ::usleep(microseconds);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0) std::exit(1);
  return WIFSIGNALED(status);
}

}  // namespace gradus::testing
