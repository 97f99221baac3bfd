// Storage: one counted block of numbers. The count is plain until share() says that a second thread will see the block.
#pragma once

#include <gradus/core/pool.h>

#include <atomic>
#include <new>
#include <utility>

namespace gradus {

/// An owning pointer to something that counts its owners: it has up(), down() and static destroy(T*).
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* owned) : p_(owned) {}  ///< takes over one count
  Ref(const Ref& o) : p_(o.p_) { if (p_) p_->up(); }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept { std::swap(p_, o.p_); return *this; }
  ~Ref() { if (p_ && p_->down()) T::destroy(p_); }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  T* release() { return std::exchange(p_, nullptr); }

 private:
  T* p_ = nullptr;
};

/// 64 bytes of header, then the numbers, 64-byte aligned and padded: a vector loop over whole storage has no tail.
class alignas(64) Storage {
 public:
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + 63) & ~std::size_t(63); }

  /// Uninitialised; the padding is readable and writable, what lies behind it is poisoned under AddressSanitizer.
  static Ref<Storage> make(std::size_t bytes) {
#ifdef GRADUS_ASAN
    constexpr std::size_t red_zone = 64;
#else
    constexpr std::size_t red_zone = 0;
#endif
    if (bytes > pool::largest) [[unlikely]] pool::refuse(bytes);
    const std::size_t used = sizeof(Storage) + padded(bytes);
    const int c = pool::class_of(used + red_zone);
    auto* s = ::new (pool::take(c)) Storage;
    s->class_ = c;
    GRADUS_POISON(reinterpret_cast<char*>(s) + used, pool::class_bytes(c) - used);
    return Ref<Storage>(s);
  }
  /// Not inlined, so that the test before it is, wherever a Ref ends.
  [[gnu::noinline]] static void destroy(Storage* s) {
    const int c = s->class_;
    GRADUS_UNPOISON(s, pool::class_bytes(c));
    pool::give(s, c);
  }

  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::uint32_t version() const { return version_; }
  const char* writer() const { return writer_; }
  void written(const char* writer) { ++version_; writer_ = writer; }

  /// Must be called before a second thread can see this block; its count is atomic from then on.
  void share() { shared_ = true; }
  bool alone() const { return refs_.load(std::memory_order_acquire) == 1; }
  void up() {
    if (shared_) refs_.fetch_add(1, std::memory_order_relaxed);
    else refs_.store(refs_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  bool down() {
    if (shared_) return refs_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    const auto n = refs_.load(std::memory_order_relaxed) - 1;
    refs_.store(n, std::memory_order_relaxed);
    return n == 0;
  }

 private:
  Storage() = default;
  std::atomic<std::uint32_t> refs_{1};
  std::uint32_t version_ = 0;
  const char* writer_ = nullptr;
  int class_ = 0;
  bool shared_ = false;
};

}  // namespace gradus
