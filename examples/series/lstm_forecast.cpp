// An LSTM reads a series, here sunspots or temperatures, and says what comes next. What must be beaten is persistence:
// it stays as it is.
//
//   lstm_forecast                 a series of Mackey and Glass
//   lstm_forecast --data FILE     a CSV file with a header whose last column is the series
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t window = 96, ahead = 12;

struct Net : nn::Module<Net> {
  nn::LSTM lstm{1, 32, {.batch_first = true}};
  nn::Dropout dropout{0.1};
  nn::Linear output{32, ahead};
  GRADUS_FIELDS(lstm, dropout, output)
  /// x [N, T] -> the numbers that come next, [N, ahead]: how far each is from the last one, as the window counts (Kim et al.,
  /// "Reversible instance normalization", 2022).
  Tensor forward(const Tensor& x) {
    const Tensor last = x.slice(1, window - 1, window), spread = sqrt(mean(square(x - last), {1}, true)) + 0.01;
    const Tensor y = lstm(unsqueeze((x - last) / spread, 2)).y;
    return last + spread * output(dropout(select(y, 1, -1)));
  }
};

Array load(const examples::Flags& flags) {
  if (flags.data.empty()) return data::generate_mackey_glass(flags.quick ? 700 : 4000, flags.seed);
  const data::Table table = data::read_csv(flags.data);
  return table.numbers(table.names().back());
}

data::TensorDataset windows(const Tensor& series) {
  std::vector<Tensor> x, y;
  for (int64_t i = window; i + ahead <= series.size(); ++i)
    x.push_back(series.slice(0, i - window, i)), y.push_back(series.slice(0, i, i + ahead));
  return data::TensorDataset(stack(x).array(), stack(y).array());
}

/// Of the k-th number that comes next, as the series counts.
training::Metric rmse_at(int64_t k, double scale) {
  const training::Metric rmse = training::rmse();
  return {join("rmse_", k), false,
          [=](const Tensor& output, const Tensor& target) {
            return rmse.sums(select(output, 1, k - 1), select(target, 1, k - 1));
          },
          [=](const std::vector<double>& sums) { return scale * rmse.value(sums); }};
}

examples::Outcome learn(const examples::Flags& flags) {
  Tensor series(load(flags));
  const int64_t cut = series.size() * 8 / 10;  // the end is held out
  const double centre = mean(series.slice(0, 0, cut)).item();
  const double scale = std::sqrt(mean(square(series.slice(0, 0, cut) - centre)).item());
  series = (series - centre) / scale;

  const data::DataLoader train(windows(series.slice(0, 0, cut)), {.batch_size = flags.batch, .seed = flags.seed});
  const data::DataLoader test(windows(series.slice(0, cut - window, series.size())), {.batch_size = 256, .shuffle = false});
  Net net;
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor y = net(Tensor(batch.x));
    return {mse_loss(y, Tensor(batch.y)), y};
  };
  auto options = flags.fit(&test, {rmse_at(1, scale), rmse_at(ahead, scale)});
  options.unit = "windows", options.average = flags.quick ? 0.8 : 0.98;
  const auto stays = [](const data::Batch& batch) -> training::StepResult {
    const Tensor y = expand(Tensor(batch.x).slice(1, window - 1, window), batch.y.shape());
    return {mse_loss(y, Tensor(batch.y)), y};
  };
  const auto persistence = training::evaluate(net, test, stays, options.metrics).metrics;
  std::printf("persistence: rmse_1 %.4f, rmse_%d %.4f\n", persistence[0], int(ahead), persistence[1]);
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "one step ahead", persistence[0]);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An LSTM forecasts a series",
                       {.optimizer = "clip_norm(1) | adamw(lr=cosine(3e-3, total=TOTAL), weight_decay=0.05)",
                        .epochs = 20,
                        .batch = 32,
                        .quick_length = 6},
                       learn);
}
