#include <gradus/examples/digits.h>
#include <gradus/examples/sheet.h>
#include <gradus/gradus.h>

namespace gradus::examples {

data::DataLoader load_digits(const Flags& flags, bool train, bool drop_last) {
  const std::int64_t count = flags.quick ? 500 : train ? 20000 : 2000;
  const auto set =
      flags.data.empty() ? data::generate_digits(count, flags.seed, train) : data::load_mnist(flags.data, train);
  return data::DataLoader(
      data::TensorDataset(set),
      {.batch_size = flags.quick ? 20 : flags.batch, .shuffle = train, .seed = flags.seed, .drop_last = train && drop_last});
}

namespace {

struct Classifier : nn::Module<Classifier> {
  nn::Conv2d conv1{1, 8, 5, {.padding = 2}}, conv2{8, 16, 5, {.padding = 2}};
  nn::Linear hidden{16 * 7 * 7, 64}, output{64, 10};
  GRADUS_FIELDS(conv1, conv2, hidden, output)
  Tensor features(const Tensor& x) {
    const Tensor y = max_pool2d(relu(conv1(x)), 2);
    return relu(hidden(flatten(max_pool2d(relu(conv2(y)), 2), 1)));
  }
  Tensor forward(const Tensor& x) { return output(features(x)); }
};

/// The first `count` images of epoch 0.
Tensor some(const data::DataLoader& loader, std::int64_t count) {
  std::vector<Tensor> parts;
  std::int64_t have = 0;
  for (auto& batch : loader.epoch(0)) {
    parts.push_back(Tensor(batch.x));
    if ((have += batch.x.dim(0)) >= count) break;
  }
  return cat(parts).slice(0, 0, count);
}

}  // namespace

Outcome judge_digits(Outcome o, const Flags& flags, const Tensor& samples, const Tensor& untrained) {
  if (!flags.save.empty()) save_sheet(flags.save + ".pgm", samples.slice(0, 0, 100), 10);
  const auto train = load_digits(flags, true), test = load_digits(flags, false);
  Classifier net;
  const std::int64_t epochs = flags.quick ? 6 : 2;
  auto optimizer =
      optim::make(join("adam(lr=one_cycle(4e-3, total=", epochs * train.batches(), "))"), net.named_parameters());
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  training::FitOptions options;
  options.epochs = epochs, options.validation = &test, options.metrics = {training::accuracy()}, options.progress = false;
  const auto fitted = training::fit(net, optimizer, train, step, options);

  const NoGrad unrecorded;
  const std::int64_t n = samples.dim(0);
  const Tensor real = net.features(some(test, n)), features = net.features(samples);
  const Tensor p = softmax(net.output(features)), named = mean(one_hot(argmax(p, 1), 10), {0});
  o.metric = "Frechet distance", o.higher_is_better = false;
  o.value = training::frechet_distance(features, real);
  o.baseline = training::frechet_distance(net.features(untrained), real);
  o.more = {{"smallest share of a class", min(named).item()},
            {"confidence", mean(max(p, 1)).item()},
            {"distance of real digits", training::frechet_distance(net.features(some(train, n)), real)},
            {"accuracy of the judge", fitted.records.back().metrics[0]}};
  return o;
}

}  // namespace gradus::examples
