// Three to five spoken digits are written down. Nobody says where one ends and the next begins: connectionist temporal
// classification (Graves et al., 2006) finds that out. Every item is a new sentence, joined from the recordings.
//
//   ctc_speech                   ten words of two tones each, made by our own code
//   ctc_speech --data FOLDER     the Free Spoken Digit Dataset; takes 0 to 4 of each speaker are held out, as published
#include <gradus/examples/flags.h>
#include <gradus/examples/speech/spoken_digits.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t most = 5, blank = 10, mels = 40;
constexpr int64_t word = 8000, frames = most * word / 128;  // a longer recording is cut off

/// x: log-mel features [frames, mels] with silence at the end; y: how many frames there are, how many digits, and which.
struct Sentences {
  examples::SpokenDigits spoken;
  int64_t count;
  std::uint64_t seed;
  data::LogMel log_mel{data::MelOptions()};

  int64_t size() const { return count; }
  data::Example get(int64_t item) const {
    const Philox random{seed, static_cast<std::uint64_t>(item)};
    const auto length = 3 + random.below(0, 3);
    std::vector<Tensor> parts;
    Array y = Array::zeros({2 + most}, i64);
    int64_t* to = y.uninitialized<int64_t>();
    for (std::uint64_t k = 0; k < length; ++k) {
      const auto i = random.below(k + 1, spoken.digits.size());
      parts.push_back(Tensor(spoken.samples[i]).slice(0, 0, word));
      to[2 + k] = spoken.digits[i];
    }
    const Array heard = log_mel(cat(parts).array());
    to[0] = heard.dim(0), to[1] = static_cast<int64_t>(length);
    return {pad(Tensor(heard), {0, 0, 0, frames - heard.dim(0)}, Padding::constant, -13.8).array(), y};
  }
};

struct Net : nn::Module<Net> {
  nn::LayerNorm norm{mels};
  nn::Conv1d conv;
  nn::GRU gru;
  nn::Dropout dropout{0.2};
  nn::Linear output;
  GRADUS_FIELDS(norm, conv, gru, dropout, output)
  explicit Net(int64_t width)
      : conv(mels, width, 5, {.stride = 2, .padding = 2}),
        gru(width, width, {.bidirectional = true, .batch_first = true}),
        output(2 * width, 11) {}
  /// x [N, T, mels] -> log-probabilities of ten digits and the blank [N, T / 2, 11]
  Tensor forward(const Tensor& x) {
    const Tensor y = relu(conv(transpose(norm(x), 1, 2)));
    return log_softmax(output(dropout(gru(transpose(y, 1, 2)).y)), -1);
  }
};

/// The likeliest class of each frame; of a run of one class, one, and no blanks.
std::vector<int64_t> read_off(const Tensor& log_p, int64_t length) {
  const Array best = argmax(log_p, 1).array();
  std::vector<int64_t> digits;
  for (int64_t t = 0, before = blank; t < length; before = best.data<int64_t>()[t++])
    if (const int64_t now = best.data<int64_t>()[t]; now != blank && now != before) digits.push_back(now);
  return digits;
}

/// Digits to replace, leave out or put in, at least, to get from one to the other.
int64_t edit_distance(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = static_cast<int64_t>(j);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int64_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int64_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

training::Metric digit_error_rate() {
  return {"digit_error_rate", false,
          [](const Tensor& log_p, const Tensor& y) {
            double errors = 0, digits = 0;
            for (int64_t n = 0; n < y.dim(0); ++n) {
              const int64_t* said = y.array().data<int64_t>() + n * (2 + most);
              const std::vector<int64_t> right(said + 2, said + 2 + said[1]);
              errors += static_cast<double>(edit_distance(read_off(select(log_p, 0, n), (said[0] + 1) / 2), right));
              digits += static_cast<double>(said[1]);
            }
            return std::vector{errors, digits};
          },
          [](const std::vector<double>& sums) { return sums[0] / sums[1]; }};
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train, int64_t count) {
    const bool invented = flags.data.empty();
    const std::uint64_t seed = 2 * flags.seed + train;
    return Sentences{
        invented ? examples::invented_digits(flags.quick ? 50 : 1000, seed) : examples::recorded_digits(flags.data, train),
        count, seed};
  };
  const int64_t size = flags.quick ? 8 : flags.batch;
  const data::DataLoader train(load(true, flags.steps * size), {.batch_size = size, .shuffle = false});
  const data::DataLoader test(load(false, flags.quick ? 10 : 300), {.batch_size = 50, .shuffle = false});
  Net net(flags.quick ? 48 : 96);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor y(batch.y), heard = select(y, 1, 0);
    const Tensor log_p = net(Tensor(batch.x).slice(1, 0, max(heard).item<int64_t>()));
    const Tensor lengths = floor_divide(heard + 1, 2);
    return {ctc_loss(transpose(log_p, 0, 1), y.slice(1, 2, 2 + most), lengths, select(y, 1, 1), {.blank = blank}), log_p};
  };
  auto options = flags.fit(&test, {digit_error_rate()});
  options.unit = "sentences";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "spoken sentences of digits", 1);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A GRU writes down spoken digits, without being told where each one is",
                       {.optimizer = "clip_norm(1) | adamw(lr=linear(1e-2, total=TOTAL, end=1e-3), beta2=0.98)",
                        .steps = 600,
                        .batch = 16,
                        .quick_length = 120},
                       learn);
}
