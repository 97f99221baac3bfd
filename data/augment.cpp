#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/data/augment.h>

#include <algorithm>

namespace gradus::data {
namespace {

void check_images(const char* op, const Array& x) {
  if (!x.defined() || x.dtype() != f32) throw DtypeError(op, "images must be f32, got " + describe(x));
  if (x.rank() != 4 && x.rank() != 3) throw ShapeError(op, "images must be [N, C, H, W] or [C, H, W], got " + describe(x));
}

/// Calls f(image, row in, row out) for every row of every channel.
template <class F> Array each_image(const Array& x, F&& f) {
  const Array in = x.contiguous();
  Array out(x.shape());
  const std::int64_t n = x.rank() == 4 ? x.dim(0) : 1, size = n > 0 ? x.size() / n : 0;
  const float* from = in.data<float>();
  float* to = out.uninitialized<float>();
  parallel_ranges(n, std::max<std::int64_t>(1, grain_elements / std::max<std::int64_t>(size, 1)),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) f(i, from + i * size, to + i * size);
                  });
  return out;
}

}  // namespace

Array random_flip(const Array& x, Philox random, double probability) {
  check_images("random_flip", x);
  const std::int64_t width = x.shape().back(), rows = x.dim(-3) * x.dim(-2);
  return each_image(x, [&](std::int64_t i, const float* from, float* to) {
    const bool flipped = random.uniform(static_cast<std::uint64_t>(i)) < probability;
    for (std::int64_t r = 0; r < rows; ++r, from += width, to += width)
      flipped ? std::reverse_copy(from, from + width, to) : std::copy(from, from + width, to);
  });
}

Array random_shift(const Array& x, int most, Philox random) {
  check_images("random_shift", x);
  if (most < 0) throw ShapeError("random_shift", join("a shift by up to ", most, " was asked for; it must be at least 0"));
  const std::int64_t channels = x.dim(-3), height = x.dim(-2), width = x.dim(-1);
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

Array random_cutout(const Array& x, int side, Philox random) {
  check_images("random_cutout", x);
  if (side < 0) throw ShapeError("random_cutout", join("a square of side ", side, " was asked for; it must be at least 0"));
  const std::int64_t channels = x.dim(-3), height = x.dim(-2), width = x.dim(-1);
  const auto pixel = [&](std::uint64_t k, std::int64_t n) {
    return static_cast<std::int64_t>(random.below(k, static_cast<std::uint64_t>(std::max<std::int64_t>(n, 1))));
  };
  return each_image(x, [&](std::int64_t i, const float* from, float* to) {
    const std::int64_t top = pixel(static_cast<std::uint64_t>(2 * i), height) - side / 2;
    const std::int64_t left = pixel(static_cast<std::uint64_t>(2 * i + 1), width) - side / 2;
    const std::int64_t first = std::max<std::int64_t>(0, left), last = std::min(width, left + side);
    std::copy(from, from + channels * height * width, to);
    for (std::int64_t c = 0; c < channels && first < last; ++c)
      for (std::int64_t y = std::max<std::int64_t>(0, top); y < std::min(height, top + side); ++y)
        std::fill(to + (c * height + y) * width + first, to + (c * height + y) * width + last, 0.f);
  });
}

Array random_noise(const Array& x, double deviation, Philox random) {
  if (!x.defined() || !is_real(x.dtype())) throw DtypeError("random_noise", "x must be f32 or f64, got " + describe(x));
  Array noisy = normal(x.shape(), 0, deviation, random, x.dtype());
  const Array from = x.contiguous();
  const auto add = [&]<class T>(T* to) {
    for (std::int64_t i = 0; i < noisy.size(); ++i) to[i] += from.data<T>()[i];
  };
  x.dtype() == f32 ? add(noisy.uninitialized<float>()) : add(noisy.uninitialized<double>());
  return noisy;
}

}  // namespace gradus::data
