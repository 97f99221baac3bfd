// RefCount: how many references a block has, exact from any number of threads, at a plain count's cost in the thread that
// made the block.
//
// Biased reference counting (Choi, Shull and Torrellas, PACT 2018): the block's owner, the thread that made it, counts with
// plain loads and stores; every other thread adds to and takes from a second, atomic count. Either may end first:
//   the owner's count falls to zero while others hold the block: the two counts are merged, all threads use the atomic one;
//   another thread gives up a reference that the owner had counted: the block waits in a list of its owner, who merges the
//   counts when it next visits the pool's slow path, asks for pool::usage() or ends. Of an owner that has ended, at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace gradus {

namespace counting {
/// The number of this thread as an owner of blocks: 1, 2, ...; 0 before it has made one, and once it is ending.
inline constinit thread_local std::uint32_t number = 0;
}  // namespace counting

class RefCount {
 public:
  using Destroy = void (*)(RefCount*);

  void up() {
    if (owned_here()) [[likely]]
      ++own_;
    else others_.fetch_add(one, std::memory_order_relaxed);
  }
  /// Releases a reference; true if it was the last: the caller must destroy the block. `destroy` is for whoever merges the
  /// counts later.
  bool down(Destroy destroy) {
    if (!owned_here()) [[unlikely]]
      return down_elsewhere(destroy);
    if (--own_ != 0) return false;
    return others_.load(std::memory_order_acquire) == 0 || owner_is_done();
  }
  /// True if the caller has the only reference; false also where that cannot be known without waiting.
  bool unique() const {
    const std::int32_t others = others_.load(std::memory_order_acquire);
    if (others & waiting) [[unlikely]]
      return alone_after_merging();
    return owned_here() ? own_ == 1 && others == 0 : others == (one | merged);
  }
  /// The number of the thread that made the block.
  std::uint32_t owner() const { return owner_.load(std::memory_order_relaxed) & ~merged_owner; }
  bool same_owner(const RefCount& o) const {
    return ((owner_.load(std::memory_order_relaxed) ^ o.owner_.load(std::memory_order_relaxed)) & ~merged_owner) == 0;
  }
  /// The number of references, for tests, in the owner's thread.
  std::int64_t references() const { return std::int64_t(own_) + (others_.load(std::memory_order_acquire) >> 2); }

 protected:
  RefCount() {
    if (owner_.load(std::memory_order_relaxed) == 0) [[unlikely]]
      count_atomically();
  }
  /// Makes the count atomic from the start, before anybody else has seen the block: its owner then never delays its release.
  void count_atomically() {
    own_ = 0;
    owner_.store(owner() | merged_owner, std::memory_order_relaxed);
    others_.store(one | merged, std::memory_order_relaxed);
  }

 private:
  friend struct CountingThread;
  static constexpr std::int32_t waiting = 1, merged = 2, one = 4;  // flags, and one reference, in others_
  static constexpr std::uint32_t merged_owner = 1u << 31;          // in owner_: no thread has such a number

  bool owned_here() const { return owner_.load(std::memory_order_relaxed) == counting::number; }
  bool down_elsewhere(Destroy destroy);
  bool owner_is_done();
  bool merge(std::int32_t extra);
  bool alone_after_merging() const;

  std::uint32_t own_ = 1;  // changed by the owner only
  std::atomic<std::uint32_t> owner_{counting::number};
  RefCount* next_ = nullptr;  // in the owner's list
  std::atomic<std::int32_t> others_{
      0};  // below zero if other threads gave up references that the owner had counted; last, so
           // that small members of a derived class fill the word
};

namespace counting {
void join();           ///< this thread gets its number; called at its first visit to the pool
void leave();          ///< this thread owns nothing from here on, and the blocks waiting for it are merged
void merge_waiting();  ///< merges the counts of the blocks that other threads have left to this one
void lock_for_fork();
void unlock_after_fork(bool in_child);  ///< the child has only this thread: blocks of the others have no owner then
}  // namespace counting

}  // namespace gradus
