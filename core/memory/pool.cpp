#include <gradus/core/error.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/memory/ref_count.h>

#include <pthread.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#ifdef GRADUS_ASAN
// The options of the leak checker: free lists run through poisoned blocks, which it must follow, or it reports the lists of
// threads still alive at the end. Weak, so that a program may have options of its own; not with clang, whose static run-time
// library has a weak one that would win.
#ifndef __clang__
[[gnu::weak]]
#endif
extern "C" const char*
__lsan_default_options() {
  return "use_poisoned=1";
}
#endif

namespace gradus::pool {
namespace {

constexpr std::size_t page = 4096, huge_page = std::size_t(2) << 20;
constexpr std::size_t mapped = std::size_t(1) << 20;  // bytes from which on a block is a mapping of its own

struct Common {
  std::mutex mutex;
  void* free[classes] = {};         // lists run through the blocks: returning one needs no memory
  Cache* threads = nullptr;         // the list of threads needs none either
  std::int64_t live[classes] = {};  // of threads that ended
};
Common& common() {
  alignas(Common) static char place[sizeof(Common)];
  static auto* c = ::new (place) Common;  // never destroyed: static tensors may outlive every static object
  return *c;
}

void push(void*& list, void* p, [[maybe_unused]] std::size_t bytes) {
  GRADUS_UNPOISON(p, sizeof(void*));
  *static_cast<void**>(p) = list;
  GRADUS_POISON(p, bytes);
  list = p;
}
void* pop(void*& list) {
  void* p = list;
  GRADUS_UNPOISON(p, sizeof(void*));
  list = *static_cast<void**>(p);
  return p;
}

constexpr std::uint32_t cap(int c) { return c <= 16 ? 4096u : 64u; }

/// Blocks that the thread took minus those it returned. For a member, blocks that left its lists have made room in them.
std::int64_t live(const Cache& c, int k) {
  return c.slow[k] + (k < small_classes ? static_cast<std::int64_t>(c.room[k]) - c.cap[k] : 0);
}

void push_all(Cache& c, Common& to) {
  for (int k = 0; k < small_classes; ++k) {
    while (c.head[k]) push(to.free[k], pop(c.head[k]), class_bytes(k));
    c.slow[k] = live(c, k);
    c.room[k] = c.cap[k];
  }
}

/// Adds the counts of a thread that has left its lists to the common ones.
void settle(const Cache& c, Common& with) {
  for (int k = 0; k < classes; ++k) with.live[k] += live(c, k);
}
void settle_late(Common& with) {
  for (int k = 0; k < classes; ++k) with.live[k] += std::exchange(cache.slow[k], 0);
}

/// A thread's membership in the pool, made on its first visit here; hands the thread's blocks over when it ends. A thread
/// that only returns blocks comes here too: its list has no room until then.
struct Membership {
  Membership() {
    fork_safely();
    counting::join();
    for (int k = 0; k < small_classes; ++k) cache.room[k] = cache.cap[k] = cap(k);
    auto& all = common();
    std::lock_guard lock(all.mutex);
    cache.next = std::exchange(all.threads, &cache);
  }
  ~Membership() {
    counting::leave();
    auto& all = common();
    std::lock_guard lock(all.mutex);
    push_all(cache, all);
    settle(cache, all);
    Cache** link = &all.threads;
    while (*link != &cache) link = &(*link)->next;
    *link = cache.next;
    for (int k = 0; k < small_classes; ++k) cache.room[k] = cache.cap[k] = 0;
    for (auto& n : cache.slow) n = 0;
    cache.left = true;  // thread-local objects destroyed later return their blocks to the common list
  }

