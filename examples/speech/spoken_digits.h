// Spoken digits for the examples that hear: recorded ones, and words made up by our own code.
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>
#include <gradus/data/wav.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <string>
#include <vector>

namespace gradus::examples {

struct SpokenDigits {
  std::vector<Array> samples;  ///< f32 [n] each, 8,000 a second
  std::vector<int64_t> digits;
};

/// The Free Spoken Digit Dataset, "{digit}_{speaker}_{take}.wav"; takes 0 to 4 of each speaker are held out, as published.
inline SpokenDigits recorded_digits(const std::string& folder, bool train) {
  std::vector<std::filesystem::path> paths;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent))
    if (entry.path().extension() == ".wav") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  SpokenDigits all;
  for (const auto& path : paths) {
    const std::string name = path.stem().string();
    const bool held_out = std::atoi(name.c_str() + name.rfind('_') + 1) < 5;
    if (held_out == train) continue;
    all.samples.push_back(data::read_wav(path.string()).samples.select(0, 0).contiguous());
    all.digits.push_back(name[0] - '0');
  }
  if (all.digits.empty()) throw DataError(folder, "has no recordings named DIGIT_SPEAKER_TAKE.wav");
  return all;
}

/// Word k is a tone that steps up or down once, by an interval of its own; pitch, speed, loudness and noise vary.
inline SpokenDigits invented_digits(int64_t count, std::uint64_t seed) {
  SpokenDigits all;
  for (int64_t i = 0; i < count; ++i) {
    const Philox random{seed, static_cast<std::uint64_t>(i)};
    const int64_t word = i % 10, n = 2400 + static_cast<int64_t>(random.below(0, 2400));
    const double pitch = 300 * std::exp2(random.uniform(1)), loudness = 0.1 + 0.4 * random.uniform(2),
                 cut = 0.4 + 0.2 * random.uniform(3);
    Array samples({n});
    double phase = 0;
    for (int64_t t = 0; t < n; ++t) {
      const bool later = static_cast<double>(t) > cut * static_cast<double>(n);
      phase += 2 * std::numbers::pi * pitch *
               (later ? std::exp2(0.3 * static_cast<double>(word < 5 ? word + 1 : 4 - word)) : 1) / 8000;
      samples.uninitialized<float>()[t] =
          static_cast<float>(loudness * std::sin(phase) + 0.05 * random.normal(static_cast<std::uint64_t>(10 + t)));
    }
    all.samples.push_back(samples), all.digits.push_back(word);
  }
  return all;
}

}  // namespace gradus::examples
