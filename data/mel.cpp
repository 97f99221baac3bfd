#include <gradus/core/error.h>
#include <gradus/core/kernels/gemm.h>
#include <gradus/data/mel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gradus::data {
namespace {

void check_mel(const MelOptions& options) {
  if (options.window < 2 || options.window > 65536 || options.hop < 1 || options.mels < 1)
    throw DataError("LogMel",
                    join("window ", options.window, ", hop ", options.hop, ", mels ", options.mels, " make no features"));
  if (!(options.low >= 0 && options.low < options.high && options.high <= options.rate / 2))
    throw DataError("LogMel", join("low ", text(options.low), " and high ", text(options.high),
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

LogMel::LogMel(const MelOptions& options) : options_(options), bins_(options.window / 2 + 1) {
  check_mel(options);
  fourier_ = fourier(options.window, bins_);
  triangles_ = triangles(options, bins_);
}

Array LogMel::operator()(const Array& samples) const {
  if (!samples.defined() || samples.dtype() != f32)
    throw DtypeError("LogMel", "samples must be f32, got " + describe(samples));
  if (samples.rank() != 1 || samples.size() < 1) throw ShapeError("LogMel", "samples must be [n], got " + describe(samples));
  const Array x = samples.contiguous();
  const std::int64_t window = options_.window, hop = options_.hop, mels = options_.mels, width = 2 * bins_;
  const std::int64_t frames = 1 + std::max<std::int64_t>(0, x.size() - window) / hop;
  std::vector<float> padded(x.data<float>(), x.data<float>() + x.size());
  padded.resize(static_cast<std::size_t>(std::max(x.size(), window)));
  std::vector<float> spectrum(static_cast<std::size_t>(frames * width));
  gemm<float>(frames, width, window, {padded.data(), hop, 1}, {fourier_.data(), width, 1}, spectrum.data(), width);
  for (std::int64_t f = 0; f < frames; ++f) {
    float* row = spectrum.data() + f * width;
    for (std::int64_t k = 0; k < bins_; ++k) row[k] = row[k] * row[k] + row[bins_ + k] * row[bins_ + k];
  }
  Array out({frames, mels});
  float* y = out.uninitialized<float>();
  gemm<float>(frames, mels, bins_, {spectrum.data(), width, 1}, {triangles_.data(), mels, 1}, y, mels);
  for (std::int64_t i = 0; i < out.size(); ++i) y[i] = static_cast<float>(std::log(1e-6 + static_cast<double>(y[i])));
  return out;
}

}  // namespace gradus::data
