// Spoken digits: the log-mel spectrum of each recording through a GRU of two directions.
//
//   gru_speech                   ten words of two tones each, made by our own code
//   gru_speech --data FOLDER     the Free Spoken Digit Dataset; takes 0 to 4 of each speaker are held out, as published
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

#include <filesystem>
#include <numbers>

using namespace gradus;

constexpr int64_t frames = 64;

struct Net : nn::Module<Net> {
  nn::LayerNorm norm{40};
  nn::GRU gru;
  nn::Dropout dropout{0.3};
  nn::Linear output;
  GRADUS_FIELDS(norm, gru, dropout, output)
  explicit Net(int64_t hidden)
      : gru(40, hidden, {.num_layers = 2, .dropout = 0.2, .bidirectional = true, .batch_first = true}),
        output(2 * hidden, 10) {}
  /// x [N, frames, 40] -> [N, 10]
  Tensor forward(const Tensor& x) { return output(dropout(mean(gru(norm(x)).y, {1}))); }
};

struct Recordings {
  std::vector<float> features;
  std::vector<int64_t> digits;
  data::LogMel log_mel;

  void add(const Array& samples, int64_t digit) {
    const Array mel = log_mel(samples);
    for (int64_t i = 0; i < frames * 40; ++i)  // silence behind a short one
      features.push_back(i < mel.size() ? mel.data<float>()[i] : -13.8f);
    digits.push_back(digit);
  }
  data::TensorDataset set() const {
    const auto n = static_cast<int64_t>(digits.size());
    return data::TensorDataset(Array::of<float>({n, frames, 40}, features), Array::of<int64_t>({n}, digits));
  }
};

/// "{digit}_{speaker}_{take}.wav"
Recordings recorded(const std::string& folder, bool train) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".wav") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  Recordings all;
  for (const auto& path : paths) {
    const std::string name = path.stem().string();
    const bool held_out = std::atoi(name.c_str() + name.rfind('_') + 1) < 5;
    if (held_out != train) all.add(select(Tensor(data::read_wav(path.string()).samples), 0, 0).array(), name[0] - '0');
  }
  if (all.digits.empty()) throw DataError(folder, "has no recordings named DIGIT_SPEAKER_TAKE.wav");
  return all;
}

/// Word k is a tone that steps up or down once, by an interval of its own; pitch, speed, loudness and noise vary.
Recordings invented(int64_t count, std::uint64_t seed) {
  Recordings all;
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
    all.add(samples, word);
  }
  return all;
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    if (!flags.data.empty()) return recorded(flags.data, train);
    return invented(flags.quick ? 120 : train ? 1500 : 300, 2 * flags.seed + train);
  };
  const data::DataLoader train(load(true).set(), {.batch_size = flags.quick ? 10 : flags.batch, .seed = flags.seed});
  const data::DataLoader test(load(false).set(), {.batch_size = 100, .shuffle = false});
  Net net(flags.quick ? 16 : 96);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "words";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "spoken digits", 0.15);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A GRU hears spoken digits",
      {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(4e-3, total=TOTAL))", .epochs = 10, .batch = 32, .quick_length = 4},
      learn);
}
