#include <gradus/core/error.h>
#include <gradus/core/pool.h>

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <vector>

#ifdef GRADUS_ASAN
// The free lists run through poisoned blocks: the leak checker has to follow them there, or it reports what a thread that is
// still alive at the end has in its list. Weak, so that a program may have options of its own.
extern "C" [[gnu::weak]] const char* __lsan_default_options() { return "use_poisoned=1"; }
#endif

namespace gradus::pool {
namespace {

constexpr std::size_t huge_page = std::size_t(2) << 20;

struct Common {
  std::mutex mutex;
  std::vector<void*> free[classes];
  std::vector<Cache*> threads;
  std::int64_t live[classes] = {};  // of threads that ended
};
Common& common() {
  static auto* c = new Common;  // never destroyed: static tensors may outlive every static object
  return *c;
}

void* link_of(void* p) {
  GRADUS_UNPOISON(p, sizeof(void*));
  return *static_cast<void**>(p);
}

constexpr std::uint32_t cap(int c) { return c <= 16 ? 4096u : 64u; }

/// Blocks that the thread took minus those it gave back. Of a member: what left its lists has made room in them.
std::int64_t live(const Cache& c, int k) {
  return c.slow[k] + (k < small_classes ? static_cast<std::int64_t>(c.room[k]) - cap(k) : 0);
}

void push_all(Cache& c, Common& to) {
  for (int k = 0; k < small_classes; ++k) {
    while (void* p = c.head[k]) {
      c.head[k] = link_of(p);
      to.free[k].push_back(p);
    }
    c.slow[k] = live(c, k);
    c.room[k] = cap(k);
  }
}

/// For a thread that has left its lists.
void settle(Common& with) {
  for (int k = 0; k < classes; ++k) with.live[k] += cache.slow[k], cache.slow[k] = 0;
}

/// Made on a thread's first visit here; hands its blocks over when the thread ends. A thread that only gives blocks back
/// comes here too: its list has no room until then.
struct Membership {
  Membership() {
    for (int k = 0; k < small_classes; ++k) cache.room[k] = cap(k);
    std::lock_guard lock(common().mutex);
    common().threads.push_back(&cache);
  }
  ~Membership() {
    auto& all = common();
    std::lock_guard lock(all.mutex);
    push_all(cache, all);
    settle(all);
    std::erase(all.threads, &cache);
    for (auto& r : cache.room) r = 0;  // thread-local objects that die after this one give to the common list
    cache.left = true;
  }
};
void join_common() {
  if (!cache.left) thread_local Membership member;
}

void* from_system(int c) {
  const std::size_t bytes = class_bytes(c);
  const bool large = bytes >= huge_page;
  void* p = std::aligned_alloc(large ? huge_page : 64, large ? (bytes + huge_page - 1) / huge_page * huge_page : bytes);
  if (!p) {
    throw ResourceError("memory", join("the system has no block of ", bytes, " bytes"));
  }
  if (large) madvise(p, bytes, MADV_HUGEPAGE);
  ++cache.slow[c];
  return p;
}

}  // namespace

void* take_slow(int c) {
  join_common();
  {
    auto& all = common();
    std::lock_guard lock(all.mutex);
    if (cache.left) settle(all);
    if (auto& list = all.free[c]; !list.empty()) {
      void* p = list.back();
      list.pop_back();
      GRADUS_UNPOISON(p, class_bytes(c));
      ++cache.slow[c];
      return p;
    }
  }
  return from_system(c);
}

void give_slow(void* p, int c) {
  join_common();
  GRADUS_POISON(p, class_bytes(c));
  auto& all = common();
  std::lock_guard lock(all.mutex);
  --cache.slow[c];
  if (cache.left) settle(all);
  all.free[c].push_back(p);
}

void refuse(std::size_t bytes) {
  throw ResourceError("memory", join(bytes, " bytes were asked for; a process can address ", largest));
}

Usage usage() {
  join_common();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  Usage u{0, 0};
  for (int k = 0; k < classes; ++k) {
    std::int64_t n = all.live[k];
    for (const Cache* t : all.threads) n += live(*t, k);
    u.live_blocks += n;
    u.live_bytes += n * static_cast<std::int64_t>(class_bytes(k));
  }
  return u;
}

void trim() {
  join_common();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  push_all(cache, all);
  for (int k = 0; k < classes; ++k) {
    for (void* p : all.free[k]) {
      GRADUS_UNPOISON(p, class_bytes(k));
      std::free(p);
    }
    all.free[k].clear();
  }
}

}  // namespace gradus::pool
