// The only allocator: size-class free lists, a thread's own for small blocks and a common one for large blocks. Memory
// returns to the system only in trim(): a fresh page costs more than most kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define GRADUS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRADUS_ASAN 1
#endif
#endif
#ifdef GRADUS_ASAN
#include <sanitizer/asan_interface.h>
#define GRADUS_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define GRADUS_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define GRADUS_POISON(p, n) (void)0
#define GRADUS_UNPOISON(p, n) (void)0
#endif

namespace gradus::pool {

inline constexpr int classes = 176;
inline constexpr int small_classes = 49;                      // up to 256 KiB: a thread's own list
inline constexpr std::size_t largest = std::size_t(1) << 47;  // a user's address space; the classes reach further
#ifdef GRADUS_ASAN
inline constexpr std::size_t red_zone = 64;  // poisoned bytes behind the requested ones
#else
inline constexpr std::size_t red_zone = 0;
#endif

/// The size class of a block: 64-byte steps up to 1 KiB, then four classes an octave.
constexpr int class_of(std::size_t bytes) {
  if (bytes <= 1024) return static_cast<int>((bytes + 63) / 64);
  const int e = 63 - __builtin_clzll(bytes - 1);
  return 17 + (e - 10) * 4 + static_cast<int>((bytes - 1) >> (e - 2) & 3);
}
constexpr std::size_t class_bytes(int c) {
  return c <= 16 ? static_cast<std::size_t>(c) * 64 : static_cast<std::size_t>(5 + (c - 17) % 4) << ((c - 17) / 4 + 8);
}

struct Cache {
  void* head[small_classes];
  std::uint32_t room[small_classes];  // free room in the list; none before the thread has joined the pool
  std::uint32_t cap[small_classes];   // the room of an empty list
  std::int64_t slow[classes];         // blocks taken minus returned on this thread, not counting its lists (`room`)
  std::int64_t countdown;             // of fail_at()
  Cache* next;                        // in the list of all threads
  bool left;                          // the thread is ending: its list is gone
};
inline constinit thread_local Cache cache{};  // constinit: no guard on every access

/// Allocates from the common list, or the system; ResourceError naming `maker` if there is no memory even after trim().
void* allocate_slow(int c, const char* maker);
void release_slow(void* p, int c);
[[noreturn]] void throw_error(std::size_t bytes, const char* maker);  ///< ResourceError: more than `largest`

/// Allocates a block of class c; `maker`, the op or function that wants it, is named in the error.
inline void* allocate(int c, const char* maker = "memory") {
  if (c < small_classes) {
    if (void* p = cache.head[c]) [[likely]] {
      GRADUS_UNPOISON(p, class_bytes(c));
      cache.head[c] = *static_cast<void**>(p);
      ++cache.room[c];
      return p;
    }
  }
  return allocate_slow(c, maker);
}

inline void release(void* p, int c) {
  if (c < small_classes && cache.room[c] > 0) [[likely]] {
    GRADUS_UNPOISON(p, class_bytes(c));
    *static_cast<void**>(p) = cache.head[c];
    GRADUS_POISON(p, class_bytes(c));
    cache.head[c] = p;
    --cache.room[c];
  } else {
    release_slow(p, c);
  }
}

struct Usage {
  /// Bytes and blocks in use, in every thread; exact while no other thread allocates. A small block that another thread
  /// released last stays counted until its maker asks here too, allocates or ends (core/memory/ref_count.h).
  std::int64_t live_bytes, live_blocks;
};
Usage usage();

/// Returns this thread's cached blocks and the common ones to the system.
void trim();

/// For tests: from now on this thread asks the common list for every block, and the k-th request fails as if there were no
/// memory; 0 ends that. Returns how many requests were left before the failure of the previous call, 0 if it failed.
std::int64_t fail_at(std::int64_t k);

}  // namespace gradus::pool
