// Scratch<T>: working memory of a kernel, from the pool and back to it.
#pragma once

#include <gradus/core/memory/pool.h>

#include <cstddef>
#include <cstdint>

namespace gradus {

/// `count` uninitialised elements, 64-byte aligned. No move or copy: it lives in the kernel that made it.
template <class T> class Scratch {
 public:
  explicit Scratch(std::int64_t count, const char* maker = __builtin_FUNCTION()) {
    if (static_cast<std::size_t>(count) > pool::largest / sizeof(T)) [[unlikely]]
      pool::throw_error(SIZE_MAX, maker);
    const std::size_t used = (static_cast<std::size_t>(count) * sizeof(T) + 63) & ~std::size_t(63);
    class_ = pool::class_of(used + pool::red_zone + (used == 0 ? 64 : 0));
    data_ = static_cast<T*>(pool::allocate(class_, maker));
    GRADUS_POISON(reinterpret_cast<char*>(data_) + used, pool::class_bytes(class_) - used);
  }
  ~Scratch() {
    GRADUS_UNPOISON(data_, pool::class_bytes(class_));
    pool::release(data_, class_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const { return data_; }
  T& operator[](std::int64_t i) const { return data_[i]; }

 private:
  T* data_;
  int class_;
};

}  // namespace gradus
