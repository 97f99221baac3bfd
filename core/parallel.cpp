// The three back ends of parallel_for; the only file that names TBB. ThreadSanitizer reports false races inside oneTBB,
// so its preset uses the mutex pool.
#include <gradus/core/error.h>
#include <gradus/core/parallel.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#if defined(GRADUS_PARALLEL_TBB)
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#elif defined(GRADUS_PARALLEL_POOL)
#include <condition_variable>
#include <vector>
#endif

namespace gradus {
namespace {

thread_local bool inside_piece = false;

struct Inside {
  Inside() { inside_piece = true; }
  ~Inside() { inside_piece = false; }
};

int default_threads() {
  if (const char* text = std::getenv("GRADUS_THREADS"))
    if (const int n = std::atoi(text); n > 0) return n;
  const unsigned n = std::thread::hardware_concurrency();
  return n ? static_cast<int>(n) : 1;
}

#if defined(GRADUS_PARALLEL_TBB)

struct Workers {
  explicit Workers(int n)
      : limit(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(n)), arena(n) {}
  void run(std::int64_t n, PieceRef piece) {
    arena.execute([&] {
      oneapi::tbb::parallel_for(
          std::int64_t(0), n,
          [&](std::int64_t i) {
            Inside guard;
            piece(i);
          },
          oneapi::tbb::simple_partitioner());
    });
  }
  oneapi::tbb::global_control limit;
  oneapi::tbb::task_arena arena;
};

#elif defined(GRADUS_PARALLEL_POOL)

class Workers {
 public:
  explicit Workers(int n) {
    for (int i = 1; i < n; ++i) threads_.emplace_back([this] { serve(); });
  }
  ~Workers() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
  }
  void run(std::int64_t n, PieceRef piece) {
    std::lock_guard one_caller(callers_);
    std::unique_lock lock(mutex_);
    piece_ = &piece, next_ = 0, end_ = n, busy_ = 0, error_ = nullptr;
    wake_.notify_all();
    work(lock);
    done_.wait(lock, [this] { return busy_ == 0; });
    piece_ = nullptr;
    if (error_) std::rethrow_exception(error_);
  }

 private:
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
        Inside guard;
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
  void run(std::int64_t n, PieceRef piece) {
    Inside guard;
    for (std::int64_t i = 0; i < n; ++i) piece(i);
  }
};

#endif

std::mutex workers_mutex;  // guards the making of the pool, not its use
int thread_count = 0;
std::unique_ptr<Workers> workers;

}  // namespace

int threads() { return thread_count ? thread_count : thread_count = default_threads(); }

void set_threads(int n) {
  if (n < 1 || n > 1024) throw ResourceError("set_threads", join("the number of threads must lie in [1, 1024], got ", n));
  std::lock_guard lock(workers_mutex);
  workers.reset();
  thread_count = n;
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
  {
    std::lock_guard lock(workers_mutex);
    if (!workers) workers = std::make_unique<Workers>(threads());
  }
  workers->run(n, piece);
}

}  // namespace gradus