 private:
  static void fork_safely();
};
void join_common() {
  if (!cache.left) thread_local Membership member;
}

/// Keeps the pool usable in a child made by fork(), which has this thread only: the others' counts stay as they were.
void Membership::fork_safely() {
  static const int once = pthread_atfork(
      [] {
        counting::lock_for_fork();
        common().mutex.lock();
      },
      [] {
        common().mutex.unlock();
        counting::unlock_after_fork(false);
      },
      [] {
        auto& all = common();
        for (Cache* c = all.threads; c; c = c->next)
          if (c != &cache) settle(*c, all);
        all.threads = counting::number != 0 ? &cache : nullptr;
        cache.next = nullptr;
        all.mutex.unlock();
        counting::unlock_after_fork(true);
      });
  (void)once;
}

#ifdef GRADUS_ASAN
/// No mapping under the leak checker, which follows only memory of malloc.
void* map_pages(std::size_t) { return nullptr; }
#else
/// Maps a large block of its own: returned memory is the system's at once, and not kept in malloc's arenas, where it counts
/// against a limit on the process. A block of a huge page or more begins at one.
void* map_pages(std::size_t bytes) {
  const std::size_t room = bytes >= huge_page ? huge_page : 0;
  void* const whole = mmap(nullptr, bytes + room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  if (room == 0) return whole;
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(whole) % huge_page;
  char* const p = static_cast<char*>(whole) + before;
  if (before > 0) munmap(whole, before);
  munmap(p + bytes, room - before);
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}
#endif
/// Asks malloc where nothing can be mapped, since it may still have memory of returned small blocks. Such a block begins 64
/// bytes behind a page, where no mapping does.
void* ask_system(std::size_t bytes) {
  if (bytes < mapped) return std::aligned_alloc(64, bytes);
  if (void* p = map_pages(bytes)) return p;
  void* p = std::aligned_alloc(page, bytes + page);
  return p ? static_cast<char*>(p) + 64 : nullptr;
}
void return_to_system(void* p, std::size_t bytes) {
  if (bytes < mapped) std::free(p);
  else if (reinterpret_cast<std::uintptr_t>(p) % page == 0) munmap(p, bytes);
  else std::free(static_cast<char*>(p) - 64);
}

[[noreturn]] void no_memory(std::size_t bytes, const char* maker) {
  throw ResourceError(std::strcmp(maker, "operator()") == 0 ? "memory" : maker,
                      join("the system has no block of ", bytes, " bytes; ", usage().live_bytes, " bytes are in use"));
}

void* from_system(int c, const char* maker) {
  const std::size_t bytes = class_bytes(c);
  void* p = ask_system(bytes);
  if (!p) {  // blocks kept for later may be the missing memory
    trim();
    p = ask_system(bytes);
  }
  if (!p) no_memory(bytes, maker);
  ++cache.slow[c];
  return p;
}

}  // namespace

void* allocate_slow(int c, const char* maker) {
  join_common();
  counting::merge_waiting();
  if (c < small_classes && cache.head[c]) return allocate(c, maker);  // a merged block is in the list now
  if (cache.countdown > 0 && --cache.countdown == 0) [[unlikely]]
    no_memory(class_bytes(c), maker);
  {
    auto& all = common();
    std::lock_guard lock(all.mutex);
    if (cache.left) settle_late(all);
    if (all.free[c]) {
      void* p = pop(all.free[c]);
      GRADUS_UNPOISON(p, class_bytes(c));
      ++cache.slow[c];
      return p;
    }
  }
  return from_system(c, maker);
}

void release_slow(void* p, int c) {
  join_common();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  push(all.free[c], p, class_bytes(c));
  --cache.slow[c];
  if (cache.left) settle_late(all);
}

void throw_error(std::size_t bytes, const char* maker) {
  throw ResourceError(maker, join(bytes, " bytes were asked for; a process can address ", largest));
}

Usage usage() {
  join_common();
  counting::merge_waiting();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  Usage u{0, 0};
  for (int k = 0; k < classes; ++k) {
    std::int64_t n = all.live[k];
    for (const Cache* t = all.threads; t; t = t->next) n += live(*t, k);
    u.live_blocks += n;
    u.live_bytes += n * static_cast<std::int64_t>(class_bytes(k));
  }
  return u;
}

void trim() {
  join_common();
  counting::merge_waiting();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  push_all(cache, all);
  for (int k = 0; k < classes; ++k)
    while (all.free[k]) {
      void* p = pop(all.free[k]);
      GRADUS_UNPOISON(p, class_bytes(k));
      return_to_system(p, class_bytes(k));
    }
}

std::int64_t fail_at(std::int64_t k) {
  join_common();
  auto& all = common();
  std::lock_guard lock(all.mutex);
  push_all(cache, all);
  for (int c = 0; c < small_classes; ++c) {
    cache.slow[c] = live(cache, c);
    cache.room[c] = cache.cap[c] = k > 0 ? 0 : cap(c);
  }
  return std::exchange(cache.countdown, k);
}

}  // namespace gradus::pool
