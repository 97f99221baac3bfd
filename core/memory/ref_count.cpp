#include <gradus/core/memory/ref_count.h>

#include <mutex>
#include <utility>

namespace gradus {

/// The blocks that wait for one thread to merge their counts: one list for each way to destroy them.
struct CountingThread {
  struct List {
    RefCount::Destroy destroy = nullptr;
    RefCount* first = nullptr;
  };
  static constexpr int kinds = 4;  // two are in use: storage, and nodes of the tape
  List lists[kinds];
  std::atomic<bool> any{false};
  std::uint32_t number = 0;
  CountingThread *previous = nullptr, *next = nullptr;

  void push(RefCount* block, RefCount::Destroy destroy) {
    List* list = lists;
    while (list->destroy && list->destroy != destroy) ++list;
    list->destroy = destroy;
    block->next_ = std::exchange(list->first, block);
    any.store(true, std::memory_order_relaxed);
  }
  /// Merges the counts of each block and drops the list's reference to it.
  static void merge_all(List (&taken)[kinds]) {
    for (List& list : taken)
      while (RefCount* block = list.first) {
        list.first = block->next_;
        if (block->merge(-1)) list.destroy(block);
      }
  }
  static bool hand_to_owner(RefCount* block, RefCount::Destroy destroy);
};

namespace {

// These variables are never destroyed and exist before the first thread: static tensors outlive every static object.
constinit std::mutex counting_mutex;  // guards what follows, and every thread's lists
constinit CountingThread* counting_threads = nullptr;
constinit std::uint32_t numbered = 0;

constinit thread_local CountingThread here{};

void unlink(CountingThread* t) {
  (t->previous ? t->previous->next : counting_threads) = t->next;
  if (t->next) t->next->previous = t->previous;
  t->previous = t->next = nullptr;
}

CountingThread* living(std::uint32_t number) {
  CountingThread* t = counting_threads;
  while (t && t->number != number) t = t->next;
  return t;
}

}  // namespace

/// Puts the block into its owner's list; true if the owner has ended and this was the last reference. An ended owner counts
/// no more, so its count may be read here; the mutex orders that after all it did.
bool CountingThread::hand_to_owner(RefCount* block, RefCount::Destroy destroy) {
  std::lock_guard lock(counting_mutex);
  CountingThread* owner = living(block->owner());
  if (!owner) return block->merge(-1);
  owner->push(block, destroy);
  return false;
}

/// Adds the owner's count, and `extra`, to the atomic one. True if no reference is left.
bool RefCount::merge(std::int32_t extra) {
  extra += static_cast<std::int32_t>(std::exchange(own_, 0));
  owner_.store(owner() | merged_owner, std::memory_order_relaxed);
  std::int32_t seen = others_.load(std::memory_order_relaxed), now;
  do now = ((seen >> 2) + extra) * one | merged;
  while (!others_.compare_exchange_weak(seen, now, std::memory_order_acq_rel, std::memory_order_relaxed));
  return now == merged;
}

bool RefCount::owner_is_done() { return merge(0); }

bool RefCount::down_elsewhere(Destroy destroy) {
  std::int32_t seen = others_.load(std::memory_order_acquire), now;
  if (seen == (one | merged)) return true;    // the caller's reference is the only one, and no other can appear
  do now = seen == 0 ? waiting : seen - one;  // a block that waits: the list holds the reference
  while (!others_.compare_exchange_weak(seen, now, std::memory_order_acq_rel, std::memory_order_acquire));
  if (seen == 0) return CountingThread::hand_to_owner(this, destroy);
  return now == merged;
}

bool RefCount::alone_after_merging() const {
  counting::merge_waiting();
  const std::int32_t others = others_.load(std::memory_order_acquire);
  return others == (one | merged);
}

namespace counting {

void join() {
  std::lock_guard lock(counting_mutex);
  do numbered = (numbered + 1) & ~(1u << 31);
  while (numbered == 0 || living(numbered));
  number = here.number = numbered;
  here.next = counting_threads;
  if (counting_threads) counting_threads->previous = &here;
  counting_threads = &here;
}

void leave() {
  number = 0;
  CountingThread::List taken[CountingThread::kinds];
  {
    std::lock_guard lock(counting_mutex);
    unlink(&here);
    std::swap(taken, here.lists);
  }
  CountingThread::merge_all(taken);
}

void merge_waiting() {
  if (!here.any.load(std::memory_order_relaxed)) return;
  CountingThread::List taken[CountingThread::kinds];
  {
    std::lock_guard lock(counting_mutex);
    std::swap(taken, here.lists);
    here.any.store(false, std::memory_order_relaxed);
  }
  CountingThread::merge_all(taken);
}

void lock_for_fork() { counting_mutex.lock(); }

void unlock_after_fork(bool in_child) {
  if (in_child) {
    counting_threads = nullptr;
    here.previous = here.next = nullptr;
    if (number != 0) counting_threads = &here;
  }
  counting_mutex.unlock();
}

}  // namespace counting
}  // namespace gradus
