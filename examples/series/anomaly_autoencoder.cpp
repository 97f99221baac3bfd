// What is unusual in a series? An autoencoder learns to squeeze windows of the usual through a few numbers; what it cannot
// put together again was not usual. Anomalies of four kinds are planted in half of the held-out windows.
//
//   anomaly_autoencoder                 a series of Mackey and Glass
//   anomaly_autoencoder --data FILE     a CSV file with a header whose last column is the series
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t window = 64, code = 4;

struct Autoencoder : nn::Module<Autoencoder> {
  nn::Sequential encoder{nn::Linear(window, 64), nn::GELU(), nn::Linear(64, code)};
  nn::Sequential decoder{nn::Linear(code, 64), nn::GELU(), nn::Linear(64, window)};
  GRADUS_FIELDS(encoder, decoder)
  Tensor forward(const Tensor& x) { return decoder(encoder(x)); }  ///< [N, window] -> the same, put together again
};

Tensor load(const examples::Flags& flags) {
  if (flags.data.empty()) return Tensor(data::generate_mackey_glass(flags.quick ? 1500 : 6000, flags.seed));
  const data::Table table = data::read_csv(flags.data);
  return Tensor(table.numbers(table.names().back()));
}

std::vector<Tensor> windows(const Tensor& series, int64_t stride) {
  std::vector<Tensor> all;
  for (int64_t i = 0; i + window <= series.size(); i += stride) all.push_back(series.slice(0, i, i + window));
  return all;
}

/// A spike, a stretch that is moved, one that trembles, or one that stands still; `x` has a deviation of about 1.
Array with_anomaly(const Tensor& x, const Philox& random) {
  Array out = x.array().copy();
  float* at = out.uninitialized<float>();
  const auto kind = random.below(0, 4);
  const auto length = kind == 0 ? 1 : 12 + static_cast<int64_t>(random.below(1, 12));
  const auto from = static_cast<int64_t>(random.below(2, static_cast<std::uint64_t>(window - length)));
  const double size = (random.below(3, 2) ? 1 : -1) * (kind == 0 ? 3 + 2 * random.uniform(4) : 1.5 + random.uniform(4));
  for (int64_t t = from; t < from + length; ++t) {
    const double tremble = random.normal(static_cast<std::uint64_t>(10 + t));
    if (kind == 3) at[t] = static_cast<float>(size);
    else at[t] += static_cast<float>(kind == 2 ? size * tremble : size);
  }
  return out;
}

/// x [N, window]; y [N]: 1 where something was planted.
data::TensorDataset half_planted(const std::vector<Tensor>& usual, std::uint64_t seed) {
  std::vector<Tensor> x;
  std::vector<float> y;
  for (std::size_t i = 0; i < usual.size(); ++i) {
    x.push_back(i % 2 ? Tensor(with_anomaly(usual[i], {seed, i})) : usual[i]);
    y.push_back(static_cast<float>(i % 2));
  }
  return data::TensorDataset(stack(x).array(), Array::of<float>({std::ssize(y)}, y));
}

/// How often a planted window has the larger score of a pair, planted and usual: the area under the ROC curve (Hanley and
/// McNeil, 1982), over the pairs of each batch.
training::Metric auc() {
  return {"auc", true,
          [](const Tensor& score, const Tensor& planted) {
            const Tensor a = unsqueeze(masked_select(score, planted == 1), 1), b = masked_select(score, planted == 0);
            const Tensor wins = (a > b).to(f64) + 0.5 * (a == b).to(f64);
            return std::vector{sum(wins).item(), static_cast<double>(wins.size())};
          },
          [](const std::vector<double>& sums) { return sums[0] / sums[1]; }};
}

examples::Outcome learn(const examples::Flags& flags) {
  Tensor series = load(flags);
  const int64_t cut = series.size() * 7 / 10;  // the end is held out
  const Tensor past = series.slice(0, 0, cut);
  series = (series - mean(past)) / gradus::std(past);
  const data::DataLoader train(data::TensorDataset(stack(windows(series.slice(0, 0, cut), 1)).array()),
                               {.batch_size = flags.batch, .seed = flags.seed});
  const auto held_out = half_planted(windows(series.slice(0, cut, series.size()), 3), flags.seed);
  const data::DataLoader test(held_out, {.batch_size = held_out.size(), .shuffle = false});
  Autoencoder net;
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor x(batch.x), error = mean(square(net(x) - x), {1});
    return {mean(error), error};
  };
  auto options = flags.fit(&test, {auc()});
  options.unit = "windows";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "planted anomalies", 0.5);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An autoencoder finds what is unusual in a series",
                       {.optimizer = "adam(lr=cosine(2e-3, total=TOTAL))", .epochs = 40, .batch = 64, .quick_length = 8},
                       learn);
}
