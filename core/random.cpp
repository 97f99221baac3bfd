#include <gradus/core/parallel.h>
#include <gradus/core/random.h>

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <utility>

namespace gradus {
namespace {

/// Ten rounds on `Lanes` counters i, i+1, ... at once: out has words 0 of all lanes, then words 1, 2, 3.
template <int Lanes> inline void rounds(Philox p, std::uint64_t i, std::uint32_t (&out)[4][Lanes]) {
  auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  for (int k = 0; k < Lanes; ++k) {
    const std::uint64_t at = i + static_cast<std::uint64_t>(k);
    out[0][k] = low(at), out[1][k] = high(at), out[2][k] = low(p.stream), out[3][k] = high(p.stream);
  }
  std::uint32_t key0 = low(p.seed), key1 = high(p.seed);
  for (int round = 0; round < 10; ++round) {
    for (int k = 0; k < Lanes; ++k) {
      const std::uint64_t a = std::uint64_t(0xD2511F53) * out[0][k], b = std::uint64_t(0xCD9E8D57) * out[2][k];
      const std::uint32_t x1 = out[1][k], x3 = out[3][k];
      out[0][k] = high(b) ^ x1 ^ key0;
      out[1][k] = low(b);
      out[2][k] = high(a) ^ x3 ^ key1;
      out[3][k] = low(a);
    }
    key0 += 0x9E3779B9, key1 += 0xBB67AE85;  // the golden ratio and sqrt(3) - 1
  }
}

/// The two normals of one block: a point with random angle at the distance that makes both coordinates normal.
std::pair<double, double> normals(const std::uint32_t* w) {
  const double u = Philox::to_uniform<double>(std::uint64_t(w[0]) << 32 | w[1]);
  const double v = Philox::to_uniform<double>(std::uint64_t(w[2]) << 32 | w[3]);
  const double radius = std::sqrt(-2.0 * std::log(1.0 - u)), angle = 2.0 * std::numbers::pi * v;  // 1 - u is never 0
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Runs f(words, begin, end) on pieces of [0, n); element i has words 2(i - begin) and the next. Pieces begin at blocks.
template <class F> void each_piece(std::int64_t n, Philox random, F&& f) {
  constexpr std::int64_t grain = 8192, chunk = 512;
  parallel_ranges(n, grain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[2 * chunk];
    for (std::int64_t i = begin; i < end; i += chunk) {
      const std::int64_t stop = i + chunk < end ? i + chunk : end;
      random.words(2 * static_cast<std::uint64_t>(i), 2 * ((stop - i + 1) & ~std::int64_t(1)), words);
      f(words, i, stop);
    }
  });
}

void require_real(const char* op, Dtype dtype) {
  if (!is_real(dtype))
    throw DtypeError(op, join("random numbers of type ", dtype, " were asked for; it must be f32 or f64"));
}

}  // namespace

Philox::Block Philox::block(std::uint64_t i) const {
  std::uint32_t out[4][1];
  rounds(*this, i, out);
  return {out[0][0], out[1][0], out[2][0], out[3][0]};
}

void Philox::words(std::uint64_t first, std::int64_t n, std::uint32_t* out) const {
  constexpr int lanes = 16;
  while (n > 0 && first % 4 != 0) *out++ = word(first++), --n;
  for (; n >= 4 * lanes; n -= 4 * lanes, first += 4 * lanes, out += 4 * lanes) {
    std::uint32_t side_by_side[4][lanes];
    rounds(*this, first / 4, side_by_side);
    for (int k = 0; k < lanes; ++k)
      for (int j = 0; j < 4; ++j) out[4 * k + j] = side_by_side[j][k];
  }
  for (; n >= 4; n -= 4, first += 4, out += 4) {
    const Block b = block(first / 4);
    std::memcpy(out, b.data(), sizeof b);
  }
  while (n-- > 0) *out++ = word(first++);
}

double Philox::normal(std::uint64_t i) const {
  const Block b = block(i / 2);
  const auto [even, odd] = normals(b.data());
  return i % 2 ? odd : even;
}

std::uint64_t Philox::below(std::uint64_t i, std::uint64_t n) const {
  __extension__ using Wide = unsigned __int128;
  // Lemire's multiplication: the high half is the number, unless the low half falls into the remainder of 2^64 / n.
  Philox again = *this;
  for (std::uint64_t remainder = 0;; again.seed += 0x9E3779B97F4A7C15) {
    const Wide product = Wide(again.bits(i)) * n;
    const auto low = static_cast<std::uint64_t>(product);
    if (low < n && remainder == 0) remainder = (0 - n) % n;
    if (low >= remainder) return static_cast<std::uint64_t>(product >> 64);
  }
}

Array uniform(const Shape& shape, double lo, double hi, Philox random, Dtype dtype) {
  require_real("uniform", dtype);
  if (!(lo < hi && std::isfinite(hi - lo)))
    throw ShapeError("uniform", join("the range is [", text(lo), ", ", text(hi), "); lo must be below hi, both finite"));
  Array a(shape, dtype);
  visit_real(dtype, [&]<class T>() {
    T* out = a.uninitialized<T>();
    const T from = static_cast<T>(lo), span = static_cast<T>(hi - lo);
    const T largest = std::nextafter(static_cast<T>(hi), from);
    each_piece(a.size(), random, [=](const std::uint32_t* w, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i, w += 2) {
        const T x = from + span * Philox::to_uniform<T>(std::uint64_t(w[0]) << 32 | w[1]);
        out[i] = x < largest ? x : largest;
      }
    });
  });
  return a;
}

Array normal(const Shape& shape, double mean, double deviation, Philox random, Dtype dtype) {
  require_real("normal", dtype);
  Array a(shape, dtype);
  visit_real(dtype, [&]<class T>() {
    T* out = a.uninitialized<T>();
    each_piece(a.size(), random, [=](const std::uint32_t* w, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += 2, w += 4) {
        const auto [even, odd] = normals(w);
        out[i] = static_cast<T>(mean + deviation * even);
        if (i + 1 < end) out[i + 1] = static_cast<T>(mean + deviation * odd);
      }
    });
  });
  return a;
}

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t stream) {
  if (n < 0) throw ShapeError("permutation", join("the length must be at least 0, got ", n));
  std::vector<std::int64_t> order;
  try {
    order.resize(static_cast<std::size_t>(n));
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw ResourceError("permutation", join("the system has no memory for ", n, " numbers"));
  }
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  const Philox random{seed, stream};
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

namespace {

/// The seed of threads that call no manual_seed() of their own, and how many there were.
struct Newcomers {
  std::atomic<std::uint64_t> seed{0}, count{0};
};
constinit Newcomers newcomers;

bool main_thread() { return getpid() == gettid(); }

}  // namespace

Generator& default_generator() {
  thread_local Generator generator = [] {
    if (main_thread()) return Generator(0);
    const std::uint64_t place = newcomers.count.fetch_add(1, std::memory_order_relaxed);
    return Generator(Philox{newcomers.seed.load(std::memory_order_relaxed), 0x746872656164}.bits(place));
  }();
  return generator;
}

void manual_seed(std::uint64_t seed) {
  default_generator().restore({seed, 0});
  if (!main_thread()) return;
  newcomers.seed.store(seed, std::memory_order_relaxed);
  newcomers.count.store(0, std::memory_order_relaxed);
}

}  // namespace gradus
