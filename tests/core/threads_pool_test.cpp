// The thread pool under use that is not a single caller's: changed while others work, many callers, waiting pieces, fork(),
// a machine without threads, another rounding mode.
#include <gradus/autograd/ops.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/child.h>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>

using namespace gradus;
using namespace gradus::testing;

namespace {

struct Threads {
  int before = threads();
  ~Threads() { set_threads(before); }
};

Tensor big(unsigned seed, Dtype dtype = f32) { return Tensor(uniform({300, 1001}, -1, 1, Philox{seed, 0}).to(dtype)); }

std::string bits(const Tensor& t) {
  const Array a = t.array().copy();
  return std::string(a.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype()));
}

std::string work() {
  NoGrad guard;
  const Tensor a = big(1), b = big(2);
  return bits(tanh(a) * b + exp(a)) + bits(sum(a * b, {0})) + bits(matmul(a, transpose(b, 0, 1)));
}

}  // namespace

TEST_CASE("set_threads() while other threads work") {
  Threads restore;
  set_threads(2);
  const std::string expected = work();
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> workers;
  for (int k = 0; k < 3; ++k)
    workers.emplace_back([&] {
      while (!done) wrong += work() != expected;
    });
  for (int round = 0; round < 60; ++round) {
    set_threads(1 + round % 7);
    if (round % 3 == 0) wrong += work() != expected;
    std::this_thread::yield();
  }
  done = true;
  for (auto& t : workers) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("set_threads() inside a piece holds for the next parallel_for") {
  Threads restore;
  set_threads(3);
  std::atomic<int> pieces = 0;
  parallel_for(50, [&](std::int64_t i) {
    if (i % 10 == 0) set_threads(2 + static_cast<int>(i) / 10);
    ++pieces;
  });
  CHECK(pieces == 50);
  CHECK_THROWS_AS(set_threads(0), ResourceError);
  CHECK_THROWS_AS(set_threads(1025), ResourceError);
}

TEST_CASE("a hundred callers at once, of which some throw") {
  Threads restore;
  set_threads(3);
  std::atomic<int> sum = 0, caught = 0;
  std::vector<std::thread> callers;
  for (int k = 0; k < 100; ++k)
    callers.emplace_back([&, k] {
      for (int round = 0; round < 20; ++round) try {
          parallel_for(10, [&](std::int64_t i) {
            if (k % 10 == 0 && i == 5) throw IndexError("piece", "five");
            sum += k % 10 != 0;
          });
        } catch (const IndexError&) {
          ++caught;
        }
    });
  for (auto& t : callers) t.join();
  CHECK(sum == 90 * 20 * 10);
  CHECK(caught == 10 * 20);
}

TEST_CASE("pieces that wait for a thread which computes itself") {
  Threads restore;
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    std::atomic<int> done = 0;
    parallel_for(4 * n, [&](std::int64_t) { std::thread([&] { done += work().size() > 0; }).join(); });
    CHECK(done == 4 * n);

    // all pieces wait for one thread that begins only when every place is taken
    std::mutex mutex;
    std::condition_variable changed;
    int waiting = 0;
    bool computed = false;
    std::thread other([&] {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::seconds(5), [&] { return waiting == n; });
      lock.unlock();
      work();
      lock.lock();
      computed = true;
      changed.notify_all();
    });
    std::atomic<int> late = 0;
    parallel_for(n, [&](std::int64_t) {
      std::unique_lock lock(mutex);
      ++waiting;
      changed.notify_all();
      late += !changed.wait_for(lock, std::chrono::seconds(60), [&] { return computed; });
    });
    other.join();
    CHECK(late == 0);
  }
}

