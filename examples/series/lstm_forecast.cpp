// An LSTM reads a series, here sunspots or temperatures, and says what comes next. What must be beaten is persistence:
// it stays as it is.
//
//   lstm_forecast                 a series of Mackey and Glass, "Oscillation and chaos in physiological control systems", 1977
//   lstm_forecast --data FILE     a CSV file with a header whose last column is the series
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t window = 48;

struct Net : nn::Module<Net> {
  nn::LSTM lstm{1, 48, {.batch_first = true}};
  nn::Linear output{48, 1};
  GRADUS_FIELDS(lstm, output)
  /// x [N, T] -> what comes next, [N]: the last number and how far from it.
  Tensor forward(const Tensor& x) {
    const Tensor last = select(x, 1, -1), y = lstm(unsqueeze(x, 2)).y;
    return last + squeeze(output(select(y, 1, -1)), 1);
  }
};

/// x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x, every third number, a little blurred.
std::vector<float> mackey_glass(int64_t count, std::uint64_t seed) {
  const Philox random{seed, 3};
  std::vector<double> x;
  for (std::uint64_t i = 0; i < 18; ++i) x.push_back(1 + 0.2 * random.uniform(i));
  while (static_cast<int64_t>(x.size()) < 3 * count) {
    const double now = x.back(), before = x[x.size() - 18];
    x.push_back(now + 0.2 * before / (1 + std::pow(before, 10)) - 0.1 * now);
  }
  std::vector<float> series;
  for (std::size_t i = 0; i < x.size(); i += 3) series.push_back(static_cast<float>(x[i] + 0.01 * random.normal(100 + i)));
  return series;
}

std::vector<float> load(const examples::Flags& flags) {
  if (flags.data.empty()) return mackey_glass(flags.quick ? 600 : 4000, flags.seed);
  const data::Table table = data::read_csv(flags.data);
  const Array column = table.numbers(table.names().back());
  return {column.data<float>(), column.data<float>() + column.size()};
}

/// Windows of a piece of the series, and the number behind each.
data::TensorDataset windows(const std::vector<float>& series, std::size_t begin, std::size_t end) {
  std::vector<float> x, y;
  for (std::size_t i = begin; i + window < end; ++i) {
    x.insert(x.end(), series.begin() + static_cast<std::ptrdiff_t>(i),
             series.begin() + static_cast<std::ptrdiff_t>(i) + window);
    y.push_back(series[i + window]);
  }
  const auto n = static_cast<int64_t>(y.size());
  return data::TensorDataset(Array::of<float>({n, window}, x), Array::of<float>({n}, y));
}

examples::Outcome learn(const examples::Flags& flags) {
  std::vector<float> series = load(flags);
  const std::size_t cut = series.size() * 8 / 10;  // the end is held out
  const Tensor past(
      Array::of<float>({static_cast<int64_t>(cut)}, {series.begin(), series.begin() + static_cast<std::ptrdiff_t>(cut)}));
  const double centre = mean(past).item(), scale = std::sqrt(mean(square(past - centre)).item());
  for (float& x : series) x = static_cast<float>((x - centre) / scale);

  const data::DataLoader train(windows(series, 0, cut), {.batch_size = flags.batch, .seed = flags.seed});
  const data::TensorDataset future = windows(series, cut - window, series.size());
  const data::DataLoader test(future, {.batch_size = 256, .shuffle = false});
  Net net;
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor y = net(Tensor(batch.x));
    return {mse_loss(y, Tensor(batch.y)), y};
  };
  training::Metric rmse = training::rmse();
  rmse.value = [scale, of_scaled = rmse.value](const std::vector<double>& sums) { return scale * of_scaled(sums); };
  auto options = flags.fit(&test, {rmse});
  options.unit = "windows", options.average = 0.98;
  const double persistence = scale * std::sqrt(mean(square(select(Tensor(future.x()), 1, -1) - Tensor(future.y()))).item());
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "one step ahead", persistence);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "An LSTM forecasts a series",
      {.optimizer = "clip_norm(1) | adam(lr=cosine(3e-3, total=TOTAL))", .epochs = 20, .batch = 32, .quick_length = 4},
      learn);
}
