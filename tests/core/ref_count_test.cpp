// References counted from any number of threads: given away, given back, kept by threads that outlive or precede the owner.
#include <gradus/autograd/ops.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/random.h>

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

using namespace gradus;

namespace {

constexpr int64_t small = 16, large = 100'000;  // elements: of a thread's own list, and of the common one

/// Fails if a block is destroyed too early (its numbers are another's by then), too late or never.
struct Balanced {
  pool::Usage before = pool::usage();
  ~Balanced() {
    const pool::Usage after = pool::usage();
    CHECK(after.live_blocks == before.live_blocks);
    CHECK(after.live_bytes == before.live_bytes);
  }
};

void in_threads(int n, const std::function<void(int)>& f) {
  std::vector<std::thread> all;
  for (int i = 0; i < n; ++i) all.emplace_back(f, i);
  for (auto& t : all) t.join();
}

bool holds(const Array& a, double value) { return a.element(0) == value && a.element(a.size() - 1) == value; }

/// Threads hand each other Arrays, copies and views of them.
class Market {
 public:
  void put(Array a) {
    std::lock_guard lock(mutex_);
    stock_.push_back(std::move(a));
  }
  Array get() {
    std::lock_guard lock(mutex_);
    if (stock_.empty()) return {};
    Array a = std::move(stock_.front());
    stock_.pop_front();
    return a;
  }
  Array look(std::uint64_t random) {
    std::lock_guard lock(mutex_);
    return stock_.empty() ? Array() : stock_[random % stock_.size()];
  }

 private:
  std::mutex mutex_;
  std::deque<Array> stock_;
};

}  // namespace

TEST_CASE("one Array, Tensor, leaf and constant copied by four threads and their owner") {
  for (const int64_t n : {small, large}) {
    Balanced check;
    const Array a = Array::full({n}, 3);
    const Tensor t(a.copy()), w = leaf(a), y = w * 2.0;
    const auto constant = [c = scalar(0.5), t] { return t * c; };
    std::atomic<int> wrong = 0;
    const auto work = [&](int) {
      NoGrad guard;
      const auto own = constant;  // a copy of what the lambda holds
      for (int i = 0; i < 3000; ++i) {
        const Array copy = a, view = copy.slice(0, i % n, n);
        const Tensor u = t, v = w, z = y;
        wrong += view.element(0) != 3 || u.array().element(0) != 3 || v.array().element(0) != 3 || z.array().element(0) != 6;
        if (i % 100 == 0) wrong += !holds(own().array(), 1.5) || !holds((v + u).array(), 6);
      }
    };
    std::vector<std::thread> others;
    for (int i = 0; i < 4; ++i) others.emplace_back(work, i);
    work(4);
    for (auto& other : others) other.join();
    CHECK(wrong == 0);
    CHECK(a.unique());
    CHECK(w.node()->references() == 2);  // w, and y's line
  }
}

TEST_CASE("what another thread gives up last comes back: at once if large, else when its owner looks") {
  for (const int64_t n : {small, large}) {
    Balanced check;
    std::vector<Array> made;
    for (int i = 0; i < 50; ++i) made.push_back(Array::full({n}, i));
    const Array kept = made[7];
    const auto during = pool::usage();
    std::thread([given = std::move(made)]() mutable { given.clear(); }).join();
    CHECK(kept.unique());
    CHECK(holds(kept, 7));
    CHECK(during.live_blocks - pool::usage().live_blocks == 49);
  }
}

TEST_CASE("an owner that goes on working gets its blocks back without asking for them") {
  Balanced check;
  for (int round = 0; round < 100; ++round) {
    std::vector<Array> made;
    for (int i = 0; i < 300; ++i) made.push_back(Array::zeros({small}));
    std::thread([given = std::move(made)]() mutable { given.clear(); }).join();
  }
  std::int64_t in_use = 0;
  std::thread([&] { in_use = pool::usage().live_blocks; }).join();  // another thread's question does not make the owner look
  CHECK(in_use - check.before.live_blocks < 5000);                  // of 30,000: a list holds 4096
}

