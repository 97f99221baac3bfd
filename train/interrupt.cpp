#include <gradus/train/interrupt.h>

#include <csignal>

namespace gradus::training {
namespace {

volatile std::sig_atomic_t signalled = 0;
bool guarded = false;
struct sigaction handler_before;

extern "C" void remember_interrupt(int) { signalled = 1; }

}  // namespace

InterruptGuard::InterruptGuard() : outermost_(!guarded) {
  if (!outermost_) return;
  guarded = true;
  signalled = 0;
  struct sigaction once {};
  once.sa_handler = remember_interrupt;
  once.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &once, &handler_before);
}

InterruptGuard::~InterruptGuard() {
  if (!outermost_) return;
  sigaction(SIGINT, &handler_before, nullptr);
  guarded = false;
}

bool InterruptGuard::interrupted() { return signalled != 0; }

}  // namespace gradus::training
