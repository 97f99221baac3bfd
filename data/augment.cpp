#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/data/augment.h>

#include <algorithm>

namespace gradus::data {
namespace {

void check_images(const char* op, const Array& x) {
  if (!x.defined() || x.dtype() != f32) throw DtypeError(op, "images must be f32, got " + describe(x));
  if (x.rank() != 4) throw ShapeError(op, "images must be [N, C, H, W], got " + describe(x));
}

/// Calls f(image, row in, row out) for every row of every channel.
template <class F> Array each_image(const Array& x, F&& f) {
  const Array in = x.contiguous();
  Array out(x.shape());
  const std::int64_t size = x.dim(1) * x.dim(2) * x.dim(3);
  const float* from = in.data<float>();
  float* to = out.uninitialized<float>();
  parallel_ranges(x.dim(0), std::max<std::int64_t>(1, grain_elements / std::max<std::int64_t>(size, 1)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) f(i, from + i * size, to + i * size);
                  });
  return out;
}

}  // namespace

Array random_flip(const Array& x, Philox random, double probability) {
  check_images("random_flip", x);
  const std::int64_t rows = x.dim(1) * x.dim(2), width = x.dim(3);
  return each_image(x, [&](std::int64_t i, const float* from, float* to) {
    const bool flipped = random.uniform(static_cast<std::uint64_t>(i)) < probability;
    for (std::int64_t r = 0; r < rows; ++r, from += width, to += width)
      flipped ? std::reverse_copy(from, from + width, to) : std::copy(from, from + width, to);
  });
}

Array random_shift(const Array& x, int most, Philox random) {
  check_images("random_shift", x);
  if (most < 0) throw ShapeError("random_shift", join("a shift by up to ", most, " was asked for; it must be at least 0"));
  const std::int64_t channels = x.dim(1), height = x.dim(2), width = x.dim(3);
  const auto by = [&](std::uint64_t k) {
    return static_cast<std::int64_t>(random.below(k, static_cast<std::uint64_t>(2 * most + 1))) - most;
  };
  return each_image(x, [&](std::int64_t i, const float* from, float* to) {
    const std::int64_t down = by(static_cast<std::uint64_t>(2 * i)), right = by(static_cast<std::uint64_t>(2 * i + 1));
    std::fill(to, to + channels * height * width, 0.f);
    const std::int64_t first = std::max<std::int64_t>(0, right), last = std::min(width, width + right);
    for (std::int64_t c = 0; c < channels && first < last; ++c)
      for (std::int64_t y = std::max<std::int64_t>(0, down); y < std::min(height, height + down); ++y) {
        const float* row = from + (c * height + y - down) * width;
        std::copy(row + first - right, row + last - right, to + (c * height + y) * width + first);
      }
  });
}

}  // namespace gradus::data