TEST_CASE("what a thread made outlives it, and is given up by several others at once") {
  for (const int64_t n : {small, large}) {
    Balanced check;
    std::vector<Array> made(200);
    Tensor w;
    std::thread([&] {
      for (std::size_t i = 0; i < made.size(); ++i) made[i] = Array::full({n}, static_cast<double>(i));
      w = leaf(made[3]);
    }).join();
    for (std::size_t i = 0; i < made.size(); ++i) CHECK(holds(made[i], static_cast<double>(i)));
    std::vector<std::vector<Array>> shares(4, made);
    std::vector<Tensor> leaves(4, w);
    made.clear(), w.reset();
    in_threads(4, [&](int k) {
      auto& mine = shares[static_cast<std::size_t>(k)];
      while (!mine.empty()) mine.pop_back();
      leaves[static_cast<std::size_t>(k)].reset();
    });
  }
}

TEST_CASE("an owner ends while others copy and give up what it made") {
  Balanced check;
  for (int round = 0; round < 50; ++round) {
    std::mutex mutex;
    std::vector<Array> shelf;
    std::atomic<bool> done = false;
    std::atomic<int> wrong = 0;
    std::thread owner([&] {
      for (int i = 0; i < 200; ++i) {
        Array a = Array::full({small}, 5);
        std::lock_guard lock(mutex);
        if (shelf.size() < 64) shelf.push_back(a);
        else shelf[static_cast<std::size_t>(i) % 64] = a;
      }
      done = true;
    });
    in_threads(3, [&](int k) {
      for (std::size_t i = 0; !done || i < 100; ++i) {
        Array a;
        {
          std::lock_guard lock(mutex);
          if (shelf.empty()) continue;
          auto& place = shelf[(i + static_cast<std::size_t>(k)) % shelf.size()];
          a = i % 3 == 0 ? std::exchange(place, Array::full({small}, 5)) : place;
        }
        wrong += !holds(a, 5);
      }
    });
    owner.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("random copies, moves and ends among threads that come and go") {
  Balanced check;
  std::atomic<int> wrong = 0;
  {
    Market market;
    for (int generation = 0; generation < 12; ++generation)
      in_threads(4, [&](int k) {
        const Philox random{static_cast<std::uint64_t>(generation), static_cast<std::uint64_t>(k)};
        std::vector<Array> held;
        for (std::uint64_t i = 0; i < 1500; ++i) {
          const std::uint64_t r = random.bits(i);
          switch (r % 5) {
            case 0: held.push_back(Array::full({r & 64 ? small : 3 * small}, 9)); break;
            case 1: held.push_back(market.look(r >> 8)); break;
            case 2: held.push_back(market.get()); break;
            case 3:
              if (!held.empty()) market.put(r & 64 ? held.back() : std::move(held.back())), held.pop_back();
              break;
            default:
              if (!held.empty()) held.erase(held.begin() + static_cast<std::ptrdiff_t>((r >> 8) % held.size()));
          }
          if (!held.empty() && held.back().defined()) wrong += !holds(held.back(), 9);
        }
      });
  }
  CHECK(wrong == 0);
}

TEST_CASE("a line of the tape ends in another thread, with all that only it held") {
  Balanced check;
  Tensor w = leaf(Array::ones({small}));
  Tensor y = w;
  for (int i = 0; i < 1000; ++i) y = y * 1.5;
  std::thread([given = std::move(y)]() mutable { given.reset(); }).join();
  w.reset();
}

TEST_CASE("thread-local tensors that outlive their thread's list") {
  Balanced check;
  Array left;
  std::thread([&] {
    thread_local Tensor late;  // made before the thread meets the pool, so it dies after they part
    thread_local Array shared;
    late = leaf(Array::zeros({small}));
    shared = Array::full({small}, 4);
    left = shared;
  }).join();
  CHECK(holds(left, 4));
  CHECK(left.unique());
}

TEST_CASE("writing over what is alone is only done where it is") {
  const Tensor x(Array::full({large}, 2));
  std::atomic<int> wrong = 0;
  in_threads(4, [&](int) {
    NoGrad guard;
    for (int i = 0; i < 50; ++i) {
      Tensor own = x;
      own = relu(std::move(own));  // in place where nobody else holds the numbers
      wrong += !holds(own.array(), 2);
      wrong += !holds((-std::move(own)).array(), -2);
    }
  });
  CHECK(wrong == 0);
  CHECK(holds(x.array(), 2));
}

TEST_CASE("an absent Array has no version, no writer and no company") {
  const Array none;
  CHECK(none.version() == 0);
  CHECK(none.writer() == nullptr);
  CHECK_FALSE(none.unique());
  CHECK(Tensor().array().version() == 0);
  CHECK_THROWS_AS(none.item(), ShapeError);
  CHECK_THROWS_AS(none.data<float>(), DtypeError);
}
