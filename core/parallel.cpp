// The three back ends of parallel_for; the only file that names TBB. ThreadSanitizer reports false races inside oneTBB,
// so its preset uses the mutex pool.
#include <gradus/core/error.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/parallel.h>

#include <pthread.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(GRADUS_PARALLEL_TBB)
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#endif

namespace gradus {
namespace {

constexpr int most_threads = 1024;

thread_local bool inside_piece = false;

struct ParallelScope {
  bool before = std::exchange(inside_piece, true);
  ~ParallelScope() { inside_piece = before; }
};

/// The rounding mode and treatment of subnormal numbers, without the exception flags.
class FloatingPointMode {
 public:
  static unsigned of_this_thread() { return _mm_getcsr() & ~63u; }
  explicit FloatingPointMode(unsigned wanted) : before_(_mm_getcsr()), other_((before_ & ~63u) != wanted) {
    if (other_) [[unlikely]]
      _mm_setcsr(wanted);
  }
  ~FloatingPointMode() {
    if (other_) [[unlikely]]
      _mm_setcsr(before_);
  }

 private:
  unsigned before_;
  bool other_;
};

/// Starts n threads. They need memory for their stacks: if that fails, the pool's free blocks are released first.
template <class Start> void start_threads(std::vector<std::thread>& to, std::size_t n, Start start) {
  for (bool trimmed = false; to.size() < n;) try {
      to.reserve(n);
      to.push_back(start());
    } catch (const std::exception&) {
      if (std::exchange(trimmed, true)) return;
      pool::trim();
    }
}

int default_threads() {
  if (const char* text = std::getenv("GRADUS_THREADS"); text && *text) {
    int n = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, n);
    if (error != std::errc() || stop != end || n < 1 || n > most_threads)
      throw ResourceError("GRADUS_THREADS",
                          join("the number of threads must lie in [1, ", most_threads, "], got \"", text, "\""));
    return n;
  }
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, most_threads);
}

[[noreturn]] void no_threads(int wanted, std::size_t got) {
  throw ResourceError("parallel_for", join("the system gives ", got + 1, " of ", wanted, " threads"),
                      join("set_threads(", got + 1, ")"));
}

void serially(std::int64_t n, PieceRef piece) {
  ParallelScope guard;
  for (std::int64_t i = 0; i < n; ++i) piece(i);
}

#if defined(GRADUS_PARALLEL_TBB)

/// Sets oneTBB's limit for the process to the most ever asked for: of several limits in force oneTBB takes the least, and
/// warns. The arena decides how many threads work for one pool. No destructor runs: a child made by fork() could wait.
void allow_threads(int n) {
  using oneapi::tbb::global_control;
  static global_control* limit = nullptr;
  delete limit;
  const std::size_t most = std::max<std::size_t>(std::thread::hardware_concurrency(), static_cast<std::size_t>(n));
  limit = new global_control(global_control::max_allowed_parallelism, most);
}

/// Checks beforehand that `n` threads can be had: oneTBB does not survive a thread that it asks for in vain.
void expect_threads(int n) {
  static int known = 1;
  if (n <= known) return;
  std::mutex mutex;
  std::condition_variable changed;
  bool all = false;
  std::vector<std::thread> tried;
  start_threads(tried, static_cast<std::size_t>(n - known), [&] {
    return std::thread([&] {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return all; });
    });
  });
  {
    std::lock_guard lock(mutex);
    all = true;
  }
  changed.notify_all();
  for (auto& t : tried) t.join();
  const std::size_t got = tried.size() + static_cast<std::size_t>(known) - 1;
  if (got + 1 < static_cast<std::size_t>(n)) no_threads(n, got);
  allow_threads(n);
  known = n;
}

/// The workers of oneTBB. One caller at a time has a place in the arena beside those of the n - 1 workers, and while it
/// waits does only work of its own. Another caller works alone: a piece of the first may be waiting for it. (With places for
/// more callers oneTBB is slow to send the workers: a parallel_for of 10 us on two threads took 17.)
struct Workers {
  static constexpr int places = 1;
  explicit Workers(int n) : arena((expect_threads(n), n - 1 + places), places) {}
  void run(std::int64_t n, PieceRef piece) {
    struct Place {
      std::atomic<int>& count;
      const bool taken = count.fetch_add(1) < places;
      ~Place() { --count; }
    } place{callers};
    if (!place.taken) return serially(n, piece);
    arena.execute([&] {
      oneapi::tbb::this_task_arena::isolate([&] {
        oneapi::tbb::parallel_for(
            std::int64_t(0), n,
            [&](std::int64_t i) {
              ParallelScope guard;
              piece(i);
            },
            oneapi::tbb::simple_partitioner());
      });
    });
  }
  oneapi::tbb::task_arena arena;
  std::atomic<int> callers{0};
};

