// Random numbers by index: number i of stream s of seed k is a pure function, so any thread may compute any of them.
#pragma once

#include <gradus/core/array.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace gradus {

/// Philox4x32-10: a bijection of a 128-bit counter under a 64-bit key (Salmon, Moraes, Dror and Shaw, "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011). The key is the seed; the counter is the number's index and the stream.
/// uniform(i), normal(i), below(i, n) and word(i) are made of the same bits: use one stream for one purpose.
struct Philox {
  using Block = std::array<std::uint32_t, 4>;
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  /// The i-th 128 bits of the stream.
  Block block(std::uint64_t i) const;
  /// out[0..n) = words first .. first+n-1 of the stream, vectorised; word i is block(i / 4)[i % 4].
  void words(std::uint64_t first, std::int64_t n, std::uint32_t* out) const;
  std::uint32_t word(std::uint64_t i) const { return block(i / 4)[i % 4]; }

  /// Words 2i (high) and 2i+1 (low) as one number.
  std::uint64_t bits(std::uint64_t i) const {
    const Block b = block(i / 2);
    return std::uint64_t(b[i % 2 * 2]) << 32 | b[i % 2 * 2 + 1];
  }
  /// Uniform in [0, 1); T is float or double, and the float is the double cut to 24 bits.
  template <class T = double> T uniform(std::uint64_t i) const { return to_uniform<T>(bits(i)); }
  /// Standard normal by Box and Muller's transform of block(i / 2).
  double normal(std::uint64_t i) const;
  /// An integer in [0, n), every one equally likely; n >= 1.
  std::uint64_t below(std::uint64_t i, std::uint64_t n) const;

  template <class T> static T to_uniform(std::uint64_t bits) {
    if constexpr (sizeof(T) == 4) return static_cast<float>(bits >> 40) * 0x1p-24f;
    else return static_cast<double>(bits >> 11) * 0x1p-53;
  }
};

/// An Array whose element i is lo + (hi - lo) * random.uniform(i), below hi also after rounding. f32 or f64; same bits at
/// any number of threads. Errors: DtypeError; ShapeError unless lo < hi and both are finite.
Array uniform(const Shape& shape, double lo, double hi, Philox random, Dtype dtype = f32);

/// An Array whose element i is mean + deviation * random.normal(i); an f32 is the rounded f64. Errors: DtypeError.
Array normal(const Shape& shape, double mean, double deviation, Philox random, Dtype dtype = f32);

/// 0 .. n-1 in random order (Fisher and Yates' shuffle), a pure function of its arguments. n >= 0.
std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t stream = 0);

/// Hands out streams: each call of next_stream() returns a new one, so initialisers and dropouts never share random numbers.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) : seed_(seed) {}
  Philox next_stream() { return {seed_.load(relaxed), next_.fetch_add(1, relaxed)}; }
  /// The stream that next_stream() would return; restore() makes it the next one, e.g. after loading a checkpoint.
  Philox state() const { return {seed_.load(relaxed), next_.load(relaxed)}; }
  void restore(Philox state) {
    seed_.store(state.seed, relaxed);
    next_.store(state.stream, relaxed);
  }

 private:
  static constexpr auto relaxed = std::memory_order_relaxed;
  std::atomic<std::uint64_t> seed_;
  std::atomic<std::uint64_t> next_{0};
};

/// The generator used where none is given, one for each thread: draws of other threads do not change this one's. The main
/// thread's has seed 0 until manual_seed(). Another thread's, until it calls manual_seed() itself, has a seed made of the
/// main thread's latest and of its position in the order in which such threads first drew.
Generator& default_generator();

/// Restarts this thread's default generator at stream 0 of `seed`.
void manual_seed(std::uint64_t seed);

}  // namespace gradus