TEST_CASE("a child made while other threads work computes, with one thread") {
  Threads restore;
  set_threads(3);
  const std::string expected = work();
  std::atomic<bool> done = false;
  std::vector<std::thread> workers;
  for (int k = 0; k < 3; ++k)
    workers.emplace_back([&] {
      while (!done) work();
    });
  int right = 0;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      bool good = work() == expected;
      set_threads(2);
      good = good && work() == expected;
      _exit(good ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    right += WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  done = true;
  for (auto& t : workers) t.join();
  CHECK(right == 20);
}

// ---- what the environment says --------------------------------------------------------------------------------------

TEST_CASE("child: threads from the environment" * doctest::skip()) {
  try {
    const Tensor y = sum(big(1) * big(2));
    std::printf("sum with %d threads\n", threads());
  } catch (const ResourceError& e) {
    std::printf("refused: %s\n", e.what());
  }
}

TEST_CASE("GRADUS_THREADS is taken as it stands, or refused") {
  const auto said = [](const std::string& value) {
    return run_child("child: threads from the environment", "GRADUS_THREADS='" + value + "'");
  };
  CHECK(contains(said("1"), "sum with 1 threads"));
  CHECK(contains(said("3"), "sum with 3 threads"));
  CHECK(contains(said(""), "sum with"));
  for (const char* wrong : {"0", "-2", "1025", "2000", "99999", "99999999999999", "4294967297", "2x", " 2", "two", "1e1"}) {
    CAPTURE(wrong);
    CHECK(contains(said(wrong), std::string("refused: GRADUS_THREADS: the number of threads must lie in [1, 1024], got \"") +
                                    wrong + "\""));
  }
}

TEST_CASE("child: no threads to be had" * doctest::skip()) {
  set_threads(1);
  big(1);
  limit_memory(40 << 20);
  for (int round = 0; round < 3; ++round) try {
      set_threads(64);
      const Tensor y = sum(big(1) * big(2));
      std::printf("a sum\n");
    } catch (const ResourceError& e) {
      std::printf("refused: %s\n", e.what());
    }
  set_threads(1);
  sum(big(1) * big(2));
  std::printf("went on\n");
  leave_child();
}

TEST_CASE("a system without threads to give") {
  if (std::string_view(parallel_backend()) == "serial" || sanitized) return;
  const std::string said = run_child("child: no threads to be had");
  CHECK(contains(said, "refused: parallel_for: the system gives "));
  CHECK(contains(said, " of 64 threads\n  try: set_threads("));
  CHECK_FALSE(contains(said, "a sum"));
  CHECK(contains(said, "went on"));
}

// ---- rounding mode and subnormal numbers ----------------------------------------------------------------------------

TEST_CASE("the caller's rounding mode and treatment of subnormals hold in every piece, also when they change later") {
  Threads restore;
  const unsigned before = _mm_getcsr();
  for (const Dtype dtype : {f32, f64}) {
    const Tensor a = big(1, dtype), b = big(2, dtype), tiny = a * (dtype == f32 ? 1e-38 : 1e-308);
    const auto all = [&] {
      NoGrad guard;
      return bits(a * b + 0.1) + bits(sum(a * b, {1})) + bits(matmul(a, transpose(b, 0, 1))) + bits(exp(a) / b) +
             bits(tiny * 0.5);
    };
    set_threads(1);
    const std::string plain = all();
    for (const unsigned mode : {0x2000u, 0x4000u, 0x6000u, 0x8040u, 0x8000u}) {  // down, up, towards zero; FTZ and DAZ, FTZ
      CAPTURE(mode);
      set_threads(1);
      _mm_setcsr((before & ~0x6000u) | mode);
      const std::string alone = all();
      _mm_setcsr(before);
      CHECK(alone != plain);
      for (const int n : {2, 3, 7}) {
        set_threads(n);
        CHECK(all() == plain);  // the pool is made in the ordinary mode
        _mm_setcsr((before & ~0x6000u) | mode);
        const std::string several = all();
        _mm_setcsr(before);
        CHECK(several == alone);
        CHECK(all() == plain);
      }
    }
  }
  CHECK((_mm_getcsr() & ~63u) == (before & ~63u));
}

TEST_CASE("a spec's numbers are read to the nearest in every rounding mode") {
  const auto moved = [](const std::string& spec) {
    const Tensor w = leaf(Array::zeros({1}, f64));
    auto optimizer = optim::make(spec, {w});
    w.set_grad(Array::ones({1}, f64));
    std::fesetround(FE_TONEAREST);
    optimizer.step();
    return bits(w);
  };
  for (const char* number : {"0.9", "0.3", "1e-3", "3.3e-4", "0.999", "123456.7", "1e22", "0.1"}) {
    const std::string spec = join("sgd(lr=", number, ")"), expected = moved(spec);
    for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
      CAPTURE(number);
      std::fesetround(mode);
      const std::string got = moved(spec);
      CHECK(std::fegetround() == FE_TONEAREST);
      CHECK(got == expected);
    }
  }
}