#elif defined(GRADUS_PARALLEL_POOL)

class Workers {
 public:
  explicit Workers(int n) {
    const auto wanted = static_cast<std::size_t>(n - 1);
    start_threads(threads_, wanted, [this] { return std::thread([this] { serve(); }); });
    if (threads_.size() == wanted) return;
    stop();
    no_threads(n, threads_.size());
  }
  ~Workers() { stop(); }
  /// Runs the pieces; a second caller works alone, since a piece of the first may be waiting for it.
  void run(std::int64_t n, PieceRef piece) {
    std::unique_lock only_caller(callers_, std::try_to_lock);
    if (!only_caller) return serially(n, piece);
    std::unique_lock lock(mutex_);
    piece_ = &piece, next_ = 0, end_ = n, busy_ = 0, error_ = nullptr;
    wake_.notify_all();
    work(lock);
    done_.wait(lock, [this] { return busy_ == 0; });
    piece_ = nullptr;
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
  }
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || (piece_ && next_ < end_); });
      if (stop_) return;
      work(lock);
      done_.notify_one();
    }
  }
  void work(std::unique_lock<std::mutex>& lock) {
    ++busy_;
    while (next_ < end_) {
      const std::int64_t i = next_++;
      lock.unlock();
      std::exception_ptr failed;
      try {
        ParallelScope guard;
        (*piece_)(i);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      if (failed && !error_) error_ = failed, next_ = end_;
    }
    --busy_;
  }
  std::mutex callers_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  PieceRef* piece_ = nullptr;
  std::int64_t next_ = 0, end_ = 0, busy_ = 0;
  std::exception_ptr error_;
  bool stop_ = false;
};

#else

struct Workers {
  explicit Workers(int) {}
  void run(std::int64_t n, PieceRef piece) { serially(n, piece); }
};

#endif

/// The pool in force. Running callers share its ownership, so that set_threads() takes it from nobody.
class Current {
 public:
  std::shared_ptr<Workers> get() {
    std::lock_guard lock(mutex_);
    if (!workers_ && !in_child_) {
      survive_fork();
      workers_ = std::make_shared<Workers>(threads());
    }
    return workers_;
  }
  int threads() {
    int n = count_.load(std::memory_order_relaxed);
    if (n == 0) count_.store(n = default_threads(), std::memory_order_relaxed);
    return n;
  }
  void set(int n) {
    std::shared_ptr<Workers> last;  // destroyed after the lock, if nobody works in it
    std::lock_guard lock(mutex_);
    last.swap(workers_);
    count_.store(n, std::memory_order_relaxed);
  }

 private:
  /// Abandons the pool in a child made by fork(): its threads are missing, and its destructor would wait for them.
  static void survive_fork();

  std::mutex mutex_;  // guards the making of the pool, not its use
  std::shared_ptr<Workers> workers_;
  std::atomic<int> count_{0};
  bool in_child_ = false;
};
Current current;

void Current::survive_fork() {
  static const int once = pthread_atfork([] { current.mutex_.lock(); }, [] { current.mutex_.unlock(); },
                                         [] {
                                           [[maybe_unused]] static std::shared_ptr<Workers>* lost = nullptr;
                                           if (current.workers_)
                                             lost = new std::shared_ptr<Workers>(std::move(current.workers_)),
                                             current.in_child_ = true;
                                           current.mutex_.unlock();
                                         });
  (void)once;
}

}  // namespace

int threads() { return current.threads(); }

void set_threads(int n) {
  if (n < 1 || n > most_threads)
    throw ResourceError("set_threads", join("the number of threads must lie in [1, ", most_threads, "], got ", n));
  current.set(n);
}

const char* parallel_backend() {
#if defined(GRADUS_PARALLEL_TBB)
  return "oneTBB";
#elif defined(GRADUS_PARALLEL_POOL)
  return "mutex pool";
#else
  return "serial";
#endif
}

void parallel_for(std::int64_t n, PieceRef piece) {
  if (n <= 1 || inside_piece || threads() == 1) {
    for (std::int64_t i = 0; i < n; ++i) piece(i);
    return;
  }
  const auto workers = current.get();
  if (!workers) return serially(n, piece);
  const unsigned mode = FloatingPointMode::of_this_thread();
  workers->run(n, [&](std::int64_t i) {
    FloatingPointMode guard(mode);
    piece(i);
  });
}

}  // namespace gradus
