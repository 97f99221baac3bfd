// The check that the processor has the instructions this build needs runs before every other initialiser. It is compiled for
// the oldest x86-64 and calls nothing that may be compiled for a newer one: no C++ library, no other file of Gradus.
#include <string.h>
#include <unistd.h>

namespace {

void say(const char* text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

}  // namespace

extern "C" [[gnu::constructor(101)]] void gradus_check_cpu() {
  __builtin_cpu_init();
  bool missing = false;
#define GRADUS_NEEDS(feature)                                                                      \
  if (!__builtin_cpu_supports(feature)) {                                                          \
    say(missing ? " " : "gradus: this program was built for a newer processor; this one lacks: "); \
    say(feature);                                                                                  \
    missing = true;                                                                                \
  }
#include <cpu_needs.inc>
#undef GRADUS_NEEDS
  if (!missing) return;
#if GRADUS_BUILT_NATIVE
  say("\ntry: build it on this machine, or with -DGRADUS_NATIVE=OFF for every x86-64-v3 machine (AVX2 and FMA)\n");
#else
  say("\nGradus needs x86-64-v3 (AVX2 and FMA: Intel since Haswell, AMD since Zen)\n");
#endif
  _exit(1);
}
