#include <gradus/core/error.h>
#include <gradus/core/warning.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>

namespace gradus {
namespace {

std::atomic<unsigned> given{0};  // a bit for each
std::atomic<bool> wanted{true};

struct Handler {
  std::mutex mutex;
  WarningHandler call;
};
Handler& handler() {
  static Handler h;
  return h;
}

unsigned bit(Warning w) { return 1u << static_cast<unsigned>(w); }

}  // namespace

std::string to_string(Warning w) { return join("W0", static_cast<unsigned>(w)); }

WarningHandler set_warning_handler(WarningHandler call) {
  Handler& h = handler();
  const std::lock_guard lock(h.mutex);
  return std::exchange(h.call, std::move(call));
}

bool set_warnings(bool on) { return wanted.exchange(on); }
void forget_warnings() { given = 0; }

bool warning_due(Warning w) noexcept {
  return !(given.load(std::memory_order_relaxed) & bit(w)) && wanted.load(std::memory_order_relaxed);
}

void warn_once(Warning w, const std::string& op, const std::string& problem, const std::string& hint) {
  if (!warning_due(w) || given.fetch_or(bit(w)) & bit(w)) return;  // one of several threads wins
  const std::string where = InModule::path();
  const std::string message =
      join(op, ": ", problem, where.empty() ? "" : " [in module \"" + where + "\"]", hint.empty() ? "" : "\n  try: " + hint);
  WarningHandler call;
  {
    Handler& h = handler();
    const std::lock_guard lock(h.mutex);
    call = h.call;
  }
  if (call) call(w, message);
  else std::fprintf(stderr, "gradus: warning %s in %s\n", to_string(w).c_str(), message.c_str());
}

}  // namespace gradus
