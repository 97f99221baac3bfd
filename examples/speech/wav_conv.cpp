// Spoken digits from the raw wave: strided convolutions make features of it, and a small transformer listens to them, as in
// Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech representations", 2020.
//
//   wav_conv                   ten words of two tones each, made by our own code
//   wav_conv --data FOLDER     the Free Spoken Digit Dataset; takes 0 to 4 of each speaker are held out, as published
#include <gradus/examples/flags.h>
#include <gradus/examples/speech/spoken_digits.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t samples = 8000;

/// [N, C, T] normalised over the channels at each time.
struct ChannelNorm : nn::Module<ChannelNorm> {
  nn::LayerNorm norm;
  GRADUS_FIELDS(norm)
  explicit ChannelNorm(int64_t channels) : norm(channels) {}
  Tensor forward(const Tensor& x) { return transpose(norm(transpose(x, 1, 2)), 1, 2); }
};

struct Net : nn::Module<Net> {
  nn::Sequential features;
  nn::PositionalEmbedding positions;
  nn::TransformerEncoder encoder;
  nn::Linear output;
  GRADUS_FIELDS(features, positions, encoder, output)
  explicit Net(int64_t width)
      : features(nn::Conv1d(1, width, 20, {.stride = 8, .padding = 6}), ChannelNorm(width), nn::GELU(),
                 nn::Conv1d(width, width, 8, {.stride = 4, .padding = 2}), ChannelNorm(width), nn::GELU(),
                 nn::Conv1d(width, width, 4, {.stride = 2, .padding = 1}), ChannelNorm(width), nn::GELU(),
                 nn::Conv1d(width, width, 4, {.stride = 2, .padding = 1}), ChannelNorm(width), nn::GELU()),
        positions(width, {.dropout = 0.1, .max_len = 100, .batch_first = true}),
        encoder(nn::TransformerEncoderLayer(width, 4,
                                            {.dim_feedforward = 4 * width,
                                             .dropout = 0.1,
                                             .activation = nn::Activation::gelu,
                                             .norm_first = true,
                                             .batch_first = true}),
                2, nn::LayerNorm(width)),
        output(width, 10) {}
  /// x [N, samples] -> [N, 10], by way of 62 features
  Tensor forward(const Tensor& x) {
    const Tensor loudness = sqrt(mean(square(x), {1}, true)) + 1e-4;
    const Tensor y = transpose(features(unsqueeze(x / loudness, 1)), 1, 2);
    return output(mean(encoder(positions(y)), {1}));
  }
};

/// A short one is followed by silence, a long one cut off.
data::TensorDataset heard(const examples::SpokenDigits& spoken) {
  std::vector<Tensor> waves;
  for (const Array& wave : spoken.samples) {
    const Tensor begin = Tensor(wave).slice(0, 0, samples);
    waves.push_back(pad(begin, {0, samples - begin.size()}));
  }
  return data::TensorDataset(stack(waves).array(), Array::of<int64_t>({std::ssize(spoken.digits)}, spoken.digits));
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    if (!flags.data.empty()) return examples::recorded_digits(flags.data, train);
    return examples::invented_digits(flags.quick ? 80 : train ? 1500 : 300, 2 * flags.seed + train);
  };
  const data::DataLoader train(heard(load(true)), {.batch_size = flags.quick ? 10 : flags.batch, .seed = flags.seed});
  const data::DataLoader test(heard(load(false)), {.batch_size = 100, .shuffle = false});
  Net net(flags.quick ? 16 : 64);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    Tensor x(batch.x);
    if (net.training()) {  // begun a little later or earlier, with a little noise
      const int64_t later = randint(-800, 800, {}).item<int64_t>();
      x = roll(x, {later}, {1}) + 0.002 * randn(x.shape());
    }
    const Tensor logits = net(x);
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "words";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "spoken digits", 0.15);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "Convolutions and a transformer hear spoken digits",
                       {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(2e-3, total=TOTAL), weight_decay=0.05)",
                        .epochs = 12,
                        .batch = 32,
                        .quick_length = 14},
                       learn);
}
