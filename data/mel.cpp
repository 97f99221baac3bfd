#include <gradus/core/error.h>
#include <gradus/core/kernels/gemm.h>
#include <gradus/data/mel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace gradus::data {
namespace {

void check_mel(const Array& samples, const MelOptions& options) {
  if (!samples.defined() || samples.dtype() != f32)
    throw DtypeError("log_mel", "samples must be f32, got " + describe(samples));
  if (samples.rank() != 1 || samples.size() < 1)
    throw ShapeError("log_mel", "samples must be [n], got " + describe(samples));
  if (options.window < 2 || options.window > 65536 || options.hop < 1 || options.mels < 1)
    throw DataError("log_mel",
                    join("window ", options.window, ", hop ", options.hop, ", mels ", options.mels, " make no features"));
  if (!(options.low >= 0 && options.low < options.high && options.high <= options.rate / 2))
    throw DataError("log_mel", join("low ", text(options.low), " and high ", text(options.high),
                                    " Hz must rise, up to rate / 2 = ", text(options.rate / 2)));
}

double mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }

/// [window, 2 bins]: cosines and sines times the window.
std::vector<float> fourier(std::int64_t window, std::int64_t bins) {
  std::vector<float> m(static_cast<std::size_t>(window * 2 * bins));
  for (std::int64_t n = 0; n < window; ++n) {
    const double hann = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(n) / static_cast<double>(window));
    for (std::int64_t k = 0; k < bins; ++k) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(n * k % window) / static_cast<double>(window);
      m[static_cast<std::size_t>((n * 2 * bins) + k)] = static_cast<float>(hann * std::cos(angle));
      m[static_cast<std::size_t>((n * 2 * bins) + bins + k)] = static_cast<float>(hann * std::sin(angle));
    }
  }
  return m;
}

/// [bins, mels]: triangle m rises from edge m to edge m + 1 and falls to edge m + 2.
std::vector<float> triangles(const MelOptions& options, std::int64_t bins) {
  std::vector<float> m(static_cast<std::size_t>(bins * options.mels));
  const double low = mel(options.low), step = (mel(options.high) - low) / static_cast<double>(options.mels + 1);
  for (std::int64_t b = 0; b < bins; ++b) {
    const double at = (mel(static_cast<double>(b) * options.rate / static_cast<double>(options.window)) - low) / step;
    for (std::int64_t k = 0; k < options.mels; ++k)
      m[static_cast<std::size_t>(b * options.mels + k)] =
          static_cast<float>(std::max(0.0, 1 - std::abs(at - static_cast<double>(k + 1))));
  }
  return m;
}

}  // namespace

Array log_mel(const Array& samples, const MelOptions& options) {
  check_mel(samples, options);
  const Array x = samples.contiguous();
  const std::int64_t bins = options.window / 2 + 1,
                     frames = 1 + std::max<std::int64_t>(0, x.size() - options.window) / options.hop;
  std::vector<float> padded(x.data<float>(), x.data<float>() + x.size());
  padded.resize(static_cast<std::size_t>(std::max(x.size(), options.window)));
  const auto basis = fourier(options.window, bins), bands = triangles(options, bins);
  std::vector<float> spectrum(static_cast<std::size_t>(frames * 2 * bins));
  gemm<float>(frames, 2 * bins, options.window, {padded.data(), options.hop, 1}, {basis.data(), 2 * bins, 1},
              spectrum.data(), 2 * bins);
  for (std::int64_t f = 0; f < frames; ++f) {
    float* row = spectrum.data() + f * 2 * bins;
    for (std::int64_t k = 0; k < bins; ++k) row[k] = row[k] * row[k] + row[bins + k] * row[bins + k];
  }
  Array out({frames, options.mels});
  float* y = out.uninitialized<float>();
  gemm<float>(frames, options.mels, bins, {spectrum.data(), 2 * bins, 1}, {bands.data(), options.mels, 1}, y, options.mels);
  for (std::int64_t i = 0; i < out.size(); ++i) y[i] = static_cast<float>(std::log(1e-6 + static_cast<double>(y[i])));
  return out;
}

}  // namespace gradus::data
