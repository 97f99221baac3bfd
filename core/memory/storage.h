// Storage: one reference-counted block of elements, which any thread may hold.
#pragma once

#include <gradus/core/memory/pool.h>
#include <gradus/core/memory/ref_count.h>

#include <new>
#include <utility>

namespace gradus {

/// An owning pointer to a reference-counted object, which has up(), down() and static destroy(T*).
template <class T> class Ref {
 public:
  Ref() = default;
  explicit Ref(T* owned) : p_(owned) {}  ///< takes over one reference
  Ref(const Ref& o) : p_(o.p_) {
    if (p_) p_->up();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_ && p_->down()) T::destroy(p_);
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  T* release() { return std::exchange(p_, nullptr); }

 private:
  T* p_ = nullptr;
};

/// A block: 64 bytes of header, then the elements, 64-byte aligned and padded: a vector loop over whole storage has no tail.
class alignas(64) Storage : public RefCount {
 public:
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + 63) & ~std::size_t(63); }

  /// A new, uninitialised block; the padding is readable and writable, memory behind it is poisoned under AddressSanitizer.
  static Ref<Storage> make(std::size_t bytes, const char* maker) {
    if (bytes > pool::largest) [[unlikely]]
      pool::throw_error(bytes, maker);
    const std::size_t used = sizeof(Storage) + padded(bytes);
    const int c = pool::class_of(used + pool::red_zone);
    auto* s = ::new (pool::allocate(c, maker)) Storage;
    s->class_ = c;
    if (c >= pool::small_classes) [[unlikely]]
      s->count_atomically();  // its release must not wait for the owner
    GRADUS_POISON(reinterpret_cast<char*>(s) + used, pool::class_bytes(c) - used);
    return Ref<Storage>(s);
  }
  /// Destroys the block; not inlined, so that the test before it is inlined wherever a Ref ends.
  [[gnu::noinline]] static void destroy(Storage* s) {
    const int c = s->class_;
    GRADUS_UNPOISON(s, pool::class_bytes(c));
    pool::release(s, c);
  }

  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::uint32_t version() const { return version_; }
  const char* writer() const { return writer_; }
  void written(const char* writer) {
    ++version_;
    writer_ = writer;
  }

  bool down() {
    return RefCount::down([](RefCount* s) { destroy(static_cast<Storage*>(s)); });
  }

 private:
  Storage() = default;
  std::uint32_t version_ = 0;
  const char* writer_ = nullptr;
  int class_ = 0;
};

}  // namespace gradus
