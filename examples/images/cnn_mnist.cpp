// A small CNN on handwritten digits: modules, a loader, fit.
//
//   cnn_mnist                   digits drawn by our own code
//   cnn_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

struct Net : nn::Module<Net> {
  nn::Conv2d conv1{1, 16, 3, {.padding = 1}}, conv2{16, 32, 3, {.padding = 1}};
  nn::Linear hidden{32 * 7 * 7, 128}, output{128, 10};
  nn::Dropout dropout{0.25};
  GRADUS_FIELDS(conv1, conv2, hidden, output, dropout)
  Tensor forward(const Tensor& x) {
    Tensor y = max_pool2d(relu(conv1(x)), 2);
    y = max_pool2d(relu(conv2(y)), 2);
    return output(dropout(relu(hidden(flatten(y, 1)))));
  }
};

data::DataLoader load(const examples::Flags& flags, bool train) {
  const int64_t count = flags.quick ? 400 : train ? 20000 : 2000;
  const auto set =
      flags.data.empty() ? data::generate_digits(count, flags.seed, train) : data::load_mnist(flags.data, train);
  return data::DataLoader(data::TensorDataset(set),
                          {.batch_size = flags.quick ? 20 : flags.batch, .shuffle = train, .seed = flags.seed});
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto train = load(flags, true), test = load(flags, false);
  Net net;
  std::printf("%s\n", net.summary(Shape{1, 1, 28, 28}).c_str());
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  const auto options = flags.fit(&test, {training::accuracy()});
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "digits", 0.2);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A small CNN on handwritten digits",
                       {.optimizer = "adamw(lr=one_cycle(3e-3, total=TOTAL))", .epochs = 5, .batch = 64, .quick_length = 1},
                       learn);
}
