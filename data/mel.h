// Log-mel features: what a recogniser of speech hears of a sound.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus::data {

struct MelOptions {
  std::int64_t window = 256, hop = 128;  ///< samples of a frame, and from one frame to the next
  std::int64_t mels = 40;
  double rate = 8000, low = 50, high = 4000;  ///< in hertz; high is at most rate / 2
};

/// mel(samples): samples f32 [n], n >= 1 -> f32 [1 + (n - window) / hop, mels], one frame at least (zeros are added to a shorter sound):
/// log(1e-6 + M |DFT(w x)|^2), w Hann's window, M triangles on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy, "Speech
/// communication", 1987). Errors: ShapeError, DtypeError; of the constructor DataError for options that make no sense.
class LogMel {
 public:
  explicit LogMel(const MelOptions& options = {});
  Array operator()(const Array& samples) const;

 private:
  MelOptions options_;
  std::int64_t bins_;
  std::vector<float> fourier_, triangles_;  // [window, 2 bins], [bins, mels]
};

}  // namespace gradus::data
