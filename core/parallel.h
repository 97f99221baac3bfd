// One thread pool for everything. Pieces of work are cut by shape, never by the number of threads: same bits for 1 to N.
#pragma once

#include <cstdint>
#include <type_traits>

namespace gradus {

/// The number of threads kernels may use, 1 to 1024. Default: GRADUS_THREADS, or the machine's cores. Work that is under way
/// in other threads ends with as many as it began with. Errors: ResourceError for another number, also in GRADUS_THREADS.
void set_threads(int n);
int threads();
const char* parallel_backend();  ///< "oneTBB", "mutex pool" or "serial"

/// A borrowed callable of one index, two words large.
class PieceRef {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, PieceRef>) PieceRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* o, std::int64_t i) { (*static_cast<std::remove_reference_t<F>*>(o))(i); }) {}
  void operator()(std::int64_t i) const { call_(object_, i); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t);
};

/// Runs piece(0) ... piece(n-1), in any order, possibly at once; exceptions come back to the caller. Inside a piece
/// a further parallel_for runs serially, and so it does in a child made by fork() after the first parallel_for. All pieces
/// have the caller's rounding mode and treatment of subnormal numbers. Any number of threads may call this at once.
/// Errors: ResourceError if the system has no threads to give.
void parallel_for(std::int64_t n, PieceRef piece);

/// Cuts [0, n) into pieces of `grain` and runs f(begin, end) on each; serial if there is only one.
template <class F> void parallel_ranges(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= grain) {
    if (n > 0) f(std::int64_t(0), n);
    return;
  }
  parallel_for((n + grain - 1) / grain, [&](std::int64_t i) {
    const std::int64_t begin = i * grain;
    f(begin, begin + grain < n ? begin + grain : n);
  });
}

/// Elements of a cheap elementwise kernel below which waking a second thread does not pay.
inline constexpr std::int64_t grain_elements = 32768;

}  // namespace gradus
