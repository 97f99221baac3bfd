// Spoken digits: the log-mel spectrum of each recording through a GRU of two directions.
//
//   gru_speech                   ten words of two tones each, made by our own code
//   gru_speech --data FOLDER     the Free Spoken Digit Dataset; takes 0 to 4 of each speaker are held out, as published
#include <gradus/examples/flags.h>
#include <gradus/examples/speech/spoken_digits.h>
#include <gradus/gradus.h>

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

/// The features of each; silence behind a short one.
data::TensorDataset heard(const examples::SpokenDigits& spoken) {
  const data::LogMel log_mel;
  std::vector<float> features;
  for (const Array& samples : spoken.samples) {
    const Array mel = log_mel(samples);
    for (int64_t i = 0; i < frames * 40; ++i) features.push_back(i < mel.size() ? mel.data<float>()[i] : -13.8f);
  }
  const auto n = std::ssize(spoken.digits);
  return data::TensorDataset(Array::of<float>({n, frames, 40}, features), Array::of<int64_t>({n}, spoken.digits));
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    if (!flags.data.empty()) return examples::recorded_digits(flags.data, train);
    return examples::invented_digits(flags.quick ? 120 : train ? 1500 : 300, 2 * flags.seed + train);
  };
  const data::DataLoader train(heard(load(true)), {.batch_size = flags.quick ? 10 : flags.batch, .seed = flags.seed});
  const data::DataLoader test(heard(load(false)), {.batch_size = 100, .shuffle = false});
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
